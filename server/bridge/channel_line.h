/* The line of an exclusive channel: what one session at a time may have, of all the devices on it,
 * whatever links and shards these are on. A session takes it before its device's own line
 * (server/bridge/line.h), waits for it in the same way (persons before mass collection, in each
 * class first come first served, bounded by sessions.max_waiting, at most for its wait_ms), and a
 * holder that moved no byte for sessions.yield_after_s, or whose agent has finished, loses it when
 * someone else wants it.
 *
 * Lines belong to the server and are held under one lock, for moments. A session stays in its own
 * shard while it waits; what concerns it (the line is its own now, somebody else wants the line,
 * its device is gone) is posted there. A session that has a line, or waits for one, has a ticket;
 * leaving gives the line to the next one.
 *
 * Which channel a device is on, and whether that is exclusive, is looked at whenever a session is
 * routed: a change counts for those that come later, and for those that wait when their turn comes.
 * What was joined before isn't touched.
 *
 * Functions about a session run in the thread of its shard, the others in any. */
#ifndef CENCD_BRIDGE_CHANNEL_LINE_H
#define CENCD_BRIDGE_CHANNEL_LINE_H

#include "server/bridge/session.h"

struct channel_lines;

struct channel_line_counters {
    _Atomic uint64_t held;    /* lines that a session has, now */
    _Atomic uint64_t waiting; /* sessions, now */
};

enum status channel_lines_create(struct channel_lines **lines) MUST_CHECK;
void channel_lines_free(struct channel_lines *lines); /* nobody holds or waits */

/* In routing, the device is on a link. channel 0: it shares its line with no other device. True:
 * the line is the session's, or none is needed. Otherwise the session waits, and is routed again
 * when its turn comes, or was refused. */
bool channel_line_enter(struct session *session, uint32_t channel);

/* The session is joined: from now on it counts as still when it moves no byte. */
void channel_line_joined(struct session *session);

/* Its agent has finished: it gives way to the next one that comes. */
void channel_line_finished(struct session *session);

/* Harmless without a ticket. */
void channel_line_leave(struct session *session);

/* The device has lost its link: those who wait for it are told. */
void channel_lines_device_gone(struct shard *shard, const struct device *device);

const struct channel_line_counters *channel_lines_counters(const struct channel_lines *lines);

/* For tests: calls visit for each line with its holder and the number of those that wait. */
void channel_lines_walk(struct channel_lines *lines,
                        void (*visit)(uint32_t channel, const struct session *holder,
                                      uint32_t waiting, void *context),
                        void *context);

#endif
