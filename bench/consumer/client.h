/* A consumer of the northbound as small as one can be: it subscribes, counts events, and
 * acknowledges all that came. One thread; whoever uses it reads from the socket when there is
 * something. Nothing may fail: it ends the process. */
#ifndef CENCD_BENCH_CONSUMER_CLIENT_H
#define CENCD_BENCH_CONSUMER_CLIENT_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/grpc/grpc.h"

#define CLIENT_OUT 1024u

struct client {
    nghttp2_session *session;
    int socket;
    int32_t stream;
    struct grpc_unframe unframe;
    uint8_t *message;
    size_t message_size;
    size_t message_capacity;
    uint64_t responses;
    uint64_t events;
    uint64_t bytes;
    uint64_t through;
    uint64_t acknowledged;
    uint8_t out[CLIENT_OUT]; /* requests that wait */
    size_t out_size;
    bool over;                                        /* the stream or the connection ended */
    void (*event)(const uint8_t *event, size_t size); /* may be NULL; size bytes of an Event */
};

/* Connects and subscribes, from the oldest event or from now. The client begins with zeros; event
 * may be set. */
void client_begin(struct client *client, const char *where, const char *token, bool from_now);

/* Waits for bytes, takes them, acknowledges. */
void client_turn(struct client *client);

void client_end(struct client *client);

/* Writes a journal of so many events into an empty folder. Returns the process's exit status. */
int fill(const char *folder, uint64_t events);

#endif
