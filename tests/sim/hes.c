#include "tests/sim/hes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/seeds.h"

static void end_message(struct hes *hes)
{
    hes->got(hes, hes->message, hes->message_size);
    free(hes->message);
    hes->message = NULL;
}

static int data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                      size_t size, void *user_data)
{
    struct hes *hes = user_data;
    enum grpc_piece what;
    const uint8_t *piece;
    size_t piece_size;
    (void)session;
    (void)flags;
    (void)id;
    while ((what = grpc_unframe_next(&hes->unframe, &data, &size, &piece, &piece_size)) !=
           GRPC_MORE) {
        if (what == GRPC_BEGIN) {
            hes->message = malloc(hes->unframe.size + 1);
            hes->message_size = 0;
            SEEDS_REQUIRE(hes->message != NULL);
        } else if (what == GRPC_BYTES) {
            memcpy(hes->message + hes->message_size, piece, piece_size);
            hes->message_size += piece_size;
        } else {
            end_message(hes);
        }
    }
    return 0;
}

static int header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                  size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                  void *user_data)
{
    struct hes *hes = user_data;
    (void)session;
    (void)frame;
    (void)name_size;
    (void)value_size;
    (void)flags;
    /* nghttp2 ends both with NUL */
    if (strcmp((const char *)name, "grpc-status") == 0)
        hes->status = (int)strtol((const char *)value, NULL, 10);
    if (strcmp((const char *)name, "cenc-oldest-sequence") == 0)
        hes->oldest = strtoull((const char *)value, NULL, 10);
    return 0;
}

static int stream_closed(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct hes *hes = user_data;
    (void)session;
    (void)code;
    if (id == hes->stream)
        hes->closed = true;
    return 0;
}

static ssize_t read_out(nghttp2_session *session, int32_t id, uint8_t *data, size_t capacity,
                        uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    struct hes *hes = user_data;
    size_t size = hes->out_size < capacity ? hes->out_size : capacity;
    (void)session;
    (void)id;
    (void)source;
    if (size > 0) {
        memcpy(data, hes->out, size);
        hes->out_size -= size;
        memmove(hes->out, hes->out + size, hes->out_size);
    }
    if (hes->out_size == 0 && hes->out_ended)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (size == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)size;
}

bool hes_connect(struct hes *hes, struct sim *sim, const struct address *to,
                 const struct address *from)
{
    nghttp2_session_callbacks *callbacks;
    hes->peer = sim_peer_connect(sim, to, from);
    if (hes->peer == NULL)
        return false;
    hes->sim = sim;
    hes->status = -1;
    SEEDS_REQUIRE(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
    SEEDS_REQUIRE(nghttp2_session_client_new(&hes->session, callbacks, hes) == 0);
    nghttp2_session_callbacks_del(callbacks);
    SEEDS_REQUIRE(nghttp2_submit_settings(hes->session, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    return true;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

void hes_call(struct hes *hes, const char *path, const char *token)
{
    char authorization[256];
    nghttp2_data_provider provider = {.read_callback = read_out};
    (void)snprintf(authorization, sizeof authorization, "Bearer %s", token);
    const nghttp2_nv fields[] = {
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", path),
        field(":authority", "cencd"),
        field("content-type", "application/grpc"),
        field("te", "trailers"),
        field("authorization", authorization),
    };
    hes->stream = nghttp2_submit_request(hes->session, NULL, fields, sizeof fields / sizeof *fields,
                                         &provider, NULL);
    SEEDS_REQUIRE(hes->stream > 0);
}

void hes_send(struct hes *hes, const uint8_t *message, size_t size)
{
    hes->out = realloc(hes->out, hes->out_size + GRPC_PREFIX_SIZE + size);
    SEEDS_REQUIRE(hes->out != NULL);
    grpc_prefix_write(hes->out + hes->out_size, (uint32_t)size);
    if (size > 0)
        memcpy(hes->out + hes->out_size + GRPC_PREFIX_SIZE, message, size);
    hes->out_size += GRPC_PREFIX_SIZE + size;
    (void)nghttp2_session_resume_data(hes->session, hes->stream);
}

void hes_finish(struct hes *hes)
{
    hes->out_ended = true;
    (void)nghttp2_session_resume_data(hes->session, hes->stream);
}

static void write_out(struct hes *hes)
{
    for (;;) {
        if (hes->pending_size == 0) {
            ssize_t size = nghttp2_session_mem_send(hes->session, &hes->pending);
            if (size <= 0)
                return;
            hes->pending_size = (size_t)size;
        }
        size_t taken = sim_peer_write(hes->peer, hes->pending, hes->pending_size);
        hes->pending += taken;
        hes->pending_size -= taken;
        if (hes->pending_size > 0)
            return;
    }
}

void hes_pump(struct hes *hes)
{
    uint8_t bytes[4096];
    size_t size;
    while ((size = sim_peer_read(hes->peer, bytes, sizeof bytes)) > 0) {
        ssize_t taken = nghttp2_session_mem_recv(hes->session, bytes, size);
        SEEDS_REQUIRE(taken == (ssize_t)size); /* the server keeps to HTTP/2 */
    }
    if (sim_peer_state(hes->peer) != SIM_PEER_CONNECTED)
        hes->closed = true;
    else
        write_out(hes);
}

void hes_leave(struct hes *hes, enum hes_end how)
{
    switch (how) {
    case HES_CLOSE:
        sim_peer_close(hes->peer);
        break;
    case HES_RESET:
        sim_peer_reset(hes->peer);
        break;
    case HES_VANISH:
        sim_peer_vanish(hes->peer);
        break;
    case HES_CANCEL:
        (void)nghttp2_submit_rst_stream(hes->session, NGHTTP2_FLAG_NONE, hes->stream,
                                        NGHTTP2_CANCEL);
        hes_pump(hes);
        sim_peer_shutdown(hes->peer);
        break;
    }
    sim_peer_release(hes->peer);
    nghttp2_session_del(hes->session);
    free(hes->out);
    free(hes->message);
    memset(hes, 0, sizeof *hes);
}
