/* What links and sessions tell the journal. Without a journal (no server.state_dir) every function
 * here does nothing, and what waits for a record goes on at once.
 *
 * All in the shard's thread. An event that the journal can't take is counted there and lost: the
 * caller decides what that means. Nothing here waits. */
#ifndef CENCD_LINK_EVENTS_H
#define CENCD_LINK_EVENTS_H

#include "server/bridge/session.h"
#include "server/journal/journal.h"
#include "server/link/link.h"

/* The device is known for the first time. done is called when that is recorded (sequence), or with
 * STATUS_SYSTEM; the link may be gone by then (NULL). On any status but STATUS_OK done won't come.
 * Without a journal done is called before this returns. */
enum status events_device_added(struct link *link,
                                void (*done)(struct shard *shard, struct device *device,
                                             struct link *link, enum status status)) MUST_CHECK;

void events_device_changed(struct link *link);
void events_connected(struct link *link);
void events_disconnected(struct link *link, enum close_reason reason, bool newer_link);

void events_access_started(const struct session *session);
void events_access_finished(const struct session *session, enum close_reason reason,
                            uint64_t duration_ms);
void events_access_refused(const struct session *session, enum close_reason reason);

/* former_peer may be NULL. kind: a Cenc__V1__SecurityKind. */
void events_security(struct link *link, int kind, const struct address *former_peer,
                     const char *text);

enum events_restored { RESTORED_BY_LINK = 1, RESTORED_BY_SESSION = 2, RESTORED_BY_MESSAGE = 3 };

/* Clears the device's last gasp if what began at began_utc_ms came after it, and says so. */
void events_power_restored(struct shard *shard, struct device *device, uint64_t began_utc_ms,
                           enum events_restored by);

/* The listener's socket lost so many since since_utc_ms. */
enum status events_datagrams_lost(struct shard *shard, uint32_t listener, uint64_t count,
                                  uint64_t since_utc_ms) MUST_CHECK;

/* False while agents are to be refused because the disk takes no records. */
bool events_sessions_allowed(const struct server *server);

#endif
