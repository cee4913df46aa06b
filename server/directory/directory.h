/* The directory: every device the server knows, in memory. A device stays for the life of the
 * directory, so its address is its handle; what may change of it is read and written through the
 * functions here, which lock the stripe it hashes to. All functions are thread-safe and short.
 *
 * Identity = (scope, serial). The directory knows which link is a device's newest; it doesn't know
 * what a link is. */
#ifndef CENCD_DIRECTORY_DIRECTORY_H
#define CENCD_DIRECTORY_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/plugin.h"
#include "server/base/address.h"
#include "server/base/status.h"

struct config_listener;
struct directory;
struct device;

/* Names a link: enough to find it in its shard, or to see that it is gone. */
struct link_ref {
    uint64_t id;    /* unique in the process, growing with time of accept; 0: none */
    uint32_t index; /* in its shard's pool */
    uint16_t shard;
};

enum device_state { DEVICE_OFFLINE, DEVICE_IDLE, DEVICE_IN_SESSION };
const char *device_state_name(enum device_state state); /* "offline", "idle", "in session" */

/* Bytes of a link, from the device and to it. They stay at the largest value. */
struct link_bytes {
    uint32_t received;
    uint32_t sent;
};

/* A last gasp that still counts. */
struct gasp {
    uint64_t utc_ms;   /* of receipt; 0: none */
    uint64_t sequence; /* of its event; 0: not recorded */
};

/* What a device was last heard by: a link, a session, a message. */
struct heard {
    uint64_t began_utc_ms; /* 0: nothing in this run */
    uint8_t by;            /* 0 to 3; the caller's, kept for whoever asks */
};

/* The listener on which a device was last seen, in another run, has no such name any more. */
#define DIRECTORY_NO_LISTENER UINT32_MAX

/* A consistent copy of a device, for reports. Strings live as long as the directory. */
struct device_info {
    const struct device *device;
    const char *scope;
    const char *serial;
    const char *kind;
    const char *model;
    const char *firmware;
    const char *hardware;
    const char *project; /* "": none */
    const char *group;   /* "": none */
    const char *channel; /* "": none */
    uint32_t project_id; /* 0: none */
    uint32_t group_id;
    uint32_t channel_id;
    uint64_t first_seen_utc_ms;
    uint64_t last_seen_utc_ms; /* registered, or a session began or ended */
    struct address peer;       /* of the newest link */
    struct link_ref link;      /* id 0: offline */
    uint32_t epoch;            /* link epoch: every link of the device has a higher one */
    uint32_t listener;         /* index in the configuration, or DIRECTORY_NO_LISTENER */
    uint16_t direct_port;      /* 0: none leased */
    uint8_t signal_csq;        /* PLUGIN_SIGNAL_UNKNOWN */
    enum device_state state;
    struct link_bytes bytes; /* of the newest link in this run, also when it is gone */
    struct gasp gasp;        /* utc_ms 0: none since it was last heard */
    bool unapproved;         /* no agent reaches it, until an operator approves it */
    uint64_t heard_utc_ms;   /* what it was last heard by began then; 0: nothing in this run */
};

struct directory_config {
    uint32_t max_devices;
    uint16_t first_port; /* 0: no direct ports */
    uint16_t last_port;
    uint32_t flap_count;
    uint32_t flap_window_s;
    uint32_t network_prefix_v4;
    uint32_t network_prefix_v6;
    uint32_t first_epoch;                    /* no link of this run has a lower one */
    bool recorded;                           /* a device counts as new until directory_recorded */
    const struct config_listener *listeners; /* whose names the store keeps; may be NULL */
    size_t listener_count;
};

enum status directory_create(const struct directory_config *config,
                             struct directory **directory) MUST_CHECK;
void directory_free(struct directory *directory);

enum registration_result {
    REGISTERED_NEW,        /* first seen; the link is the device's newest now */
    REGISTERED_AGAIN,      /* known; the link is its newest now */
    REGISTRATION_OCCUPIED, /* an older link is there: occupant says which; nothing changed */
    REGISTRATION_OUTDATED, /* a newer link is there: the caller's is the one to close */
    REGISTRATION_FULL,     /* max_devices reached, or no memory */
};

