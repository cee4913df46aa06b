/* TLS inside the reactor: the state of a TLS stream, and what the stream's own files call. The
 * stream below (stream.c, send.c, receive.c, move.c) carries bytes as they go over the wire; its
 * callbacks come to TLS first, and TLS tells the owner. */
#ifndef CENCD_REACTOR_TLS_INTERNAL_H
#define CENCD_REACTOR_TLS_INTERNAL_H

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "server/reactor/internal.h"
#include "server/reactor/tls.h"

struct tls_context {
    SSL_CTX *ssl;
    _Atomic uint32_t references;
    enum tls_role role;
    enum tls_verify verify;
    uint32_t handshake_max_bytes;
    bool allow_truncation;
    int64_t
        expires_utc_s; /* its own certificate, or one of the chain, whichever is first; 0: none */
    uint8_t alpn[TLS_ALPN_SIZE]; /* as in the extension: each with its length in front */
    uint32_t alpn_size;
};

enum tls_state {
    TLS_HANDSHAKE,
    TLS_FAILING, /* the handshake failed, the alert that says so is on its way */
    TLS_OPEN,
    TLS_DEAD, /* the handshake failed, and the owner knows */
};

struct chunk_queue {
    struct chunk *head;
    struct chunk *tail;
};

struct stream_tls {
    SSL *ssl;
    struct stream *stream;
    struct tls_context *context;
    struct stream_move *move;  /* what stream->move is to other streams */
    struct chunk_queue input;  /* as received, not yet read by OpenSSL */
    struct chunk_queue output; /* clear bytes that wait for the handshake */
    uint32_t handshake_left;   /* bytes that the peer may still send in it */
    const char *error;         /* static texts: what TLS found wrong */
    const char *detail;
    int16_t failure;    /* of the handshake, to be told when the alert has left */
    int16_t send_error; /* to be told by `failed`; 0: none */
    int16_t wire_error; /* if wire_ended */
    enum tls_state state;
    uint8_t mode;    /* enum receive_mode that the owner wants */
    bool wire_ended; /* nothing more will be received, but the input may not be read yet */
    bool shutdown;   /* asked for */
    bool failed;     /* was told */
    bool tell_ready; /* the owner watches, and bytes are here */
    bool working;    /* inside tls_work */
};

/* ---- tls_queue.c ---- */

void chunk_queue_put(struct chunk_queue *queue, struct chunk *chunk);
void chunk_queue_drop(struct reactor *reactor, struct chunk_queue *queue);
/* Provided buffers go back; without memory for that they stay where they are, and false is
 * returned. */
bool chunk_queue_keep_privately(struct reactor *reactor, struct chunk_queue *queue);

/* ---- tls_bio.c: how OpenSSL reads the input and writes to the stream ---- */

BIO *tls_bio_create(struct stream_tls *tls); /* NULL: out of memory */

/* ---- among the files of TLS ---- */

/* tls_work at the end of the turn. */
void tls_defer(struct stream *stream);
/* What OpenSSL's last call failed of: -ENOMEM or -EPROTO. */
int tls_last_error(void);
/* Names what OpenSSL found wrong, and clears it. */
void tls_note_error(struct stream_tls *tls, const char *otherwise);
/* The handshake is done. */
void tls_send_what_waited(struct stream *stream);
void tls_context_retain(struct tls_context *context);

/* ---- called by the stream ---- */

void tls_send(struct stream *stream, struct chunk *chunk);
void tls_shutdown(struct stream *stream);
void tls_receive(struct stream *stream, enum receive_mode mode);
void tls_receive_stop(struct stream *stream);
/* True if `ready` will be told, for bytes that are here. */
bool tls_watch(struct stream *stream);
/* Handshake, decryption, and what is to be told: at the end of the turn. */
void tls_work(struct stream *stream);
/* A move begins; it ended, here or there. */
void tls_leave(struct stream *stream);
void tls_resume(struct stream *stream);

void tls_received(struct stream *stream, struct chunk *chunk);
void tls_ended(struct stream *stream, int error);
void tls_sent(struct stream *stream);
void tls_send_failed(struct stream *stream, int error);

/* What is queued here goes, on close or failure. */
void tls_drop(struct stream *stream);
void tls_free(struct stream *stream);

/* For a move: what is queued here in private memory, and how much of it there is. */
enum status tls_make_private(struct stream *stream) MUST_CHECK;
uint64_t tls_private_bytes(const struct stream *stream);

#endif
