/* Contexts: what certificates, keys and rules a TLS stream goes by. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/reactor/disk.h"
#include "server/reactor/tls_internal.h"

struct making {
    const struct tls_options *options;
    struct tls_context *context;
    struct tls_error *error;
};

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static enum status say(const struct making *making, const char *path, const char *what)
{
    (void)snprintf(making->error->text, sizeof making->error->text, "%s: %s", path, what);
    return STATUS_INVALID;
}

/* What OpenSSL says of a file; never what is in it. */
static enum status say_openssl(const struct making *making, const char *path, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    (void)snprintf(making->error->text, sizeof making->error->text, "%s: %s%s%s", path, what,
                   reason != NULL ? ": " : "", reason != NULL ? reason : "");
    return STATUS_INVALID;
}

static enum status no_memory(const struct making *making)
{
    (void)snprintf(making->error->text, sizeof making->error->text, "not enough memory for TLS");
    return STATUS_NO_MEMORY;
}

/* ---- files ---- */

struct content {
    uint8_t *bytes;
    size_t size;
    BIO *bio;
};

static void forget(struct content *content)
{
    BIO_free(content->bio);
    if (content->bytes != NULL)
        explicit_bzero(content->bytes, TLS_CONTEXT_FILE_MAX_BYTES);
    free(content->bytes);
}

static enum status read_file(const struct making *making, const char *path, struct content *content)
{
    *content = (struct content){.bytes = malloc(TLS_CONTEXT_FILE_MAX_BYTES)};
    if (content->bytes == NULL)
        return no_memory(making);
    while (content->size < TLS_CONTEXT_FILE_MAX_BYTES) {
        int64_t size = disk_read(path, content->size, content->bytes + content->size,
                                 TLS_CONTEXT_FILE_MAX_BYTES - content->size);
        if (size < 0) {
            (void)say(making, path, strerror((int)-size)); // NOLINT(concurrency-mt-unsafe)
            return STATUS_SYSTEM;
        }
        if (size == 0)
            break;
        content->size += (size_t)size;
    }
    if (content->size == TLS_CONTEXT_FILE_MAX_BYTES)
        return say(making, path, "longer than 1 MiB; expected a PEM file");
    content->bio = BIO_new_mem_buf(content->bytes, (int)content->size);
    return content->bio != NULL ? STATUS_OK : no_memory(making);
}

/* True if the last error says only that there is no further certificate. */
static bool is_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();
    bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

    if (end)
        ERR_clear_error();
    return end;
}

/* A key with a password must not ask for it on the terminal. */
// NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's type
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/* ---- the own certificate ---- */

static void note_expiry(struct tls_context *context, const X509 *certificate)
{
    int64_t utc_s = 0;
    struct tm end;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1)
        utc_s = timegm(&end);
    if (utc_s > 0 && (context->expires_utc_s == 0 || utc_s < context->expires_utc_s))
        context->expires_utc_s = utc_s;
}

int64_t tls_context_expires_utc_s(const struct tls_context *context)
{
    return context->expires_utc_s;
}

static enum status take_chain(const struct making *making, BIO *bio)
{
    SSL_CTX *ssl = making->context->ssl;
    X509 *certificate;

    while ((certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        note_expiry(making->context, certificate);
        if (SSL_CTX_add0_chain_cert(ssl, certificate) != 1) {
            X509_free(certificate);
            return say_openssl(making, making->options->certificate, "its chain is refused");
        }
    }
    return is_end_of_pem() ? STATUS_OK
                           : say_openssl(making, making->options->certificate,
                                         "a certificate of its chain can't be read");
}

static enum status take_certificate(const struct making *making, BIO *bio)
{
    const char *path = making->options->certificate;
    X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);

    if (certificate == NULL && is_end_of_pem())
        return say(making, path, "there is no certificate in it; expected a PEM file");
    if (certificate == NULL)
        return say_openssl(making, path, "the certificate can't be read");
    bool taken = SSL_CTX_use_certificate(making->context->ssl, certificate) == 1;
    note_expiry(making->context, certificate);
    X509_free(certificate);
    if (!taken)
        return say_openssl(making, path, "the certificate is refused");
    return take_chain(making, bio);
}

static enum status take_key(const struct making *making, BIO *bio)
{
    const char *path = making->options->key;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);

    if (key == NULL)
        return say(making, path,
                   "there is no key that can be read; expected a PEM file without a password");
    bool taken = SSL_CTX_use_PrivateKey(making->context->ssl, key) == 1 &&
                 SSL_CTX_check_private_key(making->context->ssl) == 1;
    EVP_PKEY_free(key);
    return taken ? STATUS_OK : say_openssl(making, path, "the key doesn't suit the certificate");
}

static enum status with_file(const struct making *making, const char *path,
                             enum status (*take)(const struct making *making, BIO *bio))
{
    struct content content;
    enum status status = read_file(making, path, &content);

    if (status == STATUS_OK)
        status = take(making, content.bio);
    forget(&content);
    return status;
}

static enum status set_identity(const struct making *making)
{
    const struct tls_options *options = making->options;

    if (!is_set(options->certificate) && !is_set(options->key)) {
        if (options->role == TLS_CLIENT)
            return STATUS_OK;
        return say(making, "TLS", "a server needs a certificate and its key");
    }
    if (!is_set(options->certificate))
        return say(making, options->key, "a key needs its certificate");
    if (!is_set(options->key))
        return say(making, options->certificate, "a certificate needs its key");
    enum status status = with_file(making, options->certificate, take_certificate);
    return status == STATUS_OK ? with_file(making, options->key, take_key) : status;
}

