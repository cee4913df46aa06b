/* A northbound in the simulation, with a journal that is written to and one consumer, "hes". One at
 * a time, in one struct, as it stands. */
#ifndef CENCD_TESTS_SIM_NORTH_H
#define CENCD_TESTS_SIM_NORTH_H

#include <cenc/v1/northbound.pb-c.h>

#include "server/directory/directory.h"
#include "server/journal/internal.h"
#include "server/northbound/internal.h"
#include "server/reactor/sim/world.h"
#include "tests/sim/duo.h"
#include "tests/sim/hes.h"

#define NORTH_MAX_RECORDS 3000u
#define NORTH_TOKEN       "0123456789abcdef0123456789abcdef"

struct north {
    struct sim *sim;
    struct reactor *writer;
    struct reactor *reactor;
    struct config config;
    struct config_consumer consumer;
    struct journal *journal;
    struct directory *directory;
    struct northbound *northbound;
    struct address address;
    struct journal_entry entries[NORTH_MAX_RECORDS + 1]; /* by sequence */
    uint8_t payloads[NORTH_MAX_RECORDS + 1][64];
    uint64_t appended;
    uint64_t committed;
    bool northbound_stopped;
    bool journal_stopped;

    struct hes hes;
    bool subscribed;
    uint64_t last_in_stream; /* sequence told in this stream; 0: none yet */
    uint64_t log;            /* the consumer's own: all up to this one was seen */
    uint64_t acknowledged;   /* sent */
    uint64_t streams;
    uint64_t repeats;
};

extern struct north world;

/* An event; or now and then, if it is about no device, a record that never leaves the node. */
void north_append(Cenc__V1__Device *device);
/* That the device, which is in the directory, was added. */
void north_append_added(Cenc__V1__Device *device);
bool north_is_event(uint64_t sequence);

/* In a simulation that was just made, world.sim. */
void north_start(void);
/* Until nothing is left. */
void north_stop(void);
void north_step(void);

#endif
