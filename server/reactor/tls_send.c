/* Sending over TLS. */
#include <openssl/err.h>

#include "server/reactor/tls_internal.h"

static void encrypt(struct stream *stream, struct chunk *chunk)
{
    struct stream_tls *tls = stream->tls;
    size_t written;

    ERR_clear_error();
    bool good = SSL_write_ex(tls->ssl, chunk->data, chunk->size, &written) == 1;
    chunk_free(stream->reactor, chunk);
    if (good || tls->send_error != 0)
        return;
    tls->send_error = (int16_t)tls_last_error();
    tls_note_error(tls, "nothing can be sent any more");
    tls_defer(stream);
}

static void close_writing(struct stream *stream)
{
    ERR_clear_error();
    (void)SSL_shutdown(stream->tls->ssl); /* without memory it is a FIN alone */
    ERR_clear_error();
    send_shutdown(stream);
}

void tls_send_what_waited(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    while (tls->output.head != NULL) {
        struct chunk *chunk = tls->output.head;
        tls->output.head = chunk->next;
        stream->queued_bytes -= chunk->size;
        encrypt(stream, chunk);
    }
    tls->output.tail = NULL;
    if (tls->shutdown)
        close_writing(stream);
}

void tls_send(struct stream *stream, struct chunk *chunk)
{
    struct stream_tls *tls = stream->tls;

    if (chunk->size == 0 || tls->shutdown || tls->send_error != 0 || tls->state == TLS_FAILING ||
        (stream->flags & (STREAM_FAILED | STREAM_CLOSING)) != 0) {
        chunk_free(stream->reactor, chunk);
        return;
    }
    if (tls->state == TLS_OPEN) {
        encrypt(stream, chunk);
        return;
    }
    CHECK(stream->queued_bytes <= UINT32_MAX - chunk->size);
    stream->queued_bytes += chunk->size;
    chunk_queue_put(&tls->output, chunk);
    (void)chunk_queue_keep_privately(stream->reactor, &tls->output);
}

void tls_shutdown(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    if (tls->shutdown)
        return;
    tls->shutdown = true;
    if (tls->state == TLS_OPEN)
        close_writing(stream);
}