struct registration {
    /* in */
    const char *scope;
    const struct plugin_identity *identity;
    struct link_ref link;
    struct address peer;
    uint32_t listener;
    uint64_t utc_ms;
    uint64_t now_ms;
    /* out */
    struct device *device;
    uint32_t epoch;
    uint16_t direct_port;     /* leased now or before; 0: none left */
    struct link_ref occupant; /* OCCUPIED, OUTDATED */
    bool changed;       /* AGAIN: another kind, model, firmware, hardware or port than before */
    bool other_network; /* OCCUPIED: the occupant comes from another network */
    bool flapping;      /* OCCUPIED: replaced too often lately */
};

enum registration_result directory_register(struct directory *directory,
                                            struct registration *registration) MUST_CHECK;

/* That the device was added is on the disk: from now on it registers as known. */
void directory_recorded(struct directory *directory, struct device *device);

/* The link is gone. True if it was the device's newest, which is offline then. */
bool directory_release(struct directory *directory, struct device *device,
                       const struct link_ref *link, uint64_t utc_ms);

/* The older link gives way to a newer one: like release, and counts for flapping. */
void directory_replaced(struct directory *directory, struct device *device,
                        const struct link_ref *link, uint64_t now_ms);

/* What the owner of the newest link learns of it. Ignored if link isn't the newest. */
void directory_set_signal(struct directory *directory, struct device *device,
                          const struct link_ref *link, uint8_t signal_csq);
void directory_set_bytes(struct directory *directory, struct device *device,
                         const struct link_ref *link, const struct link_bytes *bytes);
void directory_set_in_session(struct directory *directory, struct device *device,
                              const struct link_ref *link, bool in_session, uint64_t utc_ms);
/* An event says that it was seen then, which may be some time after it was registered, or after its
 * link was gone. An earlier time than is known changes nothing. */
void directory_seen(struct directory *directory, struct device *device, uint64_t utc_ms);

/* A last gasp was recorded. STATUS_NOT_FOUND: the device isn't recorded, or was removed; nothing
 * changes. An older gasp than the one that is kept changes nothing either. *heard: see below. */
enum status directory_gasp(struct directory *directory, struct device *device,
                           const struct gasp *gasp, struct heard *heard) MUST_CHECK;

/* The device was heard: a gasp from before heard->began_utc_ms is over. True if there was one,
 * which former says then. A gasp from before that is told only now is over as well: who calls
 * directory_gasp looks at what it was heard by last. */
bool directory_clear_gasp(struct directory *directory, struct device *device,
                          const struct heard *heard, struct gasp *former);

/* Copies the device's present facts. */
void directory_get(struct directory *directory, const struct device *device,
                   struct device_info *info);

/* It waits for an operator's approval: no agent may reach it. */
bool device_unapproved(struct directory *directory, const struct device *device);

/* It belongs to no project, and the listener on which it registered is bound to one. */
bool directory_needs_place(struct directory *directory, const struct device *device);

/* NULL if unknown. */
struct device *directory_find(struct directory *directory, const char *scope, const char *serial);

/* The same, and NULL for one that isn't recorded yet: whom directory_gasp knows. */
struct device *directory_known(struct directory *directory, const char *scope, const char *serial);

/* For logs; constant, no lock. */
const char *device_serial(const struct device *device);

/* Calls visit for each device in order of registration, from the position `from` (0: the first),
 * until visit returns false. Returns the position to go on with. */
uint64_t directory_walk(struct directory *directory, uint64_t from,
                        bool (*visit)(const struct device_info *info, void *context),
                        void *context);

struct directory_counts {
    uint64_t devices;
    uint64_t online;
    uint64_t in_session;
    uint64_t ports_leased;
    uint64_t replacements;
    uint64_t flapping;      /* times a newcomer was held because the device flaps */
    uint64_t ports_dropped; /* leases that came from the store and could not be kept */
};
void directory_count(struct directory *directory, struct directory_counts *counts);

#endif
