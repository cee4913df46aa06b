#include "server/base/siphash.h"

#include <string.h>
#include <sys/random.h>

#include "server/base/check.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void mix(struct state *state)
{
    state->v0 += state->v1;
    state->v1 = rotate(state->v1, 13) ^ state->v0;
    state->v0 = rotate(state->v0, 32);
    state->v2 += state->v3;
    state->v3 = rotate(state->v3, 16) ^ state->v2;
    state->v0 += state->v3;
    state->v3 = rotate(state->v3, 21) ^ state->v0;
    state->v2 += state->v1;
    state->v1 = rotate(state->v1, 17) ^ state->v2;
    state->v2 = rotate(state->v2, 32);
}

static void absorb(struct state *state, uint64_t word)
{
    state->v3 ^= word;
    mix(state);
    mix(state);
    state->v0 ^= word;
}

/* Little-endian, from 1 to 8 bytes. */
static uint64_t load(const uint8_t *bytes, size_t size)
{
    uint64_t word = 0;

    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

struct siphash_key siphash_random_key(void)
{
    struct siphash_key key;

    /* The kernel's pool never refuses or interrupts requests of up to 256 bytes. */
    CHECK(getrandom(&key, sizeof(key), 0) == (ssize_t)sizeof(key));
    return key;
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t whole = size & ~(size_t)7;
    struct state state = {
        .v0 = key->low ^ 0x736f6d6570736575u,
        .v1 = key->high ^ 0x646f72616e646f6du,
        .v2 = key->low ^ 0x6c7967656e657261u,
        .v3 = key->high ^ 0x7465646279746573u,
    };

    for (size_t at = 0; at < whole; at += 8)
        absorb(&state, load(bytes + at, 8));
    uint64_t last = (uint64_t)size << 56;
    if (size > whole)
        last |= load(bytes + whole, size - whole);
    absorb(&state, last);
    state.v2 ^= 0xff;
    for (int round = 0; round < 4; round++)
        mix(&state);
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}
