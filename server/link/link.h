/* A link: one live connection of a device. greeting -> idle -> in session -> gone.
 *
 * greeting: one-shot receives until a plugin says who it is, within a deadline and a byte cap.
 * held: identified, but an older link of the same device is there; waits until that one gave way or
 *   proved alive. A poll tells when it leaves; what it says meanwhile is kept up to the byte cap.
 * idle: a one-shot poll, nothing else; bytes go to the plugin.
 * in session: its bytes are joined to an agent's (server/bridge).
 *
 * All functions run in the shard's thread. link_close is the one place where a link ends. */
#ifndef CENCD_LINK_LINK_H
#define CENCD_LINK_LINK_H

#include <assert.h>

#include "server/link/shard.h"

enum link_state { LINK_FREE, LINK_GREETING, LINK_HELD, LINK_IDLE, LINK_IN_SESSION, LINK_GONE };

struct greeting;

struct link {
    struct stream stream;
    struct timer timer; /* greeting: deadline; held: its end; idle, in session: idle timeout */
    uint64_t id;
    struct device *device; /* from state held on */
    union {
        struct greeting *greeting; /* greeting, held */
        struct session *session;   /* in session */
        uint64_t next_free;        /* free */
    };
    uint8_t plugin_state[PLUGIN_STATE_SIZE];
    struct address peer;
    uint32_t index; /* in the pool */
    uint32_t epoch;
    uint32_t connected_at_ms; /* low bits of the time of the accept */
    uint32_t bytes_received;  /* these two stay at the largest value */
    uint32_t bytes_sent;
    uint32_t received_at_ms; /* low bits of the time of the last byte from the device */
    uint16_t listener;
    uint16_t direct_port;
    uint8_t state;
    uint8_t plugin;     /* index in the listener's list */
    uint8_t link_flags; /* PLUGIN_LINK_*, LINK_WATCH_SPENT */
    uint8_t counted;    /* LINK_COUNTED_* */
};

/* With its places in the reactor's tables (9 bytes) a link stays below 256 bytes. */
static_assert(sizeof(struct link) <= 247, "a link has grown beyond its budget");

#define LINK_CHALLENGED  0x40u /* in link_flags: a newer link waits for this one */
#define LINK_WATCH_SPENT 0x80u /* in link_flags: the armed poll fires for bytes already taken */

#define LINK_COUNTED_UNIDENTIFIED 0x1u
#define LINK_COUNTED_SOURCE       0x2u

/* A connection was accepted on a device listener. */
void link_accept(struct device_listener *listener, uint32_t slot, const struct address *peer);

/* Ends the link, whatever its state: logged once, counted, told to the directory and the session.
 * Harmless on a link that is gone already. */
void link_close(struct link *link, enum close_reason reason);

/* The link a reference names, or NULL if it is gone. Shard's own references only. */
struct link *link_find(struct shard *shard, const struct link_ref *ref);
struct link_ref link_ref(const struct link *link);

static inline struct shard *link_shard(const struct link *link)
{
    return shard_of(link->stream.reactor);
}

const struct config_listener *link_listener(const struct link *link);
const struct config_plugin *link_plugin(const struct link *link);
struct listener_counters *link_counters(const struct link *link);

/* Bytes that came from the device, or go to it, as they are on the wire (within TLS). The directory
 * is told at once, or by the session's timer. */
void link_count_received(struct link *link, uint32_t size);
void link_count_sent(struct link *link, uint32_t size);
void link_tell_bytes(struct link *link);

/* Passes bytes from the device through its plugin: sends its reply, counts what it noticed, and
 * leaves in received what reading software is to see. */
void link_filter(struct link *link, struct plugin_received *received);

/* Sends bytes to the device between whole frames; to one that leaves its answers unread, nothing.
 */
void link_answer(struct link *link, const uint8_t *data, size_t size);

/* Milliseconds since the device's previous bytes; and notes that bytes came now. */
uint64_t link_quiet_ms(const struct link *link);
void link_touch(struct link *link);

/* The session ended and the link goes on. */
void link_enter_idle(struct link *link);

/* Puts the link into a session: state, counters, directory. The caller exchanges the stream's ops.
 */
void link_enter_session(struct link *link, struct session *session);

/* The device has no link any more; epoch is that of its last one. */
void link_device_offline(struct shard *shard, struct device *device, uint16_t port, uint32_t epoch);

/* Bytes from the device arrived in a session: proof of life for a waiting newcomer. */
void link_proves_alive(struct link *link);

/* ---- between the files of this room ---- */
extern const struct stream_ops link_ops;
void greeting_begin(struct link *link);
void greeting_received(struct link *link, struct chunk *chunk);
void greeting_free(struct link *link);
/* The connection ended in greeting: a gasp whose end the plugin couldn't see is whole. hears: it
 * may still be answered. */
void greeting_last_words(struct link *link, bool hears);
/* The greeting is over, but answers are on their way: the link ends with the last of them, or at
 * its deadline, for this reason. False: none are. */
bool greeting_owes_answers(struct link *link, enum close_reason reason);
void greeting_answered(struct link *link); /* one of them is in the queue, or won't come */
void greeting_sent(struct link *link);
/* All that it said in greeting was pushes. */
bool greeting_only_pushed(const struct link *link);
void registration_begin(struct link *link, const struct plugin_identity *identity);
void registration_challenge(struct message *message, struct reactor *reactor);
void registration_link_gone(struct link *link);
/* A held link ends: the older link need not make way for it any more. */
void registration_withdraw(struct link *link);
/* A held link finished in order: what it said before was its device's. */
void registration_last_words(struct link *link);
/* Bytes that nobody reads go to the plugin. */
void idle_received(struct link *link, struct chunk *chunk);
void link_take_unread(struct link *link, struct chunk *chunk);
/* The link is no longer among the unidentified. */
void link_identified(struct link *link);
/* The link's one timer: what it does depends on the state. */
void link_start_timer(struct link *link, void (*fire)(struct timer *timer), uint64_t delay_ms);
/* Starts the idle timeout anew. */
void link_restart_timer(struct link *link);
void link_log(const struct link *link, enum log_level level, const char *message,
              const char *fields, ...) __attribute__((format(printf, 4, 5)));

#endif
