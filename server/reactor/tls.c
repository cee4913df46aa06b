#include "server/reactor/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "server/reactor/tls_internal.h"

/* ---- the end of the turn ---- */

static bool is_leaving(const struct stream *stream)
{
    return (stream->flags & (STREAM_CLOSING | STREAM_MOVING)) != 0;
}

void tls_defer(struct stream *stream)
{
    receive_leave_queue(stream); /* one list node serves both; receive_arm comes afterwards */
    stream_defer(stream);
}

/* The wire is received from as long as somebody wants what comes. */
static void want(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    bool handshake = tls->state == TLS_HANDSHAKE;

    if (is_leaving(stream) || tls->state == TLS_DEAD || (stream->flags & STREAM_ENDED) != 0)
        return;
    if (tls->state == TLS_FAILING || (!handshake && tls->mode == RECEIVE_NONE)) {
        receive_stop(stream);
        return;
    }
    if (tls->input.head != NULL || tls->wire_ended) {
        if (!tls->working)
            tls_defer(stream);
        return;
    }
    receive_start(stream, handshake ? RECEIVE_ONCE : (enum receive_mode)tls->mode);
}

/* ---- what goes wrong ---- */

/* Names what OpenSSL found; all its texts are static. */
void tls_note_error(struct stream_tls *tls, const char *otherwise)
{
    unsigned long code = ERR_get_error();

    if (tls->error == NULL) {
        tls->error = code != 0 ? ERR_reason_error_string(code) : NULL;
        if (tls->error == NULL)
            tls->error = otherwise;
        if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
            ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
            tls->detail = X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl));
    }
    ERR_clear_error();
}

int tls_last_error(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE ? -ENOMEM : -EPROTO;
}

static void tell_failed_handshake(struct stream *stream)
{
    stream->tls->state = TLS_DEAD;
    stream->flags |= STREAM_FAILED | STREAM_ENDED;
    if (stream->ops->secured != NULL)
        stream->ops->secured(stream, stream->tls->failure);
}

/* The owner is told when the alert has left, since it will close the stream. */
static void fail_handshake(struct stream *stream, int error)
{
    struct stream_tls *tls = stream->tls;

    tls->state = TLS_FAILING;
    tls->failure = (int16_t)error;
    tls_drop(stream);
    receive_stop(stream);
    if (stream->send_head == NULL || tls->send_error != 0)
        tell_failed_handshake(stream);
}

static void tell_end(struct stream *stream, int error)
{
    struct stream_tls *tls = stream->tls;

    tls->mode = RECEIVE_NONE;
    stream->flags |= STREAM_ENDED;
    chunk_queue_drop(stream->reactor, &tls->input);
    receive_stop(stream);
    stream->ops->ended(stream, error);
}

/* ---- sending ---- */

static void drop_output(struct stream *stream)
{
    struct chunk_queue *output = &stream->tls->output;

    for (const struct chunk *chunk = output->head; chunk != NULL; chunk = chunk->next)
        stream->queued_bytes -= chunk->size;
    chunk_queue_drop(stream->reactor, output);
}

static void tell_send_error(struct stream *stream)
{
    stream->tls->failed = true;
    stream->flags |= STREAM_FAILED;
    send_drop(stream);
    if (stream->ops->failed != NULL)
        stream->ops->failed(stream, stream->tls->send_error);
}

void tls_sent(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    if (tls->state == TLS_FAILING && stream->send_head == NULL)
        tell_failed_handshake(stream);
    else if (tls->state == TLS_OPEN && stream->ops->sent != NULL)
        stream->ops->sent(stream);
}

/* In the handshake the peer's alert, which tells why, may be there to be received still. */
void tls_send_failed(struct stream *stream, int error)
{
    struct stream_tls *tls = stream->tls;

    if (tls->send_error == 0)
        tls->send_error = (int16_t)error;
    drop_output(stream);
    send_drop(stream);
    if (is_leaving(stream))
        return; /* tls_resume */
    if (tls->state == TLS_FAILING)
        tell_failed_handshake(stream);
    else if (tls->state == TLS_OPEN && !tls->failed)
        tell_send_error(stream);
}

/* ---- receiving ---- */

/* One record, or all of it that is left. */
static void deliver(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    int pending = SSL_pending(tls->ssl);
    size_t size = 0;

    CHECK(pending > 0);
    struct chunk *chunk = chunk_allocate(stream->reactor, (uint32_t)pending);
    if (chunk == NULL) {
        tls->error = "not enough memory";
        tell_end(stream, -ENOMEM);
        return;
    }
    CHECK(SSL_read_ex(tls->ssl, chunk->data, (size_t)pending, &size) == 1);
    chunk->size = (uint32_t)size;
    if (tls->mode == RECEIVE_ONCE)
        tls->mode = RECEIVE_NONE;
    stream->ops->received(stream, chunk);
}

static int end_of_wire(struct stream_tls *tls)
{
    if (tls->wire_error != 0)
        return tls->wire_error;
    if (tls->context->allow_truncation)
        return 0;
    tls->error = "the peer ended the connection without saying so (close_notify)";
    return -EPROTO;
}

