/* Failed logins, counted for pairs of account and address, and for addresses alone. A table of
 * fixed size: when a place is taken, the entry of its set that is oldest gives way. Not locked. */
#ifndef CENCD_DIRECTORY_ATTEMPTS_H
#define CENCD_DIRECTORY_ATTEMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/address.h"
#include "server/base/siphash.h"

#define ATTEMPT_SETS 2048u
#define ATTEMPT_WAYS 4u

#define PAIR_FREE_FAILURES    2u /* without delay */
#define PAIR_LOCK_FAILURES    10u
#define PAIR_LOCK_MS          300000u
#define PAIR_FORGET_MS        900000u /* after the last failure */
#define ADDRESS_LOCK_FAILURES 100u    /* of any account */
#define ADDRESS_LOCK_MS       60000u
#define ADDRESS_FORGET_MS     600000u
#define DELAY_MAX_MS          16000u

struct attempt {
    uint64_t key; /* 0: free */
    uint64_t last_ms;
    uint64_t locked_until_ms;
    uint32_t failures;
    uint32_t untold; /* failures since the last report */
};

struct attempts {
    struct siphash_key key;
    struct attempt pairs[ATTEMPT_SETS * ATTEMPT_WAYS];
    struct attempt addresses[ATTEMPT_SETS * ATTEMPT_WAYS];
};

struct attempts *attempts_create(void); /* NULL: no memory */

struct attempt_rule {
    bool locked;       /* not to be looked at */
    uint32_t delay_ms; /* before it is */
};

/* IPv6 addresses count by their first 64 bits. */
struct attempt_rule attempts_rule(struct attempts *attempts, const uint8_t *name, size_t name_size,
                                  const struct address *peer, uint64_t now_ms);

/* For those who don't wait themselves: milliseconds until another attempt is to be looked at. */
uint64_t attempts_wait_ms(struct attempts *attempts, const uint8_t *name, size_t name_size,
                          const struct address *peer, uint64_t now_ms);

struct attempt_news {
    uint64_t count;  /* failures to be told of now; 0: it is told of later, with others */
    bool locked_out; /* since this one */
};
struct attempt_news attempts_failed(struct attempts *attempts, const uint8_t *name,
                                    size_t name_size, const struct address *peer, uint64_t now_ms);
/* The pair's failures are forgotten; the address' are not. */
void attempts_succeeded(struct attempts *attempts, const uint8_t *name, size_t name_size,
                        const struct address *peer);

#endif
