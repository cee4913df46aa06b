#include "tests/sim/redis_keyspace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/reactor/sim/sim.h"
#include "tests/sim/seeds.h"

/* ---- memory ---- */

static char *copy_text(const char *text)
{
    char *copy = strdup(text);

    SEEDS_REQUIRE(copy != NULL);
    return copy;
}

static void clear_key(struct key *key)
{
    for (size_t i = 0; i < key->count; i++) {
        free(key->items[i].name);
        free(key->items[i].value);
    }
    free(key->items);
    free(key->name);
}

void keyspace_init(struct keyspace *keyspace, struct sim *sim)
{
    *keyspace = (struct keyspace){.sim = sim};
}

void keyspace_clear(struct keyspace *keyspace)
{
    for (size_t i = 0; i < keyspace->count; i++)
        clear_key(&keyspace->keys[i]);
    free(keyspace->keys);
    keyspace->keys = NULL;
    keyspace->count = 0;
}

static struct key *add_key(struct keyspace *keyspace, const char *name, enum key_kind kind)
{
    keyspace->keys = realloc(keyspace->keys, (keyspace->count + 1) * sizeof(struct key));
    SEEDS_REQUIRE(keyspace->keys != NULL);
    struct key *key = &keyspace->keys[keyspace->count++];
    *key = (struct key){.name = copy_text(name), .kind = kind};
    return key;
}

static bool put_item(struct key *key, const char *name, const char *value)
{
    for (size_t i = 0; i < key->count; i++) {
        if (strcmp(key->items[i].name, name) != 0)
            continue;
        char *new_value = copy_text(value);
        free(key->items[i].value);
        key->items[i].value = new_value;
        return false;
    }
    key->items = realloc(key->items, (key->count + 1) * sizeof(struct key_item));
    SEEDS_REQUIRE(key->items != NULL);
    key->items[key->count++] = (struct key_item){copy_text(name), copy_text(value)};
    return true;
}

void keyspace_copy(struct keyspace *to, const struct keyspace *from)
{
    keyspace_clear(to);
    for (size_t i = 0; i < from->count; i++) {
        const struct key *source = &from->keys[i];
        struct key *key = add_key(to, source->name, source->kind);
        key->expires_ms = source->expires_ms;
        for (size_t j = 0; j < source->count; j++)
            (void)put_item(key, source->items[j].name, source->items[j].value);
    }
}

static void remove_key(struct keyspace *keyspace, struct key *key)
{
    clear_key(key);
    *key = keyspace->keys[--keyspace->count];
}

static void remove_item(struct keyspace *keyspace, struct key *key, size_t index)
{
    free(key->items[index].name);
    free(key->items[index].value);
    key->items[index] = key->items[--key->count];
    if (key->count == 0)
        remove_key(keyspace, key);
}

/* ---- looking ---- */

static struct key *find(struct keyspace *keyspace, const char *name)
{
    for (size_t i = 0; i < keyspace->count; i++) {
        struct key *key = &keyspace->keys[i];
        if (strcmp(key->name, name) != 0)
            continue;
        if (key->expires_ms == 0 || key->expires_ms > sim_now_ms(keyspace->sim))
            return key;
        remove_key(keyspace, key);
        return NULL;
    }
    return NULL;
}

const struct key *keyspace_find(struct keyspace *keyspace, const char *name)
{
    return find(keyspace, name);
}

const char *keyspace_value(const struct key *key, const char *name)
{
    for (size_t i = 0; key != NULL && i < key->count; i++)
        if (strcmp(key->items[i].name, name) == 0)
            return key->items[i].value;
    return NULL;
}

void keyspace_spoil(struct keyspace *keyspace, const char *name)
{
    struct key *key = find(keyspace, name);

    if (key != NULL)
        remove_key(keyspace, key);
    (void)put_item(add_key(keyspace, name, KEY_STRING), "somebody", "else");
}

/* ---- answers ---- */

void answer_error(struct answer *answer, const char *text)
{
    answer->kind = ANSWER_ERROR;
    (void)snprintf(answer->text, sizeof(answer->text), "%s", text);
}

static void say_number(struct answer *answer, size_t number)
{
    answer->kind = ANSWER_NUMBER;
    answer->number = (int64_t)number;
}

static void say_text(struct answer *answer, const char *text)
{
    answer->kind = text != NULL ? ANSWER_TEXT : ANSWER_NIL;
    SEEDS_REQUIRE(text == NULL || strlen(text) < sizeof(answer->text));
    if (text != NULL)
        (void)snprintf(answer->text, sizeof(answer->text), "%s", text);
}

static void say_status(struct answer *answer, const char *text)
{
    say_text(answer, text);
    answer->kind = ANSWER_STATUS;
}

static void say_next(struct answer *answer, const char *text)
{
    SEEDS_REQUIRE(answer->count < ANSWER_LIST_MAX);
    answer->kind = ANSWER_LIST;
    answer->list[answer->count++] = text != NULL ? copy_text(text) : NULL;
}

void answer_clear(struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        free(answer->list[i]);
    answer->count = 0;
}

/* ---- commands ---- */

struct call {
    struct keyspace *keyspace;
    struct key *key; /* the first argument's; NULL: none */
    size_t count;    /* arguments with the command's name */
    const char *const *arguments;
    struct answer *answer;
};

static struct key *there(const struct call *call, enum key_kind kind)
{
    return call->key != NULL ? call->key : add_key(call->keyspace, call->arguments[1], kind);
}

static void run_hget(const struct call *call)
{
    say_text(call->answer, keyspace_value(call->key, call->arguments[2]));
}

static void run_hmget(const struct call *call)
{
    for (size_t i = 2; i < call->count; i++)
        say_next(call->answer, keyspace_value(call->key, call->arguments[i]));
}

