/* A BIO over a stream: OpenSSL reads what was received where it lies, and what it writes goes into
 * the stream's send queue at once. So nothing is kept twice, and an idle stream holds nothing. */
#include <pthread.h>
#include <string.h>

#include "server/reactor/tls_internal.h"

#define ROOMY_BYTES 1024u /* of chunks behind others, so that small records share one */

static BIO_METHOD *method;

static int read_input(BIO *bio, char *data, int size)
{
    struct stream_tls *tls = BIO_get_data(bio);
    struct chunk_queue *input = &tls->input;
    uint32_t taken = 0;

    BIO_clear_retry_flags(bio);
    while (input->head != NULL && taken < (uint32_t)size) {
        struct chunk *chunk = input->head;
        uint32_t part = (uint32_t)size - taken;

        if (part > chunk->size)
            part = chunk->size;
        memcpy(data + taken, chunk->data, part);
        chunk->data += part;
        chunk->size -= part;
        taken += part;
        if (chunk->size > 0)
            break;
        input->head = chunk->next;
        if (input->head == NULL)
            input->tail = NULL;
        chunk_free(tls->stream->reactor, chunk);
    }
    if (taken > 0)
        return (int)taken;
    BIO_set_retry_read(bio);
    return -1;
}

static int write_output(BIO *bio, const char *data, int size)
{
    struct stream_tls *tls = BIO_get_data(bio);
    struct stream *stream = tls->stream;
    uint32_t capacity = (uint32_t)size;

    BIO_clear_retry_flags(bio);
    if (stream->send_head != NULL && capacity < ROOMY_BYTES)
        capacity = ROOMY_BYTES;
    struct chunk *chunk = chunk_allocate(stream->reactor, capacity);
    if (chunk == NULL)
        return -1;
    memcpy(chunk->data, data, (size_t)size);
    chunk->size = (uint32_t)size;
    send_queue(stream, chunk);
    return size;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cencd stream");
    if (method == NULL)
        return;
    if (BIO_meth_set_read(method, read_input) == 1 &&
        BIO_meth_set_write(method, write_output) == 1 && BIO_meth_set_ctrl(method, control) == 1)
        return;
    BIO_meth_free(method);
    method = NULL;
}

BIO *tls_bio_create(struct stream_tls *tls)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, make_method);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}
