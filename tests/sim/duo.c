#include "tests/sim/duo.h"

#include "server/reactor/internal.h"
#include "server/reactor/sim/world.h"

void duo_choose_faults(struct sim_options *options, uint64_t seed)
{
    static const uint16_t rates[] = {0, 0, 0, 10, 50, 200};
    uint64_t luck = sim_hash(&seed, sizeof seed);
    sim_options_calm(options, seed);
    options->delay = (uint16_t)(luck % 100);
    options->reorder = (uint16_t)(luck / 100 % 100);
    options->early_submit = (uint16_t)(luck / 10000 % 1000);
    options->work_delay = (uint16_t)(luck / 10000000 % 500);
    options->time_passes = (uint16_t)(luck % 7 * 30);
    options->file_short = rates[luck / 7 % 6];
    options->file_error = rates[luck / 42 % 6];
    options->file_full = rates[luck / 252 % 6];
    options->disk_bytes = luck / 1512 % 4 == 0 ? 20000 + (uint32_t)(luck / 6048 % 100000) : 0;
}

static void make_reactor(struct reactor **reactor)
{
    struct kernel_error error;
    struct reactor_config config = {
        .limits = {.slots = 4,
                   .reserved_slots = 1,
                   .buffer_count = {2, 2},
                   .buffer_size = {256, 256}},
    };
    SEEDS_REQUIRE(reactor_create(&config, reactor, &error) == STATUS_OK);
}

void duo_make_reactors(struct duo *duo)
{
    make_reactor(&duo->writer);
    make_reactor(&duo->user);
}

void duo_step(struct duo *duo)
{
    sim_step(duo->sim);
    struct kernel *kernel = sim_pick_due(duo->sim);
    if (kernel == NULL)
        return;
    bool is_writer = duo->writer != NULL && kernel == reactor_kernel(duo->writer);
    reactor_turn(is_writer ? duo->writer : duo->user, -1);
}

static void before_attempt(struct duo *duo, unsigned attempt)
{
    if (attempt == 9)
        sim_calm_down(duo->sim);
    SEEDS_REQUIRE(attempt < 10);
}

struct journal *duo_open_journal(struct duo *duo, const struct journal_config *config)
{
    struct journal *journal = NULL;
    struct journal_recovery recovery;
    struct journal_error error;
    enum status status = STATUS_SYSTEM;
    for (unsigned attempt = 0; status != STATUS_OK; attempt++) {
        before_attempt(duo, attempt);
        status = journal_open(config, &journal, &recovery, &error);
        SEEDS_REQUIRE(status == STATUS_OK || status == STATUS_SYSTEM);
    }
    return journal;
}

struct load_report duo_load(struct duo *duo, struct journal *journal, const char *path,
                            struct directory *(*make)(void), struct directory **directory,
                            struct store **store)
{
    struct load_report report = {0};
    struct store_error error;
    enum status status = STATUS_SYSTEM;
    for (unsigned attempt = 0; status != STATUS_OK; attempt++) {
        before_attempt(duo, attempt);
        *directory = make();
        status = directory_load(*directory, path, journal, store, &report, &error);
        SEEDS_REQUIRE(status == STATUS_OK || status == STATUS_SYSTEM);
        if (status != STATUS_OK)
            directory_free(*directory);
    }
    SEEDS_REQUIRE(report.refused == 0);
    return report;
}

void duo_kill(struct reactor **reactor)
{
    (*reactor)->in_flight = 0;
    reactor_destroy(*reactor);
    *reactor = NULL;
}

void duo_stop(struct duo *duo)
{
    DUO_UNTIL(duo, reactor_idle(duo->writer) && reactor_idle(duo->user));
    reactor_destroy(duo->writer);
    reactor_destroy(duo->user);
    duo->writer = duo->user = NULL;
}
