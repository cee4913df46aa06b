/* The application of the reactor's property test: pairs of streams that pass bytes to each other
 * (or one stream that echoes), watched and received in every way there is, moved between reactors
 * at any moment. Test code: everything is visible. */
#ifndef CENCD_TESTS_SIM_RELAY_H
#define CENCD_TESTS_SIM_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "server/reactor/reactor.h"
#include "server/reactor/sim/sim.h"
#include "server/reactor/tls.h"

#define RELAY_REACTORS 3u
#define RELAY_PAIRS    4u

enum pair_kind { PAIR_ECHO, PAIR_ACCEPTED, PAIR_DIALLED };
enum leg_style { STYLE_ONCE, STYLE_STREAM, STYLE_WATCH, STYLE_MIXED };

struct pair;

struct leg {
    struct stream stream;
    struct stream_move move;
    struct pair *pair;
    struct shard *shard; /* where it is; NULL: not there yet */
    unsigned source;     /* which stream of bytes its peer writes */
    enum leg_style style;
    uint32_t limit; /* bytes that may wait for it before its source is stopped */
    uint64_t received;
    uint8_t *held; /* for it, while it or its source is elsewhere */
    size_t held_size;
    struct chunk *kept; /* received, not yet passed on */
    struct chunk **kept_end;
    bool connected;
    bool secured;
    bool moving;
    bool asked; /* a receive of mode ONCE is owed one `received` */
    bool ended;
    bool failed;
    bool shut;
    bool closing;
    bool closed;
};

struct pair {
    struct relay *relay;
    unsigned index;
    enum pair_kind kind;
    struct leg legs[2];
    unsigned leg_count;
    struct shard *home; /* both legs go there */
    unsigned failed_moves;
    uint64_t deadline_ms;
    bool broken;    /* a connection failed: what comes through need only be a part */
    bool gave_up;   /* for want of room in a table */
    bool is_fickle; /* closes for no reason at some moment */
};

struct shard {
    struct relay *relay;
    struct reactor *reactor;
    struct listener listener;
    struct accept_operation accepts[LISTENER_MAX_DEPTH];
    struct timer tick;
    bool listener_closed;
};

struct relay {
    struct sim *sim;
    struct shard shards[RELAY_REACTORS];
    struct shard *running; /* whose turn it is */
    struct address address;
    int socket;
    struct tls_context *server; /* NULL: clear bytes */
    struct tls_context *client;
    struct pair pairs[RELAY_PAIRS];
    unsigned pair_count;
};

/* Byte number `at` of what the peer of a source writes. */
uint8_t relay_byte(unsigned source, uint64_t at);
void relay_compare(const uint8_t *data, size_t size, unsigned source, uint64_t at);

static inline struct leg *relay_target(struct leg *leg)
{
    return leg->pair->leg_count == 1 ? leg : &leg->pair->legs[leg == &leg->pair->legs[0]];
}

void relay_pair_init(struct pair *pair, struct relay *relay, unsigned index, enum pair_kind kind);
/* The leg's stream came to life in a shard. */
void relay_leg_accepted(struct leg *leg, struct shard *shard, uint32_t slot);
/* In a shard's turn, every now and then: what is due, and something at random. */
void relay_tick(struct shard *shard);
bool relay_pair_closed(const struct pair *pair);
void relay_pair_free(struct pair *pair);

#endif
