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