/* False: nothing more for now. */
static bool read_step(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    char first;
    size_t size;

    ERR_clear_error();
    if (SSL_peek_ex(tls->ssl, &first, 1, &size) == 1) {
        deliver(stream);
        return true;
    }
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        if (tls->wire_ended)
            tell_end(stream, end_of_wire(tls));
        return false;
    case SSL_ERROR_ZERO_RETURN:
        tell_end(stream, 0);
        return false;
    default: {
        int error = tls_last_error();
        tls_note_error(tls, "bytes came that are not TLS");
        tell_end(stream, error);
        return false;
    }
    }
}

static void open_stream(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    tls->state = TLS_OPEN;
    tls_send_what_waited(stream);
    if (stream->ops->secured != NULL)
        stream->ops->secured(stream, 0);
}

static bool handshake_step(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        open_stream(stream);
        return true;
    }
    if (SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ) {
        int error = tls_last_error();
        tls_note_error(tls, "the handshake failed");
        fail_handshake(stream, error);
    } else if (tls->wire_ended) {
        tls->error = "the connection ended in the handshake";
        fail_handshake(stream, tls->wire_error != 0 ? tls->wire_error : -EPROTO);
    }
    return false;
}

static bool step(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    if (is_leaving(stream))
        return false;
    if (tls->state == TLS_HANDSHAKE)
        return handshake_step(stream);
    if (tls->state == TLS_FAILING && (stream->send_head == NULL || tls->send_error != 0))
        tell_failed_handshake(stream);
    if (tls->state != TLS_OPEN)
        return false;
    if (tls->send_error != 0 && !tls->failed) {
        tell_send_error(stream);
        return true;
    }
    if (tls->mode == RECEIVE_NONE || (stream->flags & STREAM_ENDED) != 0)
        return false;
    return read_step(stream);
}

void tls_work(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    tls->working = true;
    while (step(stream))
        ;
    if (tls->tell_ready && !is_leaving(stream)) {
        tls->tell_ready = false;
        if (stream->ops->ready != NULL)
            stream->ops->ready(stream);
        while (step(stream))
            ;
    }
    tls->working = false;
    if (tls->tell_ready && !is_leaving(stream))
        tls_defer(stream);
    (void)chunk_queue_keep_privately(stream->reactor, &tls->input);
    want(stream);
}

void tls_received(struct stream *stream, struct chunk *chunk)
{
    struct stream_tls *tls = stream->tls;

    if (tls->state == TLS_FAILING || tls->state == TLS_DEAD ||
        (stream->flags & STREAM_ENDED) != 0) {
        chunk_free(stream->reactor, chunk);
        return;
    }
    if (tls->state == TLS_HANDSHAKE && chunk->size > tls->handshake_left) {
        chunk_free(stream->reactor, chunk);
        tls->error = "the handshake takes too many bytes";
        fail_handshake(stream, -EPROTO);
        return;
    }
    if (tls->state == TLS_HANDSHAKE)
        tls->handshake_left -= chunk->size;
    chunk_queue_put(&tls->input, chunk);
    tls_work(stream);
}

void tls_ended(struct stream *stream, int error)
{
    struct stream_tls *tls = stream->tls;

    tls->wire_ended = true;
    tls->wire_error = (int16_t)error;
    tls_work(stream);
}

void tls_receive(struct stream *stream, enum receive_mode mode)
{
    stream->tls->mode = (uint8_t)mode;
    want(stream);
}

void tls_receive_stop(struct stream *stream)
{
    stream->tls->mode = RECEIVE_NONE;
    want(stream);
}

bool tls_watch(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    if (is_leaving(stream) || (tls->input.head == NULL && !tls->wire_ended))
        return false;
    tls->tell_ready = true;
    if (!tls->working)
        tls_defer(stream);
    return true;
}

/* ---- life ---- */

void tls_leave(struct stream *stream)
{
    stream->tls->mode = RECEIVE_NONE;
    stream->tls->tell_ready = false;
}

void tls_resume(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    if (is_leaving(stream))
        return;
    /* what was to be done at the end of a turn is done here */
    bool handshake = tls->state == TLS_HANDSHAKE || tls->state == TLS_FAILING;
    if (handshake || (tls->send_error != 0 && !tls->failed))
        tls_defer(stream);
    want(stream);
}

enum status tls_make_private(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    bool good = chunk_queue_keep_privately(stream->reactor, &tls->input) &&
                chunk_queue_keep_privately(stream->reactor, &tls->output);

    return good ? STATUS_OK : STATUS_NO_MEMORY;
}

uint64_t tls_private_bytes(const struct stream *stream)
{
    const struct stream_tls *tls = stream->tls;
    uint64_t bytes = 0;

    for (const struct chunk *chunk = tls->input.head; chunk != NULL; chunk = chunk->next)
        bytes += chunk->capacity;
    for (const struct chunk *chunk = tls->output.head; chunk != NULL; chunk = chunk->next)
        bytes += chunk->capacity;
    return bytes;
}

void tls_drop(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    drop_output(stream);
    chunk_queue_drop(stream->reactor, &tls->input);
    tls->mode = RECEIVE_NONE;
    tls->tell_ready = false;
}
