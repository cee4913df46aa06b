#include "server/base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "server/base/check.h"

#define MAPPED_PREFIX_BITS 96

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static unsigned family_bits(const struct address *address)
{
    return address->family == 4 ? 32 : 128;
}

static void set_ipv6(const uint8_t ip[static 16], struct address *address)
{
    if (memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        memcpy(address->ip, ip + sizeof(mapped_prefix), 4);
        address->family = 4;
        return;
    }
    memcpy(address->ip, ip, 16);
    address->family = 6;
}

/* Reads an IP without port. mapped tells that it was written as an IPv4-mapped IPv6 address. */
static bool parse_ip(const char *text, size_t size, struct address *address, bool *mapped)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t ip[16];

    if (size == 0 || size >= sizeof(copy) || memchr(text, '\0', size) != NULL)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *address = (struct address){0};
    *mapped = false;
    if (inet_pton(AF_INET, copy, address->ip) == 1) {
        address->family = 4;
        return true;
    }
    if (inet_pton(AF_INET6, copy, ip) != 1)
        return false;
    set_ipv6(ip, address);
    *mapped = address->family == 4;
    return true;
}

/* Decimal digits only: no sign, no blanks, no leading zeros. */
static bool parse_number(const char *text, unsigned maximum, unsigned *number)
{
    unsigned value = 0;

    if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > maximum)
            return false;
    }
    *number = value;
    return true;
}

enum status address_parse(const char *text, struct address *address)
{
    struct address parsed;
    bool bracketed = text[0] == '[';
    bool mapped;
    unsigned port;
    const char *ip = bracketed ? text + 1 : text;
    const char *end = strchr(ip, bracketed ? ']' : ':');

    if (end == NULL || !parse_ip(ip, (size_t)(end - ip), &parsed, &mapped))
        return STATUS_INVALID;
    if (bracketed != (parsed.family == 6 || mapped))
        return STATUS_INVALID;
    if (bracketed)
        end++;
    if (*end != ':' || !parse_number(end + 1, UINT16_MAX, &port))
        return STATUS_INVALID;
    parsed.port = (uint16_t)port;
    *address = parsed;
    return STATUS_OK;
}

static char *put_octet(char *out, uint8_t octet)
{
    if (octet >= 100)
        *out++ = (char)('0' + octet / 100);
    if (octet >= 10)
        *out++ = (char)('0' + octet / 10 % 10);
    *out++ = (char)('0' + octet % 10);
    return out;
}

/* Every event has one: this takes a tenth of inet_ntop's time. */
static void format_v4(const uint8_t ip[static 4], char text[static ADDRESS_TEXT_SIZE])
{
    for (unsigned i = 0; i < 4; i++) {
        text = put_octet(text, ip[i]);
        *text++ = i < 3 ? '.' : '\0';
    }
}

char *address_format(const struct address *address, char text[static ADDRESS_TEXT_SIZE])
{
    char ip[INET6_ADDRSTRLEN];
    int family = address->family == 4 ? AF_INET : AF_INET6;

    if (address->family == 0) {
        text[0] = '-';
        text[1] = '\0';
        return text;
    }
    CHECK(address->family == 4 || address->family == 6);
    CHECK(inet_ntop(family, address->ip, ip, sizeof(ip)) != NULL);
    int size = snprintf(text, ADDRESS_TEXT_SIZE, family == AF_INET ? "%s:%u" : "[%s]:%u", ip,
                        (unsigned)address->port);
    CHECK(size > 0 && size < ADDRESS_TEXT_SIZE);
    return text;
}

char *address_format_ip(const struct address *address, char text[static ADDRESS_TEXT_SIZE])
{
    text[0] = '\0';
    if (address->family == 4)
        format_v4(address->ip, text);
    else if (address->family != 0)
        CHECK(inet_ntop(AF_INET6, address->ip, text, ADDRESS_TEXT_SIZE) != NULL);
    return text;
}

void address_from_socket(const union socket_address *from, struct address *address)
{
    *address = (struct address){0};
    if (from->any.sa_family == AF_INET) {
        memcpy(address->ip, &from->v4.sin_addr, 4);
        address->port = ntohs(from->v4.sin_port);
        address->family = 4;
    } else if (from->any.sa_family == AF_INET6) {
        set_ipv6(from->v6.sin6_addr.s6_addr, address);
        address->port = ntohs(from->v6.sin6_port);
    }
}

socklen_t address_to_socket(const struct address *address, union socket_address *to)
{
    CHECK(address->family == 4 || address->family == 6);
    memset(to, 0, sizeof(*to));
    if (address->family == 4) {
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons(address->port);
        memcpy(&to->v4.sin_addr, address->ip, 4);
        return sizeof(to->v4);
    }
    to->v6.sin6_family = AF_INET6;
    to->v6.sin6_port = htons(address->port);
    memcpy(&to->v6.sin6_addr, address->ip, 16);
    return sizeof(to->v6);
}

bool address_same_ip(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned bytes = bits / 8;
    unsigned rest = bits % 8;

    if (memcmp(a, b, bytes) != 0)
        return false;
    return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

bool address_same_network(const struct address *a, const struct address *b, unsigned prefix_v4,
                          unsigned prefix_v6)
{
    if (a->family != b->family || a->family == 0)
        return false;
    unsigned prefix = a->family == 4 ? prefix_v4 : prefix_v6;
    CHECK(prefix <= family_bits(a));
    return same_bits(a->ip, b->ip, prefix);
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t loopback_v6[16] = {[15] = 1};

    if (address->family == 4)
        return address->ip[0] == 127;
    return address->family == 6 && memcmp(address->ip, loopback_v6, sizeof(loopback_v6)) == 0;
}

static bool bits_beyond_are_zero(const struct address *address, unsigned prefix)
{
    unsigned bits = family_bits(address);

    for (unsigned bit = prefix; bit < bits; bit++) {
        if ((address->ip[bit / 8] & (0x80u >> (bit % 8))) != 0)
            return false;
    }
    return true;
}

enum status cidr_parse(const char *text, struct cidr *cidr)
{
    struct address network;
    bool mapped;
    const char *slash = strchr(text, '/');
    size_t size = slash == NULL ? strlen(text) : (size_t)(slash - text);

    if (!parse_ip(text, size, &network, &mapped))
        return STATUS_INVALID;
    unsigned bits = family_bits(&network);
    unsigned prefix = bits;
    if (slash != NULL) {
        unsigned offset = mapped ? MAPPED_PREFIX_BITS : 0;
        if (!parse_number(slash + 1, bits + offset, &prefix) || prefix < offset)
            return STATUS_INVALID;
        prefix -= offset;
    }
    if (!bits_beyond_are_zero(&network, prefix))
        return STATUS_INVALID;
    *cidr = (struct cidr){.network = network, .prefix = (uint8_t)prefix};
    return STATUS_OK;
}

bool cidr_contains(const struct cidr *cidr, const struct address *address)
{
    if (cidr->network.family == 0)
        return false;
    return address_same_network(&cidr->network, address, cidr->prefix, cidr->prefix);
}
