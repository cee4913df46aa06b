#include "server/directory/tokens.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <string.h>

#include "server/directory/copies.h"
#include "server/directory/internal.h"

#define RANDOM_BYTES 32u

static void copy_token(const struct accounts *accounts, struct named *named, void *out)
{
    struct token_info *info = out;
    struct token *token = token_of(named);

    (void)accounts;
    *info = (struct token_info){
        .id = named->id,
        .revision = named->revision,
        .settings = token->settings,
        .added_utc_ms = token->added_utc_ms,
        .used_utc_ms = atomic_load_explicit(&token->used_utc_ms, memory_order_relaxed),
    };
    memcpy(info->name, named->name, sizeof(info->name));
    memcpy(info->note, named->note, sizeof(info->note));
}

static const struct copies copies_of_tokens = {
    .table = offsetof(struct accounts, tokens),
    .size = sizeof(struct token_info),
    .copy = copy_token,
};

bool token_get(struct directory *directory, uint32_t id, struct token_info *info)
{
    return copies_get(directory, &copies_of_tokens, id, info);
}

bool token_find(struct directory *directory, const char *name, struct token_info *info)
{
    return copies_find(directory, &copies_of_tokens, 0, name, info);
}

size_t tokens_list(struct directory *directory, uint32_t after, struct token_info *infos,
                   size_t capacity)
{
    return copies_list(directory, &copies_of_tokens, after, infos, capacity);
}

size_t tokens_count(struct directory *directory)
{
    struct accounts *accounts = accounts_read(directory);
    size_t count = accounts->tokens.count;

    accounts_unlock(accounts);
    return count;
}

/* ---- their texts ---- */

void token_hash(const char *text, size_t size, uint8_t hash[static TOKEN_HASH_SIZE])
{
    CHECK(EVP_Digest(text, size, hash, NULL, EVP_sha256(), NULL) == 1);
}

/* Base64 for addresses (RFC 4648, 5), without padding. */
static void put_digits(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned held = 0; /* bits */
    uint32_t value = 0;

    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            *out++ = digits[value >> (held - 6) & 63];
    }
    if (held > 0)
        *out++ = digits[value << (6 - held) & 63];
    *out = '\0';
}

void token_make(char text[static TOKEN_TEXT_SIZE], uint8_t hash[static TOKEN_HASH_SIZE])
{
    uint8_t bytes[RANDOM_BYTES];

    CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
    memcpy(text, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1);
    put_digits(bytes, sizeof(bytes), text + sizeof(TOKEN_PREFIX) - 1);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    token_hash(text, strlen(text), hash);
}

const char *token_verdict_name(enum token_verdict verdict)
{
    static const char *const names[TOKEN_VERDICTS] = {"good", "unknown", "disabled", "expired",
                                                      "address_not_allowed"};

    CHECK(verdict < TOKEN_VERDICTS);
    return names[verdict];
}

static enum token_verdict judge(const struct token *token, const struct address *peer,
                                uint64_t utc_ms)
{
    const struct token_settings *settings = &token->settings;
    bool allowed = settings->source_count == 0;

    if (!settings->enabled)
        return TOKEN_DISABLED;
    if (settings->expires_utc_ms != 0 && utc_ms >= settings->expires_utc_ms)
        return TOKEN_EXPIRED;
    for (uint32_t i = 0; i < settings->source_count && !allowed; i++)
        allowed = cidr_contains(&settings->sources[i], peer);
    return allowed ? TOKEN_GOOD : TOKEN_ADDRESS;
}

enum token_verdict token_check(struct directory *directory,
                               const uint8_t hash[static TOKEN_HASH_SIZE],
                               const struct address *peer, uint64_t utc_ms, struct token_pass *pass)
{
    struct accounts *accounts = accounts_read(directory);
    struct token *found = NULL;
    enum token_verdict verdict = TOKEN_UNKNOWN;

    for (size_t i = 0; i < accounts->tokens.count; i++) {
        struct token *token = token_of(accounts->tokens.entries[i]);
        if ((CRYPTO_memcmp(token->hash, hash, TOKEN_HASH_SIZE) == 0) & token->has_hash)
            found = token;
    }
    if (found != NULL) {
        verdict = judge(found, peer, utc_ms);
        memcpy(pass->name, found->named.name, sizeof(pass->name));
        pass->role = found->settings.role;
        if (verdict == TOKEN_GOOD)
            atomic_store_explicit(&found->used_utc_ms, utc_ms, memory_order_relaxed);
    }
    accounts_unlock(accounts);
    return verdict;
}
