#include "server/directory/password.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "server/base/check.h"

#define MEMORY_MAX (65u << 20)

enum status password_scrypt(const void *password, size_t size, const void *salt, size_t salt_size,
                            uint64_t n, uint32_t r, uint32_t p, uint8_t *out, size_t out_size)
{
    return EVP_PBE_scrypt(password, size, salt, salt_size, n, r, p, MEMORY_MAX, out, out_size) == 1
               ? STATUS_OK
               : STATUS_INVALID;
}

static enum status compute(const uint8_t *password, size_t size, const struct password_hash *with,
                           uint8_t out[static PASSWORD_HASH_SIZE])
{
    if (with->log2_n == 0 || with->log2_n > 24)
        return STATUS_INVALID;
    return password_scrypt(password, size, with->salt, sizeof(with->salt), 1ull << with->log2_n,
                           with->r, with->p, out, PASSWORD_HASH_SIZE);
}

enum status password_hash_make(const uint8_t *password, size_t size, struct password_hash *hash)
{
    *hash = (struct password_hash){.log2_n = PASSWORD_LOG2_N, .r = PASSWORD_R, .p = PASSWORD_P};
    if (RAND_bytes(hash->salt, sizeof(hash->salt)) != 1)
        return STATUS_SYSTEM;
    return compute(password, size, hash, hash->hash) == STATUS_OK ? STATUS_OK : STATUS_NO_MEMORY;
}

bool password_check(const uint8_t *password, size_t size, const struct password_hash *hash)
{
    static const struct password_hash nobody = {
        .log2_n = PASSWORD_LOG2_N, .r = PASSWORD_R, .p = PASSWORD_P};
    uint8_t computed[PASSWORD_HASH_SIZE] = {0};

    if (compute(password, size, hash, computed) != STATUS_OK) {
        (void)compute(password, size, &nobody, computed);
        OPENSSL_cleanse(computed, sizeof(computed));
        return false;
    }
    bool right = CRYPTO_memcmp(computed, hash->hash, sizeof(computed)) == 0;
    OPENSSL_cleanse(computed, sizeof(computed));
    return right;
}
