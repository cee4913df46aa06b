/* Makes TLS of a stream. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "server/reactor/tls_internal.h"

void tls_free(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    CHECK(tls->input.head == NULL && tls->output.head == NULL && tls->move == NULL);
    SSL_free(tls->ssl);
    tls_context_release(tls->context);
    free(tls);
    stream->move = NULL;
    stream->flags &= ~STREAM_TLS;
}

static bool looks_like_address(const char *name)
{
    struct cidr cidr;

    return cidr_parse(name, &cidr) == STATUS_OK && strchr(name, '/') == NULL;
}

static enum status set_name(struct stream_tls *tls, const char *name)
{
    X509_VERIFY_PARAM *rules = SSL_get0_param(tls->ssl);
    bool verify = tls->context->verify != TLS_VERIFY_NONE;

    if (looks_like_address(name)) /* there is no SNI for addresses */
        return !verify || X509_VERIFY_PARAM_set1_ip_asc(rules, name) == 1 ? STATUS_OK
                                                                          : STATUS_INVALID;
    if (SSL_set_tlsext_host_name(tls->ssl, name) != 1)
        return STATUS_INVALID;
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return !verify || X509_VERIFY_PARAM_set1_host(rules, name, 0) == 1 ? STATUS_OK : STATUS_INVALID;
}

static enum status prepare(struct stream_tls *tls, const char *name)
{
    tls->ssl = SSL_new(tls->context->ssl);
    BIO *bio = tls->ssl != NULL ? tls_bio_create(tls) : NULL;
    if (bio == NULL)
        return STATUS_NO_MEMORY;
    SSL_set_bio(tls->ssl, bio, bio);
    /* the reactor's clock, which the simulation may set */
    X509_VERIFY_PARAM_set_time(SSL_get0_param(tls->ssl),
                               (time_t)(reactor_utc_ms(tls->stream->reactor) / 1000));
    if (tls->context->role == TLS_SERVER) {
        SSL_set_accept_state(tls->ssl);
        return STATUS_OK;
    }
    SSL_set_connect_state(tls->ssl);
    return name != NULL && name[0] != '\0' ? set_name(tls, name) : STATUS_OK;
}

enum status stream_tls_start(struct stream *stream, struct tls_context *context, const char *name)
{
    CHECK((stream->flags & (STREAM_CONNECTING | STREAM_CLOSING | STREAM_MOVING | STREAM_TLS)) == 0);
    CHECK(stream->send_head == NULL && stream->mode == RECEIVE_NONE);
    struct stream_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return STATUS_NO_MEMORY;
    tls->stream = stream;
    tls->context = context;
    tls->handshake_left = context->handshake_max_bytes;
    tls->state = TLS_HANDSHAKE;
    enum status status = prepare(tls, name);
    ERR_clear_error();
    if (status != STATUS_OK) {
        SSL_free(tls->ssl);
        free(tls);
        return status;
    }
    tls_context_retain(context);
    stream->tls = tls;
    stream->flags |= STREAM_TLS;
    tls_defer(stream);
    return STATUS_OK;
}
