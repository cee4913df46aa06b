#include "tests/sim/directory_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "server/directory/accounts.h"
#include "server/directory/internal.h"
#include "server/directory/restore.h"
#include "tests/history/history.h"
#include "tests/sim/seeds.h"

#define LINES_MAX 2000u

static void describe_agent(FILE *out, const struct agent *agent)
{
    const struct agent_rights *rights = &agent->rights;
    (void)fprintf(out, "agent %u r%" PRIu64 " %s|%s|%d %d %" PRIu64 " %u hash %u %02x%02x",
                  agent->named.id, agent->named.revision, agent->named.name, agent->named.note,
                  agent->enabled, rights->extended, agent->expires_utc_ms, agent->max_sessions,
                  agent->password.log2_n, agent->password.hash[0], agent->password.hash[31]);
    for (uint32_t i = 0; i < rights->group_count; i++)
        (void)fprintf(out, " g%u", rights->groups[i]);
    for (uint32_t i = 0; i < rights->project_count; i++)
        (void)fprintf(out, " p%u", rights->projects[i]);
    for (uint32_t i = 0; i < rights->source_count; i++)
        (void)fprintf(out, " s%u/%u", rights->sources[i].network.ip[0], rights->sources[i].prefix);
    (void)fputs("\n", out);
}

/* Devices whose record the journal didn't take: they are counted, but nobody knows them. */
static uint64_t unrecorded(struct directory *directory, uint32_t project, uint32_t channel)
{
    uint64_t count = 0;
    const struct device *device;
    for (uint64_t at = 0; (device = order_at(&directory->order, at)) != NULL; at++)
        count += !device->recorded && !device->removed &&
                 (project != 0 ? device->project == project : device->channel == channel);
    return count;
}

static void describe_channel(FILE *out, struct directory *directory, struct channel *channel)
{
    const struct named *named = &channel->named;
    (void)fprintf(out, "channel %u r%" PRIu64 " %s|%s|%s in %u %s:%u %d %d devices %" PRIu64 "\n",
                  named->id, named->revision, named->name, named->note,
                  id_name(&directory->accounts->channel_names, named->id), channel->project,
                  channel->host, channel->port, channel->exclusive, channel->enabled,
                  channel->devices - unrecorded(directory, 0, named->id));
}

static void describe_named(FILE *out, struct directory *directory)
{
    const struct accounts *accounts = directory->accounts;
    for (size_t i = 0; i < accounts->projects.count; i++) {
        const struct named *named = accounts->projects.entries[i];
        (void)fprintf(
            out, "project %u r%" PRIu64 " %s|%s|%s devices %" PRIu64 " groups %u\n", named->id,
            named->revision, named->name, named->note, id_name(&accounts->project_names, named->id),
            ((const struct project *)named)->devices - unrecorded(directory, named->id, 0),
            ((const struct project *)named)->groups);
    }
    for (size_t i = 0; i < accounts->groups.count; i++) {
        const struct named *named = accounts->groups.entries[i];
        (void)fprintf(out, "group %u in %u r%" PRIu64 " %s|%s devices %" PRIu64 "\n", named->id,
                      named->within, named->revision, named->name, named->note,
                      ((const struct group *)named)->devices);
    }
    for (size_t i = 0; i < accounts->agents.count; i++)
        describe_agent(out, (const struct agent *)accounts->agents.entries[i]);
    for (size_t i = 0; i < accounts->channels.count; i++)
        describe_channel(out, directory, channel_of(accounts->channels.entries[i]));
}

static void describe_bindings(FILE *out, const struct directory *directory)
{
    for (size_t i = 0; i < directory->config.listener_count; i++) {
        const struct binding *binding =
            binding_called(directory->accounts, directory->config.listeners[i].name);
        if (binding != NULL)
            (void)fprintf(out, "binding %s r%" PRIu64 " %u bound %u\n", binding->listener,
                          binding->revision, binding->project, directory->accounts->bound[i]);
    }
}

struct lines {
    char *texts[LINES_MAX];
    size_t count;
};

static bool add_line(const struct device_facts *facts, void *context)
{
    struct lines *lines = context;
    if (!facts->known || facts->removed)
        return true;
    SEEDS_REQUIRE(lines->count < LINES_MAX);
    SEEDS_REQUIRE(asprintf(&lines->texts[lines->count++], "device %s %u %u %u\n", facts->serial,
                           facts->project_id, facts->group_id, facts->channel_id) > 0);
    return true;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void describe_devices(FILE *out, struct directory *directory)
{
    struct lines lines = {.count = 0};
    (void)directory_walk_facts(directory, 0, add_line, &lines);
    qsort(lines.texts, lines.count, sizeof lines.texts[0], by_text);
    for (size_t i = 0; i < lines.count; i++) {
        (void)fputs(lines.texts[i], out);
        free(lines.texts[i]);
    }
}

char *directory_text(struct directory *directory)
{
    const struct accounts *accounts = directory->accounts;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    SEEDS_REQUIRE(out != NULL);
    (void)fprintf(out, "last %u %u %u %u\n", accounts->last_project, accounts->last_group,
                  accounts->last_agent, accounts->last_channel);
    describe_named(out, directory);
    describe_bindings(out, directory);
    describe_devices(out, directory);
    SEEDS_REQUIRE(fclose(out) == 0);
    return text;
}

void directory_require_text(const char *text, const char *expected)
{
    if (strcmp(text, expected) != 0)
        (void)fprintf(stderr, "%s--- but expected\n%s", text, expected);
    SEEDS_REQUIRE(strcmp(text, expected) == 0);
}

void directory_require_same(struct directory *directory, struct directory *expected)
{
    char *text = history_describe(directory);
    char *expected_text = history_describe(expected);
    directory_require_text(text, expected_text);
    free(text);
    free(expected_text);
}
