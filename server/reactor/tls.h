/* TLS over streams. A context holds certificate, key and rules; stream_tls_start makes a stream a
 * TLS stream, and from then on every call and callback of reactor.h means clear bytes, so that
 * whoever uses a stream needn't know:
 *
 *   stream_send, stream_send_copy   before the handshake is done they wait, afterwards they encrypt
 *   stream_receive (any mode)       `received` gives clear bytes, in private chunks
 *   stream_receive_stop             nothing more is decrypted; at most what one receive had taken
 *                                   waits, as it came
 *   stream_watch                    `ready` may be early: for bytes of TLS's own
 *   stream_shutdown                 close_notify, then FIN, after all that is queued
 *   stream_close                    drops what is queued, as ever
 *   stream_move                     the state goes along, in the middle of a handshake, too
 *   queued_bytes                    what the kernel hasn't taken, as it goes over the wire, and
 * what waits for the handshake
 *
 * The end of receiving: close_notify is `ended` with 0. A FIN without it is -EPROTO, for bytes may
 * be missing (unless the context allows it). Everything that TLS finds wrong is -EPROTO, and
 * stream_tls_error says what. Renegotiation and compression are off; TLS 1.2 is the least.
 *
 * How long a handshake may take is the owner's business: a timer and stream_close. How many bytes
 * it may take is bounded by the context.
 *
 * An idle TLS stream costs about 14 kB of memory in OpenSSL, see docs/operations.md. A context may
 * be used by all threads at the same time; a stream belongs to its reactor's, as ever. */
#ifndef CENCD_REACTOR_TLS_H
#define CENCD_REACTOR_TLS_H

#include "server/base/status.h"
#include "server/reactor/reactor.h"

struct tls_context;

enum tls_role { TLS_CLIENT, TLS_SERVER };

enum tls_verify {
    TLS_VERIFY_NONE,     /* client: any server will do; server: no certificate is asked for */
    TLS_VERIFY_OPTIONAL, /* server only: what a client shows must be good; it may show nothing */
    TLS_VERIFY_REQUIRED,
};

enum tls_version { TLS_1_2, TLS_1_3 };

#define TLS_ALPN_SIZE              64u /* with NUL */
#define TLS_HANDSHAKE_BYTES        65536u
#define TLS_ERROR_SIZE             160u
#define TLS_SUBJECT_SIZE           256u
#define TLS_FINGERPRINT_SIZE       32u /* SHA-256 of the certificate */
#define TLS_CONTEXT_FILE_MAX_BYTES (1024u * 1024u)

struct tls_options {
    enum tls_role role;
    enum tls_verify verify;
    enum tls_version minimum;
    const char *certificate; /* PEM file, the chain behind it; NULL or "": none (client only) */
    const char *key;         /* PEM file without a password */
    const char *ca;          /* PEM file with all that are trusted; NULL or "": the system's
                                (client), which a server must not use */
    const char *alpn;        /* protocols by preference, "h2,http/1.1"; NULL or "": none. A
                                server refuses clients that offer only others, and takes
                                clients that offer nothing */
    uint32_t handshake_max_bytes; /* that a peer may send in it; 0: TLS_HANDSHAKE_BYTES */
    bool allow_truncation;        /* a FIN without close_notify is an ordinary end */
};

struct tls_error {
    char text[512]; /* one sentence: which file, and why; never what is in it */
};

/* Reads the files (server/reactor/disk.h: at start, or in a helper thread). The context is released
 * by tls_context_release; streams keep theirs alive, so a new one may take the place of an old one
 * at any time. STATUS_INVALID, STATUS_SYSTEM (a file can't be read), STATUS_NO_MEMORY: error tells.
 */
enum status tls_context_create(const struct tls_options *options, struct tls_context **context,
                               struct tls_error *error) MUST_CHECK;
void tls_context_release(struct tls_context *context); /* NULL: nothing */

/* When its own certificate, or the first one of the chain, is good no longer: seconds since 1970.
 * 0: it has none. */
int64_t tls_context_expires_utc_s(const struct tls_context *context);

/* Makes TLS of a stream that is connected or accepted and has neither sent nor received. The
 * handshake begins; ops->secured tells its end:
 *   0                 it is done, bytes may come
 *   negative errno    it failed, the peer was told why; stream_close is owed, and nothing else
 * comes name: of a client's server, for SNI and to be verified; an IP address is verified as one.
 * "": the server's name isn't verified, only who signed it. NULL for servers. STATUS_NO_MEMORY: the
 * stream is as it was. STATUS_INVALID: no such name can be. */
enum status stream_tls_start(struct stream *stream, struct tls_context *context,
                             const char *name) MUST_CHECK;

static inline bool stream_is_tls(const struct stream *stream)
{
    return (stream->flags & STREAM_TLS) != 0;
}

/* ---- of a TLS stream ---- */

/* What TLS found wrong, as one phrase: "certificate verify failed: certificate has expired"; "" if
 * nothing. Nothing that the peer sent is in it. Returns out. */
char *stream_tls_error(const struct stream *stream, char out[static TLS_ERROR_SIZE]);

/* After `secured`. ALPN's choice, "" if none was made. Returns out. */
char *stream_tls_alpn(const struct stream *stream, char out[static TLS_ALPN_SIZE]);

/* "TLSv1.2" or "TLSv1.3". */
const char *stream_tls_version(const struct stream *stream);

/* Who the peer is, by its certificate; it was verified unless the context says TLS_VERIFY_NONE.
 * False: it has shown none. subject: as in RFC 2253, "CN=hes,O=Utility", printable ASCII, cut if it
 * is longer. */
bool stream_tls_peer(const struct stream *stream, char subject[static TLS_SUBJECT_SIZE],
                     uint8_t fingerprint[static TLS_FINGERPRINT_SIZE]);

#endif
