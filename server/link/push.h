/* What devices push: last gasps, alarms, data, over datagrams and connections, known to the
 * directory or not. push_received is the one door for all of them; it masks what a plugin calls
 * secret, counts, finds the device and has it recorded (push_events.h). An acknowledgement is owed
 * only after the push is on the disk: until then there is a struct push_answer, which is a value.
 *
 * All in the shard's thread. */
#ifndef CENCD_LINK_PUSH_H
#define CENCD_LINK_PUSH_H

#include "server/link/shard.h"

/* Where a push came from. */
struct push_source {
    struct shard *shard;
    uint32_t listener;     /* index in the configuration */
    uint8_t plugin;        /* index in the listener's list */
    struct link_ref link;  /* id 0: a datagram */
    struct device *device; /* of an identified link; else NULL, and the push's serial counts */
    struct address peer;
    struct address local; /* that was asked; family 0: a connection */
    uint64_t utc_ms;      /* of receipt */
};

/* An acknowledgement and the way back; may be copied and kept for as long as the server runs. */
struct push_answer {
    uint8_t data[PLUGIN_ACK_SIZE];
    uint8_t size; /* 0: none is owed */
    uint32_t listener;
    struct link_ref link; /* id 0: by datagram */
    struct address peer;
    struct address local;
};

/* push->raw may be written to (secrets) and is not kept. */
void push_received(const struct push_source *source, const struct plugin_push *push);

/* The second half of it: whose it is has been decided. NULL: nobody's who is known. */
void push_settle(const struct push_source *source, const struct plugin_push *push,
                 struct device *device);

void push_answer_make(const struct push_source *source, const struct plugin_push *push,
                      struct push_answer *answer);

/* Sends it, in the shard that received the push. Harmless if nothing is owed, or the link is gone.
 */
void push_acknowledge(struct shard *shard, const struct push_answer *answer);
/* It never will be: the push isn't recorded. A link in greeting doesn't wait for it. */
void push_unanswered(struct shard *shard, const struct push_answer *answer);

#endif
