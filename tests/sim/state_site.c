#include "tests/sim/state_site.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/directory/load.h"
#include "server/journal/walk.h"
#include "server/reactor/sim/world.h"
#include "tests/history/history.h"
#include "tests/sim/directory_text.h"
#include "tests/sim/seeds.h"

#define MIB 1048576ull

void state_load(struct state_site *state, const struct sim_options *options, const char *yaml)
{
    memset(state, 0, sizeof *state);
    site_load(&state->site, options, yaml);
    struct config *config = state->site.config;
    history_make_folder(state->folder);
    (void)snprintf(config->server.state_dir, sizeof config->server.state_dir, "%s", state->folder);
    state->nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    state->arena.size = PROTO_ARENA_SIZE;
    state->arena.memory = malloc(PROTO_ARENA_SIZE);
    SEEDS_REQUIRE(state->nowhere >= 0 && state->arena.memory != NULL);
}

/* The site's own log ends with the first server. */
static bool logs_to_nowhere(const struct state_site *state)
{
    return state->servers > 1 && getenv("SIM_LOG") == NULL;
}

void state_start(struct state_site *state)
{
    state->servers++;
    if (logs_to_nowhere(state))
        SEEDS_REQUIRE(log_start(state->nowhere, LOG_ERROR) == STATUS_OK);
    site_start(&state->site, 20000);
}

void state_set_disk(struct state_site *state, uint16_t errors, uint16_t full, uint16_t shorts)
{
    struct sim_options *options = &state->site.sim->options;
    options->file_error = errors;
    options->file_full = full;
    options->file_short = shorts;
}

void state_stop(struct state_site *state, void (*before_it_goes)(void))
{
    site_stop(&state->site);
    if (before_it_goes != NULL)
        before_it_goes();
    site_leave(&state->site);
    if (logs_to_nowhere(state))
        log_stop();
}

/* ---- a crash ---- */

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 16];
    ssize_t size = 1;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    (void)unlink(to);
    if (in < 0)
        return;
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    SEEDS_REQUIRE(out >= 0);
    while ((size = read(in, bytes, sizeof bytes)) > 0)
        SEEDS_REQUIRE(write(out, bytes, (size_t)size) == size);
    SEEDS_REQUIRE(size == 0);
    (void)close(in);
    (void)close(out);
}

void state_copy_store(const char *folder, const char *from, const char *to)
{
    static const char *const ends[] = {"", "-wal"};
    char source[128];
    char target[128];
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(source, sizeof source, "%s/%s%s", folder, from, ends[i]);
        (void)snprintf(target, sizeof target, "%s/%s%s", folder, to, ends[i]);
        copy_file(source, target);
    }
    (void)snprintf(target, sizeof target, "%s/%s-shm", folder, to);
    (void)unlink(target);
}

void state_crash(struct state_site *state, bool power_too, void (*before_it_goes)(void))
{
    state_copy_store(state->folder, "directory.sqlite", "kept.sqlite");
    state_set_disk(state, 1000, 0, 0);
    state_stop(state, before_it_goes);
    state_copy_store(state->folder, "kept.sqlite", "directory.sqlite");
    state_set_disk(state, 0, 0, 0);
    if (power_too)
        sim_crash_disk(state->site.sim);
}

/* ---- what is left ---- */

struct journal *state_journal(struct state_site *state)
{
    struct journal *journal = NULL;
    struct journal_recovery recovery;
    struct journal_error error;
    char folder[80];
    (void)snprintf(folder, sizeof folder, "%s/journal", state->folder);
    struct journal_config config = {.folder = folder,
                                    .node = "node1",
                                    .segment_bytes = MIB,
                                    .queue_bytes = MIB,
                                    .retention_bytes = UINT64_MAX};
    SEEDS_REQUIRE(journal_open(&config, &journal, &recovery, &error) == STATUS_OK);
    return journal;
}

struct walking {
    struct state_site *state;
    void (*visit)(const Cenc__V1__Event *event, uint64_t sequence);
};

static void visit_record(const struct journal_record *record, void *context)
{
    const struct walking *walking = context;
    struct proto_arena *arena = &walking->state->arena;
    Cenc__V1__Event *event = NULL;
    if (record->kind != JOURNAL_EVENT)
        return;
    arena->used = 0;
    arena->full = false;
    SEEDS_REQUIRE(event_unpack(record->data, record->size, arena, &event) == CODEC_OK);
    walking->visit(event, record->sequence);
}

void state_walk(struct state_site *state, struct journal *journal,
                void (*visit)(const Cenc__V1__Event *event, uint64_t sequence))
{
    struct journal_error error;
    struct walking walking = {.state = state, .visit = visit};
    SEEDS_REQUIRE(journal_walk(journal, 1, visit_record, &walking, &error) == STATUS_OK);
}

struct directory *state_directory(const struct state_site *state)
{
    const struct config *from = state->site.config;
    struct directory *directory = NULL;
    struct directory_config config = {
        .max_devices = from->limits.devices,
        .first_port = from->direct_ports.first,
        .last_port = from->direct_ports.last,
        .recorded = true,
        .listeners = from->listeners,
        .listener_count = from->listener_count,
    };
    SEEDS_REQUIRE(directory_create(&config, &directory) == STATUS_OK);
    return directory;
}

void state_check_start(const struct state_site *state, struct journal *journal,
                       struct directory *other)
{
    struct directory *directory = state_directory(state);
    struct store *store = NULL;
    struct load_report report;
    struct store_error error;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/directory.sqlite", state->folder);
    SEEDS_REQUIRE(directory_load(directory, path, journal, &store, &report, &error) == STATUS_OK);
    SEEDS_REQUIRE(report.missing == 0 && report.refused == 0);
    directory_require_same(directory, other);
    store_close(store);
    directory_free(directory);
}

void state_close(struct state_site *state)
{
    free(state->arena.memory);
    (void)close(state->nowhere);
    site_close(&state->site);
    history_remove_folder(state->folder);
}
