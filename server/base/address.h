/* IP addresses, endpoints and CIDR blocks. IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) are
 * normalised to IPv4 everywhere, so that one peer has one spelling. Pure functions. */
#ifndef CENCD_BASE_ADDRESS_H
#define CENCD_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"

struct address {
    uint8_t ip[16]; /* network order; IPv4 uses the first four bytes, the rest are zero */
    uint16_t port;  /* host order */
    uint8_t family; /* 4, 6, or 0 for none */
};

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct cidr {
    struct address network; /* port unused; bits beyond the prefix are zero */
    uint8_t prefix;         /* 0..32 or 0..128 bits */
};

/* "[2001:db8::1]:65535" and a terminating NUL fit */
#define ADDRESS_TEXT_SIZE 56

/* Reads "127.0.0.1:5009" or "[::1]:5009". STATUS_INVALID on anything else. */
enum status address_parse(const char *text, struct address *address) MUST_CHECK;

/* Writes "ip:port" or "[ip6]:port" and returns text; "-" for family 0. */
char *address_format(const struct address *address, char text[static ADDRESS_TEXT_SIZE]);

/* The IP alone, without brackets and port; "" for family 0. */
char *address_format_ip(const struct address *address, char text[static ADDRESS_TEXT_SIZE]);

void address_from_socket(const union socket_address *from, struct address *address);

/* Returns the length that bind(2) and connect(2) want. */
socklen_t address_to_socket(const struct address *address, union socket_address *to);

/* Same IP and family; ports are not compared. */
bool address_same_ip(const struct address *a, const struct address *b);

/* True if the first prefix_v4 (IPv4) or prefix_v6 (IPv6) bits agree; false across families. */
bool address_same_network(const struct address *a, const struct address *b, unsigned prefix_v4,
                          unsigned prefix_v6);

bool address_is_loopback(const struct address *address);

/* Reads "10.0.0.0/8", "::1/128" or a bare address (full prefix). STATUS_INVALID otherwise, also
 * when a bit beyond the prefix is set (10.0.0.1/8), since that is nearly always a slip. */
enum status cidr_parse(const char *text, struct cidr *cidr) MUST_CHECK;

bool cidr_contains(const struct cidr *cidr, const struct address *address);

#endif
