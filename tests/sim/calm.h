/* The stage of tests of one rule each: a server with one shard in a calm network, where time is
 * exact; its modems and agents are callers. A test is calm_load, changes of calm.config, calm_start
 * (or both by calm_open), what it tests, calm_finish. One stage at a time. */
#ifndef CENCD_TESTS_SIM_CALM_H
#define CENCD_TESTS_SIM_CALM_H

#include "tests/sim/caller.h"

#define CALM_PORT         5009 /* modems */
#define CALM_ACKNOWLEDGED 5010 /* the same, whose keepalives are answered */

extern struct site calm;
extern const uint8_t calm_keepalive[5]; /* of an irz modem */

void calm_load(void);
void calm_load_narrow(uint32_t socket_bytes); /* with such buffers of sockets */
void calm_start(void);
void calm_open(void);

/* The server stops, and nothing may be left. */
void calm_finish(void);

/* Fails the test unless so many were closed for this reason. */
void calm_require_closed(enum close_reason reason, uint64_t times);

/* A modem with CALLER_SERIAL dials in. */
void calm_dial_in(struct caller *modem, const char *ip);

/* A modem and its agent, joined. */
void calm_join(struct caller *modem, struct caller *agent);

#endif