static void run_hset(const struct call *call)
{
    struct key *key = there(call, KEY_HASH);
    size_t added = 0;

    SEEDS_REQUIRE(call->count % 2 == 0);
    for (size_t i = 2; i < call->count; i += 2)
        added += put_item(key, call->arguments[i], call->arguments[i + 1]);
    say_number(call->answer, added);
}

static void run_del(const struct call *call)
{
    say_number(call->answer, call->key != NULL);
    if (call->key != NULL)
        remove_key(call->keyspace, call->key);
}

static void run_exists(const struct call *call)
{
    say_number(call->answer, call->key != NULL);
}

static void run_type(const struct call *call)
{
    static const char *const names[] = {"string", "hash", "set", "zset"};

    say_status(call->answer, call->key != NULL ? names[call->key->kind] : "none");
}

static void run_expire(const struct call *call)
{
    say_number(call->answer, call->key != NULL);
    if (call->key != NULL)
        call->key->expires_ms =
            sim_now_ms(call->keyspace->sim) + 1000 * strtoull(call->arguments[2], NULL, 10);
}

static void run_sadd(const struct call *call)
{
    say_number(call->answer, put_item(there(call, KEY_SET), call->arguments[2], ""));
}

/* SREM, ZREM */
static void run_remove(const struct call *call)
{
    say_number(call->answer, 0);
    for (size_t i = 0; call->key != NULL && i < call->key->count; i++) {
        if (strcmp(call->key->items[i].name, call->arguments[2]) != 0)
            continue;
        remove_item(call->keyspace, call->key, i);
        say_number(call->answer, 1);
        return;
    }
}

static void run_spop(const struct call *call)
{
    size_t wanted = strtoull(call->arguments[2], NULL, 10);
    size_t left = call->key != NULL ? call->key->count : 0;

    call->answer->kind = ANSWER_LIST;
    for (; wanted > 0 && left > 0; wanted--, left--) {
        size_t index = sim_below(call->keyspace->sim, left);
        say_next(call->answer, call->key->items[index].name);
        remove_item(call->keyspace, call->key, index);
    }
}

static void run_scard(const struct call *call)
{
    say_number(call->answer, call->key != NULL ? call->key->count : 0);
}

/* Only as it is used: the result is the first of the sources. */
static void run_sunionstore(const struct call *call)
{
    struct key *key = there(call, KEY_SET);

    SEEDS_REQUIRE(call->count == 4 && strcmp(call->arguments[1], call->arguments[2]) == 0);
    size_t place = (size_t)(key - call->keyspace->keys);
    const struct key *other = find(call->keyspace, call->arguments[3]);
    key = &call->keyspace->keys[place];
    if (other != NULL && other->kind != KEY_SET) {
        answer_error(call->answer, "WRONGTYPE of the second");
        return;
    }
    for (size_t i = 0; other != NULL && i < other->count; i++)
        (void)put_item(key, other->items[i].name, "");
    say_number(call->answer, key->count);
}

static void run_rename(const struct call *call)
{
    if (call->key == NULL) {
        answer_error(call->answer, "ERR no such key");
        return;
    }
    char *name = copy_text(call->arguments[2]);
    struct key *other = find(call->keyspace, name);
    if (other != NULL)
        remove_key(call->keyspace, other);
    struct key *key = find(call->keyspace, call->arguments[1]); /* it may have moved */
    free(key->name);
    key->name = name;
    say_status(call->answer, "OK");
}

static void run_zadd(const struct call *call)
{
    say_number(call->answer,
               put_item(there(call, KEY_SORTED), call->arguments[3], call->arguments[2]));
}

#define ANY_KIND (-1)

static const struct command_row {
    const char *name;
    void (*run)(const struct call *call);
    size_t least; /* arguments, with the name */
    int kind;     /* of the key, if there is one */
    bool writes;
} rows[] = {
    {"HGET", run_hget, 3, KEY_HASH, false},     {"HMGET", run_hmget, 3, KEY_HASH, false},
    {"HSET", run_hset, 4, KEY_HASH, true},      {"DEL", run_del, 2, ANY_KIND, true},
    {"EXISTS", run_exists, 2, ANY_KIND, false}, {"TYPE", run_type, 2, ANY_KIND, false},
    {"EXPIRE", run_expire, 3, ANY_KIND, true},  {"SADD", run_sadd, 3, KEY_SET, true},
    {"SREM", run_remove, 3, KEY_SET, true},     {"SPOP", run_spop, 3, KEY_SET, true},
    {"SCARD", run_scard, 2, KEY_SET, false},    {"SUNIONSTORE", run_sunionstore, 4, KEY_SET, true},
    {"RENAME", run_rename, 3, ANY_KIND, true},  {"ZADD", run_zadd, 4, KEY_SORTED, true},
    {"ZREM", run_remove, 3, KEY_SORTED, true},  {"ZSCORE", run_hget, 3, KEY_SORTED, false},
};

static const struct command_row *find_row(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

bool keyspace_writes(const char *command)
{
    const struct command_row *row = find_row(command);

    return row != NULL && row->writes;
}

void keyspace_run(struct keyspace *keyspace, size_t count, const char *const *arguments,
                  struct answer *answer)
{
    const struct command_row *row = find_row(arguments[0]);

    if (row == NULL || count < row->least) {
        answer_error(answer, "ERR unknown command, or too few arguments");
        return;
    }
    struct call call = {keyspace, find(keyspace, arguments[1]), count, arguments, answer};
    if (call.key != NULL && row->kind != ANY_KIND && (int)call.key->kind != row->kind)
        answer_error(answer, "WRONGTYPE Operation against a key holding the wrong kind of value");
    else
        row->run(&call);
}
