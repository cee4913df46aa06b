/* A site whose server keeps its state: the journal on the simulation's disk, the directory's store
 * in a real folder. One server after the other may find what the one before left. */
#ifndef CENCD_TESTS_SIM_STATE_SITE_H
#define CENCD_TESTS_SIM_STATE_SITE_H

#include "codec/proto/event.h"
#include "server/journal/journal.h"
#include "tests/sim/site.h"

struct state_site {
    struct site site;
    char folder[64];
    int nowhere;
    unsigned servers; /* started so far */
    struct proto_arena arena;
};

/* yaml: without server.state_dir. */
void state_load(struct state_site *state, const struct sim_options *options, const char *yaml);
void state_start(struct state_site *state);

/* Rates per mille. */
void state_set_disk(struct state_site *state, uint16_t errors, uint16_t full, uint16_t shorts);

/* The server stops in order, and is gone. before_it_goes may look at it; NULL: nobody does. */
void state_stop(struct state_site *state, void (*before_it_goes)(void));

/* The same, but nothing of what it does from now on reaches the disk. The store is what a killed
 * process leaves; with power lost, what was not synced is gone, too, or not, by the seed. */
void state_crash(struct state_site *state, bool power_too, void (*before_it_goes)(void));

/* Copies a store of the folder as a killed process leaves it; names without folder. */
void state_copy_store(const char *folder, const char *from, const char *to);

/* While there is no server: what the journal holds, opened as a start would. */
struct journal *state_journal(struct state_site *state);
/* Shows every record of it in order; the event is valid during the call. */
void state_walk(struct state_site *state, struct journal *journal,
                void (*visit)(const Cenc__V1__Event *event, uint64_t sequence));
/* A directory as the server's, empty. */
struct directory *state_directory(const struct state_site *state);
/* What a start makes of store and journal is what other says. */
void state_check_start(const struct state_site *state, struct journal *journal,
                       struct directory *other);

void state_close(struct state_site *state);

#endif
