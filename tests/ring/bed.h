/* A test bed for the reactor over the real ring: one reactor with a listener on loopback, the ends
 * of the connections that it accepted, and clients, whose sockets the same thread serves. bed_close
 * checks that nothing stayed behind: no slot, no buffer, no private byte, nothing in flight. */
#ifndef CENCD_TESTS_RING_BED_H
#define CENCD_TESTS_RING_BED_H

#include "server/reactor/reactor.h"
#include "tests/ring/client.h"

#define BED_ENDS    128u
#define BED_CLIENTS 128u

enum end_manner {
    END_ECHO, /* sends back what comes, up to queue_limit bytes ahead; FIN for FIN */
    END_KEEP, /* holds the chunks that came */
    END_SINK, /* checks what comes against the pattern of seed */
};

/* The reactor's end of a connection, and what was told about it. */
struct end {
    struct stream stream;
    struct bed *bed;
    enum end_manner manner;
    uint32_t seed;
    uint32_t queue_limit;
    struct chunk *kept; /* newest first */
    uint64_t received;
    bool stopped; /* its receive waits for the queue */
    bool wrong;
    unsigned ready; /* how often each was told */
    unsigned connected;
    unsigned ended;
    unsigned failed;
    unsigned closed;
    int error; /* of the last of them */
};

struct bed_limits {
    uint32_t slots;
    uint32_t reserved_slots;
    uint32_t small_count;
    uint32_t large_count;
};

struct bed {
    struct reactor *reactor;
    struct listener listener;
    struct accept_operation accepts[LISTENER_MAX_DEPTH];
    struct address address; /* of the listener */
    bool listener_closed;
    enum end_manner manner; /* of ends to come */
    enum receive_mode mode; /* the same; RECEIVE_NONE: they are only there */
    struct end ends[BED_ENDS];
    size_t end_count;
    struct client clients[BED_CLIENTS];
    size_t client_count;
    uint64_t wait_until_ms;
};

extern const struct stream_ops end_ops;

struct bed *bed_open(const struct bed_limits *limits, uint32_t depth);
/* Closes listener, ends and clients, waits for all of it, and checks that nothing is left. */
void bed_close(struct bed *bed);

/* A client, connected to the bed's listener. */
struct client *bed_client(struct bed *bed);
/* A client and the end of its connection. */
struct end *bed_pair(struct bed *bed, struct client **client);
/* An end that is not accepted: for stream_connect. */
struct end *bed_end(struct bed *bed, enum end_manner manner);

/* Gives back the chunks of an end that keeps them. */
void end_give_back(struct end *end);
/* Sends `size` bytes of the end's pattern, in private memory. */
void end_send(struct end *end, uint64_t offset, uint32_t size);

uint64_t bed_counter(const _Atomic uint64_t *counter);

/* A turn of the reactor, a step of each client; ends the test if it waits for too long. */
void bed_step(struct bed *bed);
void bed_wait_begins(struct bed *bed);

#define BED_UNTIL(bed, condition)                                                                  \
    do {                                                                                           \
        bed_wait_begins(bed);                                                                      \
        while (!(condition))                                                                       \
            bed_step(bed);                                                                         \
    } while (0)

#endif