/* ---- whom to trust ---- */

static enum status take_authorities(const struct making *making, BIO *bio)
{
    SSL_CTX *ssl = making->context->ssl;
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    bool is_server = making->options->role == TLS_SERVER;
    unsigned count = 0;
    X509 *certificate;

    while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL)) != NULL) {
        bool taken = X509_STORE_add_cert(store, certificate) == 1 &&
                     (!is_server || SSL_CTX_add_client_CA(ssl, certificate) == 1);
        X509_free(certificate);
        if (!taken)
            return say_openssl(making, making->options->ca, "a certificate in it is refused");
        count++;
    }
    if (!is_end_of_pem())
        return say_openssl(making, making->options->ca, "a certificate in it can't be read");
    if (count == 0)
        return say(making, making->options->ca,
                   "there is no certificate in it; expected a PEM file");
    return STATUS_OK;
}

static enum status set_trust(const struct making *making)
{
    const struct tls_options *options = making->options;
    int mode = SSL_VERIFY_NONE;

    if (options->verify != TLS_VERIFY_NONE)
        mode = SSL_VERIFY_PEER;
    if (options->verify == TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(making->context->ssl, mode, NULL);
    if (options->verify == TLS_VERIFY_NONE)
        return STATUS_OK;
    if (is_set(options->ca))
        return with_file(making, options->ca, take_authorities);
    if (options->role == TLS_SERVER)
        return say(making, "TLS", "a server that verifies clients needs a file of CAs");
    if (SSL_CTX_set_default_verify_paths(making->context->ssl) != 1)
        return say_openssl(making, "TLS", "the system's CAs can't be used");
    return STATUS_OK;
}

/* ---- ALPN ---- */

static int choose_protocol(SSL *ssl, const uint8_t **chosen, uint8_t *chosen_size,
                           const uint8_t *offered, unsigned offered_size, void *argument)
{
    const struct tls_context *context = argument;
    uint8_t *choice = NULL;

    (void)ssl;
    if (SSL_select_next_proto(&choice, chosen_size, context->alpn, context->alpn_size, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = choice;
    return SSL_TLSEXT_ERR_OK;
}

static enum status set_protocols(const struct making *making)
{
    struct tls_context *context = making->context;
    const char *text = making->options->alpn;

    while (is_set(text)) {
        size_t size = strcspn(text, ",");
        if (size == 0 || context->alpn_size + 1 + size > sizeof context->alpn)
            return say(making, "TLS", "the list of protocols (ALPN) can't be");
        context->alpn[context->alpn_size] = (uint8_t)size;
        memcpy(context->alpn + context->alpn_size + 1, text, size);
        context->alpn_size += (uint32_t)size + 1;
        text += size + (text[size] == ',' ? 1 : 0);
    }
    if (context->alpn_size == 0)
        return STATUS_OK;
    if (context->role == TLS_SERVER)
        SSL_CTX_set_alpn_select_cb(context->ssl, choose_protocol, context);
    else if (SSL_CTX_set_alpn_protos(context->ssl, context->alpn, context->alpn_size) != 0)
        return no_memory(making);
    return STATUS_OK;
}

/* ---- life ---- */

static enum status set_rules(const struct making *making)
{
    static const uint8_t session_context[] = "cencd";
    SSL_CTX *ssl = making->context->ssl;
    int minimum = making->options->minimum == TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

    if (SSL_CTX_set_min_proto_version(ssl, minimum) != 1 ||
        SSL_CTX_set_session_id_context(ssl, session_context, sizeof session_context - 1) != 1 ||
        SSL_CTX_set_num_tickets(ssl, 1) != 1)
        return no_memory(making);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    /* sessions are resumed by tickets, which the peer keeps */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    return STATUS_OK;
}

static enum status fill(const struct making *making)
{
    const struct tls_options *options = making->options;
    struct tls_context *context = making->context;

    context->references = 1;
    context->role = options->role;
    context->verify = options->verify;
    context->allow_truncation = options->allow_truncation;
    context->handshake_max_bytes =
        options->handshake_max_bytes != 0 ? options->handshake_max_bytes : TLS_HANDSHAKE_BYTES;
    context->ssl =
        SSL_CTX_new(options->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (context->ssl == NULL)
        return no_memory(making);
    enum status status = set_rules(making);
    if (status == STATUS_OK)
        status = set_identity(making);
    if (status == STATUS_OK)
        status = set_trust(making);
    return status == STATUS_OK ? set_protocols(making) : status;
}

enum status tls_context_create(const struct tls_options *options, struct tls_context **context,
                               struct tls_error *error)
{
    struct making making = {
        .options = options, .context = calloc(1, sizeof **context), .error = error};

    error->text[0] = '\0';
    if (making.context == NULL)
        return no_memory(&making);
    ERR_clear_error();
    enum status status = fill(&making);
    ERR_clear_error();
    if (status != STATUS_OK) {
        tls_context_release(making.context);
        return status;
    }
    *context = making.context;
    return STATUS_OK;
}

void tls_context_retain(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
}

void tls_context_release(struct tls_context *context)
{
    if (context == NULL ||
        atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) > 1)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}
