#include "server/directory/attempts.h"

#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 256u

struct attempts *attempts_create(void)
{
    struct attempts *attempts = calloc(1, sizeof(*attempts));

    if (attempts != NULL)
        attempts->key = siphash_random_key();
    return attempts;
}

/* ---- keys ---- */

static size_t put_address(const struct address *peer, uint8_t *out)
{
    size_t size = peer->family == 6 ? 8 : 4;

    out[0] = peer->family;
    memcpy(out + 1, peer->ip, size);
    return 1 + size;
}

static uint64_t key_of(const struct attempts *attempts, const uint8_t *name, size_t name_size,
                       const struct address *peer)
{
    uint8_t bytes[16 + NAME_BYTES];
    size_t size = put_address(peer, bytes);

    if (name_size > NAME_BYTES)
        name_size = NAME_BYTES;
    if (name_size > 0)
        memcpy(bytes + size, name, name_size);
    uint64_t key = siphash(&attempts->key, bytes, size + name_size);
    return key != 0 ? key : 1;
}

/* ---- entries ---- */

static struct attempt *find(struct attempt *table, uint64_t key)
{
    struct attempt *set = &table[key % ATTEMPT_SETS * ATTEMPT_WAYS];

    for (uint32_t i = 0; i < ATTEMPT_WAYS; i++)
        if (set[i].key == key)
            return &set[i];
    return NULL;
}

static struct attempt *find_or_add(struct attempt *table, uint64_t key)
{
    struct attempt *set = &table[key % ATTEMPT_SETS * ATTEMPT_WAYS];
    struct attempt *oldest = set;
    struct attempt *found = find(table, key);

    if (found != NULL)
        return found;
    for (uint32_t i = 1; i < ATTEMPT_WAYS; i++)
        if (set[i].last_ms < oldest->last_ms)
            oldest = &set[i];
    *oldest = (struct attempt){.key = key};
    return oldest;
}

static void forget_old(struct attempt *attempt, uint64_t now_ms, uint64_t after_ms)
{
    if (now_ms >= attempt->last_ms + after_ms && now_ms >= attempt->locked_until_ms) {
        attempt->failures = 0;
        attempt->locked_until_ms = 0;
    }
}

/* ---- rules ---- */

static uint32_t delay_after(uint32_t failures)
{
    uint32_t delay_ms = 1000;

    if (failures <= PAIR_FREE_FAILURES)
        return 0;
    for (uint32_t i = PAIR_FREE_FAILURES + 1; i < failures && delay_ms < DELAY_MAX_MS; i++)
        delay_ms *= 2;
    return delay_ms;
}

struct attempt_rule attempts_rule(struct attempts *attempts, const uint8_t *name, size_t name_size,
                                  const struct address *peer, uint64_t now_ms)
{
    struct attempt *address = find(attempts->addresses, key_of(attempts, NULL, 0, peer));
    struct attempt *pair = find(attempts->pairs, key_of(attempts, name, name_size, peer));
    struct attempt_rule rule = {0};

    if (address != NULL && now_ms < address->locked_until_ms)
        rule.locked = true;
    if (pair == NULL)
        return rule;
    forget_old(pair, now_ms, PAIR_FORGET_MS);
    rule.locked |= now_ms < pair->locked_until_ms;
    rule.delay_ms = delay_after(pair->failures);
    return rule;
}

static uint64_t until(uint64_t then_ms, uint64_t now_ms)
{
    return then_ms > now_ms ? then_ms - now_ms : 0;
}

uint64_t attempts_wait_ms(struct attempts *attempts, const uint8_t *name, size_t name_size,
                          const struct address *peer, uint64_t now_ms)
{
    const struct attempt *address = find(attempts->addresses, key_of(attempts, NULL, 0, peer));
    const struct attempt *pair = find(attempts->pairs, key_of(attempts, name, name_size, peer));
    struct attempt_rule rule = attempts_rule(attempts, name, name_size, peer, now_ms);
    uint64_t wait_ms = address != NULL ? until(address->locked_until_ms, now_ms) : 0;

    if (pair == NULL)
        return wait_ms;
    uint64_t locked_ms = until(pair->locked_until_ms, now_ms);
    uint64_t delayed_ms = until(pair->last_ms + rule.delay_ms, now_ms);
    wait_ms = locked_ms > wait_ms ? locked_ms : wait_ms;
    return delayed_ms > wait_ms ? delayed_ms : wait_ms;
}

static bool count(struct attempt *attempt, uint64_t now_ms, uint64_t forget_ms, uint32_t most,
                  uint32_t lock_ms)
{
    forget_old(attempt, now_ms, forget_ms);
    attempt->failures++;
    attempt->untold++;
    attempt->last_ms = now_ms;
    if (attempt->failures < most || now_ms < attempt->locked_until_ms)
        return false;
    attempt->locked_until_ms = now_ms + lock_ms;
    attempt->failures = 0;
    return true;
}

struct attempt_news attempts_failed(struct attempts *attempts, const uint8_t *name,
                                    size_t name_size, const struct address *peer, uint64_t now_ms)
{
    struct attempt *address = find_or_add(attempts->addresses, key_of(attempts, NULL, 0, peer));
    struct attempt *pair = find_or_add(attempts->pairs, key_of(attempts, name, name_size, peer));
    struct attempt_news news = {0};

    news.locked_out =
        count(address, now_ms, ADDRESS_FORGET_MS, ADDRESS_LOCK_FAILURES, ADDRESS_LOCK_MS);
    news.locked_out |= count(pair, now_ms, PAIR_FORGET_MS, PAIR_LOCK_FAILURES, PAIR_LOCK_MS);
    bool tell = news.locked_out || (pair->failures & (pair->failures - 1)) == 0;
    if (tell) {
        news.count = pair->untold;
        pair->untold = 0;
    }
    return news;
}

void attempts_succeeded(struct attempts *attempts, const uint8_t *name, size_t name_size,
                        const struct address *peer)
{
    struct attempt *pair = find(attempts->pairs, key_of(attempts, name, name_size, peer));

    if (pair != NULL)
        *pair = (struct attempt){0};
}
