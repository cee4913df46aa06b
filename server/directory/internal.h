/* Inside the directory: what its files share. */
#ifndef CENCD_DIRECTORY_INTERNAL_H
#define CENCD_DIRECTORY_INTERNAL_H

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

#include "config/config.h"
#include "server/base/check.h"
#include "server/base/siphash.h"
#include "server/directory/directory.h"
#include "server/directory/order.h"
#include "server/directory/ports.h"
#include "server/directory/signals.h"
#include "server/directory/text_pool.h"

/* Serial, scope and hash are constant; the rest belongs to the stripe's lock. */
struct device {
    struct device *next; /* in its bucket */
    uint64_t first_seen_utc_ms;
    uint64_t last_seen_utc_ms;
    uint64_t heard_utc_ms; /* began then: the latest of what cleared gasps, or would have */
    struct link_ref link;
    struct gasp gasp;
    struct link_bytes bytes; /* of the newest link */
    struct address peer;
    uint32_t project; /* ids; 0: none */
    uint32_t group;
    uint32_t channel;
    uint32_t hash;
    uint32_t epoch;
    uint32_t flap_since_s; /* beginning of the window in which replacements count */
    uint16_t scope;        /* this and the next four: numbers in their text pools */
    uint16_t kind;         /* this and the next three: 0 is "", TEXT_MANY is "(many)" */
    uint16_t model;
    uint16_t firmware;
    uint16_t hardware;
    uint16_t replacements; /* in the window */
    uint16_t direct_port;
    uint16_t listener; /* NO_LISTENER: as DIRECTORY_NO_LISTENER */
    uint8_t signal_csq;
    uint8_t state : 2;
    uint8_t heard_by : 2; /* with heard_utc_ms */
    bool recorded : 1;
    bool removed : 1;      /* by an operator: nobody finds it, until it registers again */
    bool unapproved : 1;   /* no agent reaches it */
    bool entered : 1;      /* by an edit that is not recorded, and no link came: nobody finds it */
    bool signal_noted : 1; /* it is among directory.signals */
    char serial[];         /* with NUL; it begins in what would be padding */
};

#define NO_LISTENER UINT16_MAX

#define TEXT_MANY UINT16_MAX       /* beyond MAX_TEXTS distinct ones */
#define MAX_TEXTS (TEXT_MANY - 1u) /* of each sort */

static_assert(offsetof(struct device, serial) <= 152,
              "with serial and places in table and order below 200 bytes");
static_assert(MAX_TEXTS <= TEXT_POOL_CAPACITY, "every text has a number");
static_assert(CONFIG_MAX_LISTENERS < NO_LISTENER, "listeners are kept in 16 bits");
static_assert(PLUGIN_SERIAL_SIZE <= 32, "serials are hashed in a buffer of this size");

/* The low bits of a hash choose the stripe, the others the bucket. */
struct stripe {
    _Alignas(64) pthread_mutex_t lock;
    struct device **buckets;
    uint32_t mask;
    uint32_t entries; /* devices, and those that were removed */
    uint32_t devices;
    uint32_t online;
    uint32_t in_session;
    uint64_t replacements;
    uint64_t flapping;
};

struct directory {
    struct directory_config config;
    struct siphash_key key;
    struct stripe *stripes;
    uint32_t stripe_count; /* a power of two */
    uint32_t stripe_bits;
    struct order order;
    struct port_leases ports;
    _Atomic uint64_t ports_dropped;
    struct text_pool scopes;
    struct text_pool kinds;
    struct text_pool models;
    struct text_pool firmwares;
    struct text_pool hardwares;
    struct accounts *accounts; /* accounts.h */
    struct signals signals;
};

/* places.c: from now on everybody finds it. Under the stripe's lock. */
void device_appears(struct stripe *stripe, struct device *device);

/* stripes.c */

enum status stripes_make(struct directory *directory) MUST_CHECK;
void stripes_free(struct directory *directory);

/* scope is the pool's number of it, here and in the next. */
uint32_t stripes_hash(const struct directory *directory, uint32_t scope, const char *serial,
                      size_t serial_size);

/* The stripe of a hash, locked. */
struct stripe *lock_stripe(const struct directory *directory, uint32_t hash);
void unlock_stripe(struct stripe *stripe);

/* These two under the stripe's lock. find: also devices that were removed; NULL if there is none.
 * add: a new device at its place in table and order, with empty texts, neither recorded nor
 * anything else; NULL if there is no room for it. */
struct device *stripes_find(const struct directory *directory, const struct stripe *stripe,
                            uint32_t hash, uint32_t scope, const char *serial);
struct device *stripes_add(struct directory *directory, struct stripe *stripe, uint32_t hash,
                           uint32_t scope, const char *serial);

/* The present text stays if it is the same: no look into the pool. text is at most size bytes,
 * whether or not a NUL ends it, and size at most PLUGIN_TEXT_SIZE. */
void device_set_text(uint16_t *present, struct text_pool *pool, const char *text, size_t size);

/* The text of one of a device's numbers. It lives as long as the directory. */
const char *device_text(const struct text_pool *pool, uint16_t number);

/* Nothing is known any more of what the device is. */
void device_clear_texts(struct device *device);

#endif
