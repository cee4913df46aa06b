/* What can be known of a TLS stream and its peer. */
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "server/reactor/tls_internal.h"

char *stream_tls_error(const struct stream *stream, char out[static TLS_ERROR_SIZE])
{
    const struct stream_tls *tls = stream_is_tls(stream) ? stream->tls : NULL;
    const char *error = tls != NULL && tls->error != NULL ? tls->error : "";
    const char *detail = tls != NULL && tls->detail != NULL ? tls->detail : "";

    (void)snprintf(out, TLS_ERROR_SIZE, "%s%s%s", error, detail[0] != '\0' ? ": " : "", detail);
    return out;
}

char *stream_tls_alpn(const struct stream *stream, char out[static TLS_ALPN_SIZE])
{
    const uint8_t *name = NULL;
    unsigned size = 0;

    if (stream_is_tls(stream))
        SSL_get0_alpn_selected(stream->tls->ssl, &name, &size);
    if (size >= TLS_ALPN_SIZE)
        size = 0;
    if (size > 0)
        memcpy(out, name, size);
    out[size] = '\0';
    return out;
}

const char *stream_tls_version(const struct stream *stream)
{
    return stream_is_tls(stream) ? SSL_get_version(stream->tls->ssl) : "";
}

static bool write_subject(const X509 *certificate, char subject[static TLS_SUBJECT_SIZE])
{
    BIO *bio = BIO_new(BIO_s_mem());
    int size = -1;

    if (bio == NULL)
        return false;
    if (X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
        size = BIO_read(bio, subject, (int)TLS_SUBJECT_SIZE - 1);
    subject[size > 0 ? size : 0] = '\0';
    BIO_free(bio);
    return true;
}

bool stream_tls_peer(const struct stream *stream, char subject[static TLS_SUBJECT_SIZE],
                     uint8_t fingerprint[static TLS_FINGERPRINT_SIZE])
{
    const X509 *certificate =
        stream_is_tls(stream) ? SSL_get0_peer_certificate(stream->tls->ssl) : NULL;
    unsigned size = 0;

    if (certificate == NULL)
        return false;
    bool known = write_subject(certificate, subject) &&
                 X509_digest(certificate, EVP_sha256(), fingerprint, &size) == 1 &&
                 size == TLS_FINGERPRINT_SIZE;
    ERR_clear_error();
    return known;
}
