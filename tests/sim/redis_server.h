/* A small Redis on the other side of the simulated network, with everything that can be wrong with
 * one. It knows AUTH, SELECT and EVAL, which is what the server sends. A test runs it beside the
 * reactors: redis_server_run does what can be done now. */
#ifndef CENCD_TESTS_SIM_REDIS_SERVER_H
#define CENCD_TESTS_SIM_REDIS_SERVER_H

#include "server/base/address.h"
#include "tests/sim/redis_keyspace.h"
#include "tests/sim/redis_lua.h"

#define REDIS_SERVER_CLIENTS 8u

enum redis_health {
    HEALTH_WELL,
    HEALTH_FULL,      /* -OOM at some write of a script, what was before stays */
    HEALTH_READ_ONLY, /* -READONLY, likewise */
    HEALTH_NO_DISK,   /* -MISCONF, likewise */
    HEALTH_LOADING,
    HEALTH_FORBIDS, /* -NOPERM */
    HEALTH_SLOW,    /* answers after up to 15 s */
    HEALTH_SILENT,  /* reads, never answers */
    HEALTH_DEAF,    /* doesn't even read */
    HEALTH_BABBLES, /* answers anything */
    HEALTH_COUNT,
};

enum redis_content { CONTENT_KEPT, CONTENT_EMPTY, CONTENT_SAVED };

struct redis_client {
    struct sim_peer *peer; /* NULL: free */
    bool known;            /* logged in */
    char *in;
    size_t in_size;
    size_t in_capacity;
    char *out;
    size_t out_size;
    size_t out_capacity;
    uint64_t out_from_ms; /* what is there isn't sent before */
    size_t cut_in;        /* is reset after so many more bytes; SIZE_MAX: isn't */
    size_t cut_out;
};

struct redis_server {
    struct sim *sim;
    struct address address;
    const char *password;               /* "": none */
    struct sim_peer_listener *listener; /* NULL: down */
    struct redis_client clients[REDIS_SERVER_CLIENTS];
    struct keyspace keyspace;
    struct keyspace saved;
    struct redis_lua lua;
    enum redis_health health;
    uint64_t writes_left; /* of the script, before the refusal */
    uint64_t scripts;     /* that were run */
};

/* Up, empty and well. */
void redis_server_open(struct redis_server *server, struct sim *sim, const struct address *address,
                       const char *password);
void redis_server_close(struct redis_server *server);

/* True if anything was done. */
bool redis_server_run(struct redis_server *server);
/* When it will have something to do by itself; UINT64_MAX: never. */
uint64_t redis_server_due_ms(const struct redis_server *server);

/* Down: connections break in one way or another, no new ones are taken. */
void redis_server_down(struct redis_server *server);
void redis_server_up(struct redis_server *server, enum redis_content content);
void redis_server_save(struct redis_server *server);

/* Each connection breaks soon, after any byte in or out. */
void redis_server_cut(struct redis_server *server);

#endif
