/* Passwords as scrypt hashes (RFC 7914). Slow by intention: for helper threads and threads of
 * their own, never for a shard's. */
#ifndef CENCD_DIRECTORY_PASSWORD_H
#define CENCD_DIRECTORY_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"

#define PASSWORD_SALT_SIZE 16u
#define PASSWORD_HASH_SIZE 32u

/* What new passwords get: 16 MiB and some 50 ms each. */
#define PASSWORD_LOG2_N 14u
#define PASSWORD_R      8u
#define PASSWORD_P      1u

struct password_hash {
    uint32_t log2_n; /* N = 2 ^ log2_n; 0: there is no password */
    uint32_t r;
    uint32_t p;
    uint8_t salt[PASSWORD_SALT_SIZE];
    uint8_t hash[PASSWORD_HASH_SIZE];
};

/* With a fresh salt. STATUS_NO_MEMORY; STATUS_SYSTEM: no randomness. */
enum status password_hash_make(const uint8_t *password, size_t size,
                               struct password_hash *hash) MUST_CHECK;

/* In constant time for hashes of equal cost. One that has no password, or a cost beyond
 * 64 MiB, is never right, and takes the time of a new one. */
bool password_check(const uint8_t *password, size_t size, const struct password_hash *hash);

/* The function itself: STATUS_INVALID for parameters it can't take. */
enum status password_scrypt(const void *password, size_t size, const void *salt, size_t salt_size,
                            uint64_t n, uint32_t r, uint32_t p, uint8_t *out,
                            size_t out_size) MUST_CHECK;

#endif
