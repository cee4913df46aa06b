#include "codec/proxy/destination.h"

#include <stdbool.h>
#include <string.h>

static const char suffix[] = ".meter";
#define SUFFIX_SIZE (sizeof(suffix) - 1)

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool has_suffix(const char *name, size_t size)
{
    if (size < SUFFIX_SIZE)
        return false;
    for (size_t i = 0; i < SUFFIX_SIZE; i++) {
        if (lower(name[size - SUFFIX_SIZE + i]) != suffix[i])
            return false;
    }
    return true;
}

/* Digits and dots, with at least one dot: a.b.c.d, or what inet_aton reads as well. */
static bool looks_like_ipv4(const char *name, size_t size)
{
    bool dot = false;

    for (size_t i = 0; i < size; i++) {
        if (name[i] != '.' && (name[i] < '0' || name[i] > '9'))
            return false;
        dot |= name[i] == '.';
    }
    return dot;
}

static bool looks_like_ipv6(const char *name, size_t size)
{
    return size > 0 && (name[0] == '[' || memchr(name, ':', size) != NULL);
}

/* Printable ASCII without spaces. */
static bool is_plain(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    }
    return true;
}

void destination_read(const char *name, size_t size, struct destination *destination)
{
    memset(destination, 0, sizeof(*destination));
    destination->kind = DESTINATION_BAD;
    bool is_meter = has_suffix(name, size);
    if (is_meter)
        size -= SUFFIX_SIZE;
    if (size == 0 || size >= DESTINATION_SERIAL_SIZE || !is_plain(name, size)) {
        if (!is_meter && looks_like_ipv6(name, size) && is_plain(name, size))
            destination->kind = DESTINATION_IPV6; /* an address is longer than a serial */
        return;
    }
    memcpy(destination->serial, name, size);
    if (!is_meter && looks_like_ipv4(name, size))
        destination->kind = DESTINATION_IPV4;
    else if (!is_meter && looks_like_ipv6(name, size))
        destination->kind = DESTINATION_IPV6;
    else
        destination->kind = DESTINATION_SERIAL;
}
