/* The data of a simulated Redis: strings, hashes, sets, sorted sets, times to live, and those
 * commands on them that the projection's script calls. Texts end with NUL; the projection's have
 * none within. */
#ifndef CENCD_TESTS_SIM_REDIS_KEYSPACE_H
#define CENCD_TESTS_SIM_REDIS_KEYSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

enum key_kind { KEY_STRING, KEY_HASH, KEY_SET, KEY_SORTED };

struct key_item {
    char *name;  /* field, member */
    char *value; /* of a field; the score of a member */
};

struct key {
    char *name;
    enum key_kind kind;
    uint64_t expires_ms; /* 0: never */
    struct key_item *items;
    size_t count;
};

struct keyspace {
    struct sim *sim; /* clock, and chance for SPOP */
    struct key *keys;
    size_t count;
};

enum answer_kind {
    ANSWER_NIL,
    ANSWER_NUMBER,
    ANSWER_TEXT,
    ANSWER_STATUS,
    ANSWER_ERROR,
    ANSWER_LIST, /* of texts, or nil */
};

#define ANSWER_LIST_MAX 600u

struct answer {
    enum answer_kind kind;
    int64_t number;
    char text[320];
    char *list[ANSWER_LIST_MAX]; /* NULL: nil */
    size_t count;
};

void keyspace_init(struct keyspace *keyspace, struct sim *sim);
void keyspace_clear(struct keyspace *keyspace);
/* A copy of all of it, in place of what is there. */
void keyspace_copy(struct keyspace *to, const struct keyspace *from);

/* answer_clear is owed. */
void keyspace_run(struct keyspace *keyspace, size_t count, const char *const *arguments,
                  struct answer *answer);
void answer_clear(struct answer *answer);
void answer_error(struct answer *answer, const char *text);

/* Whether a command may write. */
bool keyspace_writes(const char *command);

/* NULL: no such key, or it has expired. */
const struct key *keyspace_find(struct keyspace *keyspace, const char *name);
/* NULL: not there. */
const char *keyspace_value(const struct key *key, const char *name);

/* Somebody else writes a string in place of a key. */
void keyspace_spoil(struct keyspace *keyspace, const char *name);

#endif
