/* The stage of tests of the journal's time: one journal and one reactor in a calm simulation. A
 * test is lone_open, journal_start, what it tests, lone_close. One stage at a time. */
#ifndef CENCD_TESTS_SIM_LONE_H
#define CENCD_TESTS_SIM_LONE_H

#include "server/journal/journal.h"
#include "server/reactor/sim/sim.h"

#define LONE_FOLDER      "/journal"
#define LONE_MAX_ENTRIES 2000u

extern struct lone {
    struct sim *sim;
    struct reactor *reactor;
    struct journal *journal;
    unsigned appended;
    unsigned done; /* of these: told that they are recorded */
} lone;

/* Its folder is LONE_FOLDER. It isn't started. */
void lone_open(const struct journal_config *config);

/* Something happens, and the reactor takes its turn if it is due. */
void lone_step(void);

/* An event of the most important class. The bytes stay the caller's. */
void lone_append(const void *data, size_t size);
/* Until all that was appended is recorded. */
void lone_record(void);

/* All that was appended must be recorded. */
void lone_close(void);

#endif
