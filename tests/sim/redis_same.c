#include "tests/sim/redis_same.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/journal/journal.h"
#include "server/reactor/sim/sim.h"

struct comparison {
    struct keyspace *keyspace;
    bool talks;
    bool same;
    uint64_t devices;
    uint64_t online;
    uint64_t gasps;
};

static void differ(struct comparison *comparison, const char *what, const char *id)
{
    comparison->same = false;
    if (comparison->talks)
        (void)fprintf(stderr, "%s: %s is not the same\n", id, what);
}

static void compare_field(struct comparison *comparison, const struct key *key, const char *id,
                          const char *field, const char *expected)
{
    const char *value = keyspace_value(key, field);

    if (value == NULL || strcmp(value, expected) != 0) {
        differ(comparison, field, id);
        if (comparison->talks)
            (void)fprintf(stderr, "%s but expected %s\n", value != NULL ? value : "none", expected);
    }
}

static void compare_number(struct comparison *comparison, const struct key *key, const char *id,
                           const char *field, uint64_t expected)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, expected);
    compare_field(comparison, key, id, field, text);
}

static const struct key *find_key(const struct comparison *comparison, const char *kind,
                                  const char *id, enum key_kind type)
{
    char name[128];

    (void)snprintf(name, sizeof(name), "cencd:%s%s", kind, id);
    const struct key *key = keyspace_find(comparison->keyspace, name);
    return key != NULL && key->kind == type ? key : NULL;
}

static void compare_presence(struct comparison *comparison, const struct device_info *info,
                             const char *id)
{
    const struct key *key = find_key(comparison, "presence:", id, KEY_HASH);

    if (info->state == DEVICE_OFFLINE) {
        if (key != NULL)
            differ(comparison, "presence", id);
        return;
    }
    comparison->online++;
    compare_field(comparison, key, id, "node", "node1");
    compare_number(comparison, key, id, "epoch", info->epoch);
    if (key != NULL && key->expires_ms == 0)
        differ(comparison, "expiry", id);
}

static void compare_gasp(struct comparison *comparison, const struct device_info *info,
                         const char *id)
{
    const struct key *gasps = find_key(comparison, "gasps", "", KEY_SORTED);

    if (info->gasp.utc_ms == 0) {
        if (keyspace_value(gasps, id) != NULL)
            differ(comparison, "a gasp", id);
        return;
    }
    comparison->gasps++;
    compare_number(comparison, gasps, id, id, info->gasp.utc_ms);
}

static bool compare_device(const struct device_info *info, void *context)
{
    struct comparison *comparison = context;
    char id[64];

    (void)snprintf(id, sizeof(id), "%s:%s", info->scope, info->serial);
    const struct key *key = find_key(comparison, "device:", id, KEY_HASH);
    comparison->devices++;
    compare_field(comparison, key, id, "kind", info->kind);
    compare_field(comparison, key, id, "model", info->model);
    compare_field(comparison, key, id, "firmware", info->firmware);
    compare_field(comparison, key, id, "state", device_state_name(info->state));
    compare_field(comparison, key, id, "node", "node1");
    compare_number(comparison, key, id, "direct_port", info->direct_port);
    compare_number(comparison, key, id, "epoch", info->epoch);
    compare_number(comparison, key, id, "last_seen", info->last_seen_utc_ms);
    compare_number(comparison, key, id, "last_gasp", info->gasp.utc_ms);
    if (keyspace_value(find_key(comparison, "devices:", "node1", KEY_SET), id) == NULL)
        differ(comparison, "membership", id);
    compare_presence(comparison, info, id);
    compare_gasp(comparison, info, id);
    return true;
}

static uint64_t count_keys(const struct keyspace *keyspace, const char *beginning)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < keyspace->count; i++) {
        const struct key *key = &keyspace->keys[i];
        bool there = key->expires_ms == 0 || key->expires_ms > sim_now_ms(keyspace->sim);
        sum += there && strncmp(key->name, beginning, strlen(beginning)) == 0;
    }
    return sum;
}

static void compare_count(struct comparison *comparison, const char *what, uint64_t count,
                          uint64_t expected)
{
    if (count != expected)
        differ(comparison, "number", what);
}

static void compare_counts(struct comparison *comparison, uint64_t committed)
{
    const struct key *gasps = find_key(comparison, "gasps", "", KEY_SORTED);
    const struct key *mine = find_key(comparison, "devices:", "node1", KEY_SET);
    const struct key *meta = find_key(comparison, "meta:", "node1", KEY_HASH);
    const struct keyspace *keyspace = comparison->keyspace;

    compare_number(comparison, meta, "meta", "sequence", committed);
    compare_count(comparison, "devices", count_keys(keyspace, "cencd:device:"),
                  comparison->devices);
    compare_count(comparison, "the set of devices", mine != NULL ? mine->count : 0,
                  comparison->devices);
    compare_count(comparison, "presence", count_keys(keyspace, "cencd:presence:"),
                  comparison->online);
    compare_count(comparison, "gasps", gasps != NULL ? gasps->count : 0, comparison->gasps);
}

bool redis_same(struct keyspace *keyspace, const struct site *site, bool talks)
{
    struct comparison comparison = {.keyspace = keyspace, .talks = talks, .same = true};

    (void)directory_walk(site->server->directory, 0, compare_device, &comparison);
    compare_counts(&comparison, atomic_load(&site->server->journal_counters->committed));
    return comparison.same;
}
