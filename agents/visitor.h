/* A visitor: an agent's connection on a listener of section agents, from accept until it is joined
 * to a device, and for as long as its way in has to do with it. One path for all kinds: limits, a
 * deadline and a byte cap for the greeting, login, the device by its serial, the decision; the
 * kinds (socks.c, connect.c, modem.c) read their protocol and write its answers.
 *
 * In the thread of the shard where the session is. Owned by the session, gone with it. */
#ifndef CENCD_AGENTS_VISITOR_H
#define CENCD_AGENTS_VISITOR_H

#include "agents/account.h"
#include "codec/modem/hayes.h"
#include "codec/proxy/destination.h"

struct visitor;

/* What a look at visitor->bytes brought. */
enum visitor_next {
    VISITOR_READS, /* more bytes are needed */
    VISITOR_WAITS, /* for a login */
    VISITOR_GONE,  /* it asked for a device, or was refused */
};

struct visitor_kind {
    struct session_way way;
    /* Looks at the bytes that came (visitor_take takes them away). */
    enum visitor_next (*read)(struct visitor *visitor);
    /* The login is over. */
    enum visitor_next (*logged_in)(struct visitor *visitor, bool good);
    /* Tells the agent why it gets no device, or why its session is over. */
    void (*answer)(struct visitor *visitor, enum close_reason reason, bool was_joined);
};

struct visitor {
    struct session *session;
    const struct visitor_kind *kind;
    const struct config_way *config;
    uint32_t drops;      /* of its listener, as its shard knew when it came (listening.h) */
    struct login *login; /* under way, or NULL */
    struct account account;
    struct timer timer; /* deadline of the greeting; of a modem also idleness and escape */
    uint64_t deadline_ms;
    uint8_t *bytes; /* that came and were not taken */
    uint32_t size;
    uint32_t received; /* before it had logged in and asked */
    uint8_t step;      /* the kind's */
    bool known;        /* logged in, or may pass without */
    bool counted;      /* in server->visitor_sources */
    bool keeps_open;   /* connect: another request may follow */
    unsigned status;   /* connect: of the answer, where the reason doesn't say it */
    struct hayes modem;
};

/* A connection was accepted; drops: see struct visitor. */
void visitor_accept(struct shard *shard, const struct config_way *config, uint32_t drops,
                    uint32_t slot, const struct address *peer, struct tls_context *tls);

static inline struct visitor *visitor_of(const struct session *session)
{
    return session->visitor;
}

/* ---- for the kinds ---- */

/* Takes bytes away from the front. */
void visitor_take(struct visitor *visitor, size_t size);

/* Bytes for the agent; what there is no memory for is lost. */
void visitor_send(struct visitor *visitor, const void *data, size_t size);

/* Asks for the account; logged_in is called later. */
enum visitor_next visitor_login(struct visitor *visitor, const char *name, size_t name_size,
                                const char *password, size_t password_size);

/* True if an agent without a name and password may pass: anonymous is allowed. */
bool visitor_may_be_anonymous(const struct visitor *visitor);

/* It is known who this is: no longer among the strangers. */
void visitor_is_known(struct visitor *visitor);

/* The device with what is left of the bytes for it, or a refusal. */
enum visitor_next visitor_ask(struct visitor *visitor, const struct destination *destination);
enum visitor_next visitor_refuse(struct visitor *visitor, enum close_reason reason);

/* The way functions that all kinds share. */
bool visitor_ended(struct session *session, enum close_reason reason, bool was_joined);
bool visitor_is_stopped(const struct session *session);
void visitor_leaving(struct session *session);
void visitor_closed(struct session *session);

/* The agent's stream in greeting. */
extern const struct stream_ops visitor_ops;
/* Bytes came; and reads on from whatever came, or waits for more. */
void visitor_hear(struct visitor *visitor, struct chunk *chunk);
void visitor_go_on(struct visitor *visitor);
void visitor_start_timer(struct visitor *visitor, void (*fire)(struct timer *timer),
                         uint64_t delay_ms);

extern const struct visitor_kind socks_kind;
extern const struct visitor_kind connect_kind;
extern const struct visitor_kind modem_kind;

#endif
