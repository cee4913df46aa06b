/* The sockets of the configured listeners: those of devices, in the order of the configuration, and
 * behind them those of section agents. An operator may stop a listener and start it again.
 *
 * Whoever starts one opens its socket (the main thread at first, later the editor's thread), and
 * all shards that serve it hold it. Once it isn't wanted any more each of them lets go of it, and
 * the last one closes it: then it is closed, its port is free, and it may be opened again.
 *
 * Any thread, except where a function says otherwise. */
#ifndef CENCD_LINK_LISTENING_H
#define CENCD_LINK_LISTENING_H

#include <pthread.h>

#include "server/link/shard.h"

struct listening {
    _Atomic int socket; /* -1: closed */
    _Atomic bool wanted;
    _Atomic uint32_t holders; /* shards that have not let go of the socket */
    _Atomic uint32_t epoch;   /* times that it was given to the shards */
    _Atomic uint32_t drops;   /* times that its links were to be closed, too */
};

struct listening_table {
    uint32_t count;
    _Atomic uint32_t changes; /* grows with each; a shard that has not seen the last one looks */
    pthread_mutex_t lock;     /* of whoever waits */
    pthread_cond_t closed;
    struct listening entries[];
};

/* A shard's part of a listener. */
struct listening_part {
    uint32_t epoch; /* the last one that it has seen, like the next */
    uint32_t drops;
    bool holds; /* the socket of this epoch */
    bool open;  /* it is served; also while that ends */
    bool closing;
};

/* All closed and not wanted. */
enum status listening_create(struct server *server) MUST_CHECK;
/* Closes what is open. */
void listening_free(struct server *server);

/* What the configuration says of one. */
static inline bool listening_is_way(const struct server *server, uint32_t index)
{
    return index >= server->config->listener_count;
}

static inline const struct config_way *listening_way(const struct server *server, uint32_t index)
{
    return &server->config->agents.listeners[index - server->config->listener_count];
}

static inline const char *listening_name(const struct server *server, uint32_t index)
{
    return listening_is_way(server, index) ? listening_way(server, index)->name
                                           : server->config->listeners[index].name;
}

static inline const struct address *listening_address(const struct server *server, uint32_t index)
{
    return listening_is_way(server, index) ? &listening_way(server, index)->address
                                           : &server->config->listeners[index].address;
}

static inline bool listening_is_datagram(const struct server *server, uint32_t index)
{
    return !listening_is_way(server, index) &&
           server->config->listeners[index].transport == CONFIG_UDP;
}

/* UINT32_MAX: there is none of this name. */
uint32_t listening_find(const struct server *server, const char *name);

/* Opens the socket of a closed one: connections wait in its backlog from now on. Returns 0 or a
 * negative errno. listening_shut closes it again, as long as the shards were not told. */
int listening_open(struct server *server, uint32_t index);
void listening_shut(struct server *server, uint32_t index);

/* It is open, and the shards may have it. */
void listening_give(struct server *server, uint32_t index);
/* The shards are to let go of it. Links that exist stay, unless they are to be dropped, too. */
void listening_take(struct server *server, uint32_t index, bool drop);

/* Shards that have not seen the last change look at it soon. */
void listening_tell(struct server *server);

static inline bool listening_running(const struct server *server, uint32_t index)
{
    return atomic_load(&server->listening->entries[index].wanted);
}

bool listening_closed(const struct server *server, uint32_t index);
/* Waits until it is closed, at most so long. */
bool listening_await_closed(struct server *server, uint32_t index, uint32_t seconds);

/* In the shard's thread: whether the shard has to do with it; and its part of it is closed. */
bool listening_serves(const struct shard *shard, uint32_t index);
void listening_let_go(struct shard *shard, uint32_t index);

#endif
