/* Access tokens of the admin API: long random texts, each with a name, a role and perhaps an end.
 * Only SHA-256 of a token is kept, which is enough for what has 256 random bits. They change only
 * through edits (edit.h). Copies of what is there. Thread-safe, short.
 *
 * A token is looked for by its hash among all, and each is compared, in the same time whatever is
 * found. */
#ifndef CENCD_DIRECTORY_TOKENS_H
#define CENCD_DIRECTORY_TOKENS_H

#include "server/directory/projects.h"
#include "server/directory/role.h"

#define TOKEN_MAX_SOURCES 32u
#define TOKEN_HASH_SIZE   32u
#define TOKEN_PREFIX      "cencd_"                        /* so that scanners of texts know one */
#define TOKEN_TEXT_SIZE   (sizeof(TOKEN_PREFIX) - 1 + 44) /* 43 digits of 6 bits, NUL */

struct token_settings {
    enum role role;
    bool enabled;
    uint64_t expires_utc_ms; /* from then on it is none; 0: never */
    uint32_t source_count;   /* 0: from anywhere */
    struct cidr sources[TOKEN_MAX_SOURCES];
};

struct token_info {
    uint32_t id;
    uint64_t revision;
    char name[DIRECTORY_NAME_SIZE];
    char note[DIRECTORY_NOTE_SIZE];
    struct token_settings settings;
    uint64_t added_utc_ms;
    uint64_t used_utc_ms; /* last, as far as this process knows; 0: not yet */
};

/* False: there is none. */
bool token_get(struct directory *directory, uint32_t id, struct token_info *info);
bool token_find(struct directory *directory, const char *name, struct token_info *info);
size_t tokens_list(struct directory *directory, uint32_t after, struct token_info *infos,
                   size_t capacity);
size_t tokens_count(struct directory *directory);

/* ---- their texts ---- */

/* A new one, and its hash. The caller wipes the text. */
void token_make(char text[static TOKEN_TEXT_SIZE], uint8_t hash[static TOKEN_HASH_SIZE]);
void token_hash(const char *text, size_t size, uint8_t hash[static TOKEN_HASH_SIZE]);

enum token_verdict {
    TOKEN_GOOD,
    TOKEN_UNKNOWN,
    TOKEN_DISABLED,
    TOKEN_EXPIRED,
    TOKEN_ADDRESS, /* not from there */
    TOKEN_VERDICTS,
};
const char *token_verdict_name(enum token_verdict verdict); /* "unknown" */

/* Whose token has this hash, and may it be used by the peer now? Fills name and role unless it is
 * unknown. */
struct token_pass {
    char name[DIRECTORY_NAME_SIZE];
    enum role role;
};
enum token_verdict token_check(struct directory *directory,
                               const uint8_t hash[static TOKEN_HASH_SIZE],
                               const struct address *peer, uint64_t utc_ms,
                               struct token_pass *pass);

#endif
