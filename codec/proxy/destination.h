/* The destination that an agent names to a proxy: "<serial>" or "<serial>.meter". Serials that look
 * like an IP address are refused: clients turn short numeric names into IPv4 addresses by
 * themselves, in octal, too (curl makes 0.152.150.129 of 10000001), so that another meter might
 * answer. With ".meter" behind it no client takes a name for a number. */
#ifndef CENCD_CODEC_PROXY_DESTINATION_H
#define CENCD_CODEC_PROXY_DESTINATION_H

#include <stddef.h>
#include <stdint.h>

#include "codec/result.h"

#define DESTINATION_SERIAL_SIZE 32 /* with NUL */

enum destination_kind {
    DESTINATION_SERIAL,
    DESTINATION_IPV4,
    DESTINATION_IPV6,
    DESTINATION_BAD, /* empty, too long, or with bytes that no serial has */
};

struct destination {
    enum destination_kind kind;
    char serial[DESTINATION_SERIAL_SIZE]; /* without ".meter" */
    uint8_t ip[16];                       /* of a SOCKS5 request; IPv4 in the first four */
};

/* Fills kind and serial. name: size bytes, no NUL needed. */
void destination_read(const char *name, size_t size, struct destination *destination);

#endif
