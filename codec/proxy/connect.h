/* HTTP CONNECT, the server's side (RFC 9110 section 9.3.6, RFC 9112) with Basic authentication
 * (RFC 7617). Only the head of a request is read; what follows it are the tunnel's bytes. */
#ifndef CENCD_CODEC_PROXY_CONNECT_H
#define CENCD_CODEC_PROXY_CONNECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/proxy/destination.h"
#include "codec/result.h"

#define CONNECT_MAX_HEAD  4096u /* bytes with the empty line at the end */
#define CONNECT_TEXT_SIZE 256   /* of names and passwords, with NUL */

enum connect_problem {
    CONNECT_NO_PROBLEM,
    CONNECT_NOT_HTTP,        /* no request line: answered by closing */
    CONNECT_BAD_REQUEST,     /* 400 */
    CONNECT_BAD_METHOD,      /* 405: HTTP, but not CONNECT */
    CONNECT_TOO_LARGE,       /* 431 */
    CONNECT_BAD_CREDENTIALS, /* 407: another scheme than Basic, or no base64 */
};

struct connect_request {
    enum connect_problem problem; /* set with CODEC_INVALID and CODEC_FULL */
    struct destination destination;
    bool keeps_open; /* HTTP/1.1, and no "Connection: close": a 407 may be followed by more */
    bool has_credentials;
    char name[CONNECT_TEXT_SIZE];
    char password[CONNECT_TEXT_SIZE]; /* may hold any byte */
    size_t password_size;
};

/* Reads a head from the front of what has come. CODEC_INVALID says what is wrong as soon as the
 * line that is wrong is there; CODEC_FULL: the head is longer than CONNECT_MAX_HEAD. */
enum codec_result connect_read(const uint8_t *data, size_t size, struct connect_request *request,
                               size_t *consumed) CODEC_MUST_CHECK;

#define CONNECT_REPLY_SIZE 640u

/* Writes a whole answer: status 200 (without a body), or another with text (at most 300 bytes, one
 * line of printable ASCII) as its body. keep: the connection stays open for another request; for
 * 407. Returns its bytes. Statuses known: 200, 400, 403, 404, 405, 407, 408, 409, 429, 431, 503. */
size_t connect_write(unsigned status, const char *text, bool keep, char out[CONNECT_REPLY_SIZE]);

#endif
