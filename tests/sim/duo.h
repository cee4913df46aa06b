/* Two reactors over one virtual disk: a writer, which may die in the middle, and a user of what it
 * writes. */
#ifndef CENCD_TESTS_SIM_DUO_H
#define CENCD_TESTS_SIM_DUO_H

#include "server/directory/load.h"
#include "server/reactor/reactor.h"
#include "server/reactor/sim/sim.h"
#include "tests/sim/seeds.h"

#define DUO_MAX_STEPS 400000u

struct duo {
    struct sim *sim;
    struct reactor *writer; /* NULL: not there */
    struct reactor *user;
};

/* Delays, and a disk that fails in all ways but a crash, as the seed says. */
void duo_choose_faults(struct sim_options *options, uint64_t seed);

void duo_make_reactors(struct duo *duo);

/* One thing happens, and one of both runs if it is due. */
void duo_step(struct duo *duo);
#define DUO_UNTIL(duo, condition)                                                                  \
    do {                                                                                           \
        unsigned steps_left = DUO_MAX_STEPS;                                                       \
        while (!(condition)) {                                                                     \
            SEEDS_REQUIRE(steps_left-- > 0);                                                       \
            duo_step(duo);                                                                         \
        }                                                                                          \
    } while (0)

/* A start. What fails for the disk's sake is tried again, the tenth time on a good disk. */
struct journal *duo_open_journal(struct duo *duo, const struct journal_config *config);
struct load_report duo_load(struct duo *duo, struct journal *journal, const char *path,
                            struct directory *(*make)(void), struct directory **directory,
                            struct store **store);

/* Nothing that is under way in it goes on. */
void duo_kill(struct reactor **reactor);

/* Both have nothing to do any more, and go. */
void duo_stop(struct duo *duo);

#endif
