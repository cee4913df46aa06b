/* What the fleet is told to be: the command line, checked. */
#ifndef CENCD_FLEET_OPTIONS_H
#define CENCD_FLEET_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/fleet/meter.h"
#include "server/base/address.h"

struct fleet_options {
    struct address server;
    uint32_t devices;
    uint64_t first_imei;           /* device i has first_imei + i */
    uint32_t encapsulated_percent; /* of the modems: COLPROT, data in frames */
    enum meter_choice meter;       /* behind each modem */
    uint32_t keepalive_s;          /* 0: none */
    uint32_t rate;                 /* connects per second, of the whole fleet */
    uint32_t reconnect_min_s;      /* a device that lost its link comes back after ... */
    uint32_t reconnect_max_s;
    uint32_t flap; /* so many further devices are twins of the first ones: the
                      same IMEI, so that each pair goes on replacing each other */
    uint32_t keepalive_in_answers_percent;
    bool fragment;       /* answers come in random pieces */
    uint32_t duration_s; /* 0: until SIGINT or SIGTERM */
    uint64_t seed;
    uint32_t neighbourhood; /* the first so many lose their power at SIGUSR1, until SIGUSR2 */
    struct address gasp;    /* where they say so by UDP; family 0: nowhere */
    struct cidr source;     /* devices connect from its addresses; family 0: the system's */
    uint32_t slots;         /* devices per reactor at most; 0: as many as the limit allows */
    bool json;
};

/* Fills options. 0: go on; otherwise the process should end with *status: help was printed, or an
 * error. */
int fleet_options_parse(int argc, char **argv, struct fleet_options *options, int *status);

#endif
