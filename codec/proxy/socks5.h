/* SOCKS5, the server's side: RFC 1928 (methods, request) and RFC 1929 (user name and password).
 * Each function reads one message from the front of what has come; consumed counts its bytes, what
 * follows belongs to the next one. Nothing is kept between calls. */
#ifndef CENCD_CODEC_PROXY_SOCKS5_H
#define CENCD_CODEC_PROXY_SOCKS5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/proxy/destination.h"
#include "codec/result.h"

#define SOCKS5_TEXT_SIZE 256 /* names and passwords have at most 255 bytes; with NUL */

enum socks5_method {
    SOCKS5_NO_AUTHENTICATION = 0,
    SOCKS5_PASSWORD = 2,
    SOCKS5_NO_METHOD = 0xff, /* in an answer: none of those offered */
};

enum socks5_command { SOCKS5_CONNECT = 1, SOCKS5_BIND = 2, SOCKS5_UDP = 3 };

enum socks5_reply {
    SOCKS5_SUCCEEDED = 0,
    SOCKS5_FAILURE = 1,
    SOCKS5_NOT_ALLOWED = 2,
    SOCKS5_NETWORK_UNREACHABLE = 3,
    SOCKS5_HOST_UNREACHABLE = 4,
    SOCKS5_REFUSED = 5,
    SOCKS5_TTL_EXPIRED = 6,
    SOCKS5_BAD_COMMAND = 7,
    SOCKS5_BAD_ADDRESS_TYPE = 8,
};

/* The longest of each message. */
#define SOCKS5_MAX_METHODS (2u + 255u)
#define SOCKS5_MAX_LOGIN   (3u + 255u + 255u)
#define SOCKS5_MAX_REQUEST (4u + 1u + 255u + 2u)

/* What the client offers, RFC 1928 section 3. */
struct socks5_methods {
    bool none;
    bool password;
};
/* CODEC_INVALID: another version; data[0] tells which (4: SOCKS4; a letter: HTTP). */
enum codec_result socks5_read_methods(const uint8_t *data, size_t size,
                                      struct socks5_methods *methods,
                                      size_t *consumed) CODEC_MUST_CHECK;

/* RFC 1929 section 2. The password may hold any byte, also NUL. */
struct socks5_login {
    char name[SOCKS5_TEXT_SIZE];
    char password[SOCKS5_TEXT_SIZE];
    size_t password_size;
};
/* CODEC_INVALID: another version, or a NUL in the name. */
enum codec_result socks5_read_login(const uint8_t *data, size_t size, struct socks5_login *login,
                                    size_t *consumed) CODEC_MUST_CHECK;

/* RFC 1928 section 4. */
struct socks5_request {
    uint8_t command; /* enum socks5_command, or another number */
    uint16_t port;
    struct destination destination;
};
/* CODEC_INVALID: another version or type of address. */
enum codec_result socks5_read_request(const uint8_t *data, size_t size,
                                      struct socks5_request *request,
                                      size_t *consumed) CODEC_MUST_CHECK;

#define SOCKS5_METHOD_REPLY_SIZE 2u
#define SOCKS5_LOGIN_REPLY_SIZE  2u
#define SOCKS5_REPLY_SIZE        10u

void socks5_write_method(enum socks5_method method, uint8_t out[SOCKS5_METHOD_REPLY_SIZE]);
void socks5_write_login(bool good, uint8_t out[SOCKS5_LOGIN_REPLY_SIZE]);
/* The bound address is always 0.0.0.0:0: there is none that a client could use. */
void socks5_write_reply(enum socks5_reply reply, uint8_t out[SOCKS5_REPLY_SIZE]);

#endif
