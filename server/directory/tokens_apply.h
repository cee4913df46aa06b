/* Inside the directory: what records of the journal make of the table of tokens, and the table as
 * such records. A hash counts from the public event on that adds the token with its id; without
 * that event it never does. The tables are locked to write, but for walks. */
#ifndef CENCD_DIRECTORY_TOKENS_APPLY_H
#define CENCD_DIRECTORY_TOKENS_APPLY_H

#include "server/directory/accounts_message.h"

/* As accounts_apply. */
enum status tokens_apply(struct accounts *accounts, const Cenc__V1__Event *event) MUST_CHECK;
enum status tokens_apply_hash(struct accounts *accounts,
                              const Cenc__Private__V1__TokenHash *record) MUST_CHECK;

/* It points into info, which must live as long. */
struct token_message {
    Cenc__V1__Token token;
    char *source_list[TOKEN_MAX_SOURCES];
    char sources[TOKEN_MAX_SOURCES][CIDR_TEXT_SIZE];
};
void token_message(const struct token_info *info, struct token_message *message);

/* The record that holds a hash; it points to the hash. */
struct token_hash_message {
    Cenc__Private__V1__Record record;
    Cenc__Private__V1__TokenHash body;
};
void token_hash_message(uint32_t id, const char *name, const uint8_t *hash,
                        struct token_hash_message *message);

/* The id that was given last, then all tokens. */
enum status tokens_walk(struct directory *directory,
                        const struct account_visitor *visitor) MUST_CHECK;
enum status tokens_last_id(uint32_t last, const struct account_visitor *visitor) MUST_CHECK;

#endif
