/* The table: stripes with a lock each, buckets in them. */
#include <stdlib.h>
#include <string.h>

#include "server/directory/internal.h"

#define MIN_STRIPES        64u
#define MAX_STRIPES        65536u
#define DEVICES_PER_STRIPE 4096u /* a growing stripe holds its lock for as many */
#define FIRST_BUCKETS      16u

enum status stripes_make(struct directory *directory)
{
    uint32_t wanted = directory->config.max_devices / DEVICES_PER_STRIPE;
    uint32_t count = MIN_STRIPES;
    uint32_t bits = 6;

    for (; count < wanted && count < MAX_STRIPES; count *= 2)
        bits++;
    struct stripe *stripes = aligned_alloc(_Alignof(struct stripe), count * sizeof(*stripes));
    if (stripes == NULL)
        return STATUS_NO_MEMORY;
    memset(stripes, 0, count * sizeof(*stripes));
    for (uint32_t i = 0; i < count; i++)
        CHECK(pthread_mutex_init(&stripes[i].lock, NULL) == 0);
    directory->stripes = stripes;
    directory->stripe_count = count;
    directory->stripe_bits = bits;
    return STATUS_OK;
}

static void free_stripe(struct stripe *stripe)
{
    for (uint32_t i = 0; stripe->buckets != NULL && i <= stripe->mask; i++) {
        struct device *device = stripe->buckets[i];
        while (device != NULL) {
            struct device *next = device->next;
            free(device);
            device = next;
        }
    }
    free(stripe->buckets);
    (void)pthread_mutex_destroy(&stripe->lock);
}

void stripes_free(struct directory *directory)
{
    for (uint32_t i = 0; i < directory->stripe_count; i++)
        free_stripe(&directory->stripes[i]);
    free(directory->stripes);
}

uint32_t stripes_hash(const struct directory *directory, uint32_t scope, const char *serial,
                      size_t serial_size)
{
    uint8_t bytes[sizeof(scope) + PLUGIN_SERIAL_SIZE];

    memcpy(bytes, &scope, sizeof(scope));
    memcpy(bytes + sizeof(scope), serial, serial_size);
    return (uint32_t)siphash(&directory->key, bytes, sizeof(scope) + serial_size);
}

static struct stripe *stripe_of(const struct directory *directory, uint32_t hash)
{
    return &directory->stripes[hash & (directory->stripe_count - 1)];
}

struct stripe *lock_stripe(const struct directory *directory, uint32_t hash)
{
    struct stripe *stripe = stripe_of(directory, hash);

    CHECK(pthread_mutex_lock(&stripe->lock) == 0);
    return stripe;
}

void unlock_stripe(struct stripe *stripe)
{
    CHECK(pthread_mutex_unlock(&stripe->lock) == 0);
}

static uint32_t bucket_of(const struct directory *directory, const struct stripe *stripe,
                          uint32_t hash)
{
    return (hash >> directory->stripe_bits) & stripe->mask;
}

struct device *stripes_find(const struct directory *directory, const struct stripe *stripe,
                            uint32_t hash, uint32_t scope, const char *serial)
{
    if (stripe->buckets == NULL)
        return NULL;
    struct device *device = stripe->buckets[bucket_of(directory, stripe, hash)];
    while (device != NULL &&
           (device->hash != hash || device->scope != scope || strcmp(device->serial, serial) != 0))
        device = device->next;
    return device;
}

/* Room for one more: one bucket for each device. */
static bool make_room(const struct directory *directory, struct stripe *stripe)
{
    uint32_t old_count = stripe->buckets == NULL ? 0 : stripe->mask + 1;
    uint32_t count = old_count == 0 ? FIRST_BUCKETS : old_count * 2;

    if (stripe->entries < old_count)
        return true;
    struct device **buckets = calloc(count, sizeof(struct device *));
    if (buckets == NULL)
        return old_count != 0; /* longer chains will do */
    struct device **old = stripe->buckets;
    stripe->buckets = buckets;
    stripe->mask = count - 1;
    for (uint32_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct device *device = old[i];
            struct device **bucket = &buckets[bucket_of(directory, stripe, device->hash)];
            old[i] = device->next;
            device->next = *bucket;
            *bucket = device;
        }
    }
    free(old);
    return true;
}

const char *device_text(const struct text_pool *pool, uint16_t number)
{
    return number == TEXT_MANY ? "(many)" : text_pool_text(pool, number);
}

void device_set_text(uint16_t *present, struct text_pool *pool, const char *text, size_t size)
{
    char copy[PLUGIN_TEXT_SIZE];
    size_t length = strnlen(text, size - 1);

    CHECK(size <= sizeof(copy));
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strcmp(device_text(pool, *present), copy) == 0)
        return;
    uint32_t number = length > 0 ? text_pool_take(pool, copy) : TEXT_POOL_NONE;
    *present = length > 0 && number == TEXT_POOL_NONE ? TEXT_MANY : (uint16_t)number;
}

void device_clear_texts(struct device *device)
{
    device->kind = TEXT_POOL_NONE;
    device->model = TEXT_POOL_NONE;
    device->firmware = TEXT_POOL_NONE;
    device->hardware = TEXT_POOL_NONE;
}

static struct device *make_device(uint32_t hash, uint32_t scope, const char *serial)
{
    size_t serial_size = strlen(serial) + 1;
    size_t size = offsetof(struct device, serial) + serial_size;
    struct device *device = calloc(1, size > sizeof(*device) ? size : sizeof(*device));

    if (device == NULL)
        return NULL;
    memcpy(device->serial, serial, serial_size);
    device->scope = (uint16_t)scope;
    device->hash = hash;
    device->listener = NO_LISTENER;
    device->signal_csq = PLUGIN_SIGNAL_UNKNOWN;
    return device;
}

struct device *stripes_add(struct directory *directory, struct stripe *stripe, uint32_t hash,
                           uint32_t scope, const char *serial)
{
    struct device *device = make_device(hash, scope, serial);

    if (device == NULL || !make_room(directory, stripe))
        goto failed;
    /* Whoever finds it there waits for the stripe's lock before looking inside. */
    if (order_append(&directory->order, device) != STATUS_OK)
        goto failed;
    struct device **bucket = &stripe->buckets[bucket_of(directory, stripe, hash)];
    device->next = *bucket;
    *bucket = device;
    stripe->entries++;
    stripe->devices++;
    return device;

failed:
    free(device);
    return NULL;
}
