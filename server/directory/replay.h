/* What an event does to what is known of a device: one place, for the store and for the directory
 * in memory alike, so that after any crash the store and the events that are newer than it make the
 * directory that was.
 *
 * Pure functions. What belongs to an older link changes nothing, times only grow, a gasp is cleared
 * by the event that names it: so all events from some point on may be applied again, and what they
 * made stays as it is. (Not across the removal of a device that came back: what was said of it
 * before may stick then.) */
#ifndef CENCD_DIRECTORY_REPLAY_H
#define CENCD_DIRECTORY_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/proto/event.h"
#include "server/directory/directory.h"

/* Texts never are NULL, "" means not known; they are written as in events (codec/proto/text.h) and
 * belong to whoever filled them in. */
struct device_facts {
    bool known;   /* false: no such device; all but scope and serial is empty then */
    bool removed; /* by an operator: kept only since its link epoch goes on if it comes back */
    const char *scope;
    const char *serial;
    const char *kind;
    const char *model;
    const char *firmware;
    const char *hardware;
    const char *listener; /* its name */
    const char *note;
    uint64_t first_seen_utc_ms;
    uint64_t last_seen_utc_ms;
    uint32_t epoch;
    uint32_t project_id; /* 0: none */
    uint32_t group_id;
    uint32_t channel_id;
    uint16_t direct_port; /* 0: none */
    uint8_t signal_csq;   /* PLUGIN_SIGNAL_UNKNOWN */
    bool unapproved;
    struct gasp gasp;
};

/* Both are of one device, and apart from last_seen_utc_ms, epoch and gasp the same: texts that are
 * the same pointers. */
bool facts_differ_in_times(const struct device_facts *a, const struct device_facts *b);

#define FACTS_SERIAL_SIZE PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)

/* Facts of a device that nobody knows yet. */
void facts_init(struct device_facts *facts, const char *scope, const char *serial);

/* The serial of the device that the event may change, written the one way in which it is a key:
 * false if the event changes no device's facts, or names none that could be one. */
bool replay_serial(const Cenc__V1__Event *event, char serial[static FACTS_SERIAL_SIZE]);

/* Applies the event, which replay_serial said is about this device. True if the facts changed:
 * texts may point into the event then. */
bool replay_apply(const Cenc__V1__Event *event, uint64_t sequence, struct device_facts *facts);

#endif
