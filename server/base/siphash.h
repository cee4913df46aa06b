/* SipHash-2-4 (Aumasson and Bernstein, 2012): a hash for tables whose keys peers choose. Without
 * the key nobody can find texts that fall into one bucket. Pure functions, but for the key. */
#ifndef CENCD_BASE_SIPHASH_H
#define CENCD_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t low;
    uint64_t high;
};

/* A key from the system's randomness, for one table or process; never shown to anyone. */
struct siphash_key siphash_random_key(void);

uint64_t siphash(const struct siphash_key *key, const void *data, size_t size);

#endif
