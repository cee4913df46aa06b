/* A head-end system in the outside world: nghttp2's client over a simulated connection, and as much
 * of gRPC as an Events stream or a single call needs. */
#ifndef CENCD_TESTS_SIM_HES_H
#define CENCD_TESTS_SIM_HES_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

#include "codec/grpc/grpc.h"
#include "server/reactor/sim/sim.h"

struct hes {
    struct sim *sim;
    struct sim_peer *peer; /* NULL: not connected */
    nghttp2_session *session;
    int32_t stream;
    uint8_t *out; /* of the request's body, not sent yet */
    size_t out_size;
    bool out_ended;
    const uint8_t *pending; /* of the session, that the socket didn't take */
    size_t pending_size;
    struct grpc_unframe unframe;
    uint8_t *message;
    size_t message_size;
    int status;      /* grpc-status; -1: none yet */
    bool closed;     /* the stream, or the connection */
    uint64_t oldest; /* cenc-oldest-sequence */
    void (*got)(struct hes *hes, const uint8_t *message, size_t size);
};

/* False: it isn't accepted. */
bool hes_connect(struct hes *hes, struct sim *sim, const struct address *to,
                 const struct address *from);
void hes_call(struct hes *hes, const char *path, const char *token);
void hes_send(struct hes *hes, const uint8_t *message, size_t size);
void hes_finish(struct hes *hes); /* no more requests */
/* Reads and writes what there is. */
void hes_pump(struct hes *hes);

enum hes_end { HES_CLOSE, HES_RESET, HES_VANISH, HES_CANCEL };
/* Leaves, and frees everything. */
void hes_leave(struct hes *hes, enum hes_end how);

#endif
