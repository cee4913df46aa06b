#include "tests/sim/lone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct lone lone;
static struct journal_entry entries[LONE_MAX_ENTRIES];

void lone_open(const struct journal_config *config)
{
    struct sim_options options;
    struct kernel_error kernel_error;
    struct journal_error error;
    struct journal_recovery recovery;
    struct journal_config own = *config;
    const struct reactor_config limits = {
        .limits = {
            .slots = 4, .reserved_slots = 1, .buffer_count = {2, 2}, .buffer_size = {256, 256}}};

    memset(&lone, 0, sizeof lone);
    own.folder = LONE_FOLDER;
    sim_options_calm(&options, 1);
    lone.sim = sim_create(&options);
    assert_int_equal(journal_open(&own, &lone.journal, &recovery, &error), STATUS_OK);
    assert_int_equal(reactor_create(&limits, &lone.reactor, &kernel_error), STATUS_OK);
}

void lone_step(void)
{
    (void)sim_step(lone.sim);
    if (sim_pick_due(lone.sim) != NULL)
        reactor_turn(lone.reactor, -1);
}

static void done(struct journal_entry *entry, enum status status)
{
    (void)entry;
    assert_int_equal(status, STATUS_OK);
    lone.done++;
}

void lone_append(const void *data, size_t size)
{
    assert_in_range(lone.appended, 0, LONE_MAX_ENTRIES - 1);
    struct journal_entry *entry = &entries[lone.appended++];
    *entry = (struct journal_entry){.data = data,
                                    .size = (uint32_t)size,
                                    .kind = JOURNAL_EVENT,
                                    .class = JOURNAL_FIRST,
                                    .from = lone.reactor,
                                    .done = done};
    assert_int_equal(journal_append(lone.journal, entry), STATUS_OK);
}

void lone_record(void)
{
    while (lone.done < lone.appended)
        lone_step();
}

static void set(void *flag)
{
    *(bool *)flag = true;
}

void lone_close(void)
{
    bool stopped = false;

    journal_stop(lone.journal, set, &stopped);
    while (!stopped)
        lone_step();
    lone_record();
    reactor_destroy(lone.reactor);
    journal_free(lone.journal);
    sim_destroy(lone.sim);
}
