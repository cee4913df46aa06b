/* Addresses: one spelling for one peer, and nothing but addresses is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/address.h"

static struct address parsed(const char *text)
{
    struct address address;

    if (address_parse(text, &address) != STATUS_OK)
        fail_msg("%s is not taken", text);
    return address;
}

static struct cidr parsed_cidr(const char *text)
{
    struct cidr cidr;

    if (cidr_parse(text, &cidr) != STATUS_OK)
        fail_msg("%s is not taken", text);
    return cidr;
}

static void assert_format(const char *text, const char *expected)
{
    struct address address = parsed(text);
    char out[ADDRESS_TEXT_SIZE];

    assert_string_equal(address_format(&address, out), expected);
}

static void test_what_is_parsed_is_formatted(void **state)
{
    (void)state;
    assert_format("127.0.0.1:5009", "127.0.0.1:5009");
    assert_format("0.0.0.0:0", "0.0.0.0:0");
    assert_format("255.255.255.255:65535", "255.255.255.255:65535");
    assert_format("[::1]:5009", "[::1]:5009");
    assert_format("[2001:DB8:0:0::1]:1", "[2001:db8::1]:1");
    assert_format("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_format("[::ffff:10.1.2.3]:80", "10.1.2.3:80");
}

static void test_addresses_have_no_port(void **state)
{
    struct address address = {.family = 4};
    char out[ADDRESS_TEXT_SIZE];

    (void)state;
    for (unsigned octet = 0; octet < 256; octet++) {
        char expected[ADDRESS_TEXT_SIZE];
        memcpy(address.ip, (uint8_t[]){10, (uint8_t)octet, (uint8_t)(octet / 2), 255}, 4);
        (void)snprintf(expected, sizeof(expected), "10.%u.%u.255", octet, octet / 2);
        assert_string_equal(address_format_ip(&address, out), expected);
    }
    address = parsed("[2001:db8::1]:1");
    assert_string_equal(address_format_ip(&address, out), "2001:db8::1");
    address.family = 0;
    assert_string_equal(address_format_ip(&address, out), "");
}

static void test_other_text_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:99999999999999999999",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:01",
        "127.0.0.1:0x10",
        " 127.0.0.1:1",
        "127.0.0:1",
        "127.0.0.256:1",
        "127.0.0.01:1",
        "[127.0.0.1]:1",
        "::1:5009",
        "[::1]",
        "[::1]5009",
        "[::1:5009",
        "[fe80::1%lo]:1",
        "[]:1",
        "localhost:1",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct address address = {.port = 7};

        if (address_parse(wrong[i], &address) != STATUS_INVALID)
            fail_msg("%s is taken", wrong[i]);
        assert_int_equal(address.port, 7);
    }
}

static void test_no_address_is_a_dash(void **state)
{
    struct address none = {0};
    char out[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_string_equal(address_format(&none, out), "-");
}

static void test_sockets_and_back(void **state)
{
    static const char *const texts[] = {"10.1.2.3:5009", "[2001:db8::7]:65535"};
    static const socklen_t sizes[] = {sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct address address = parsed(texts[i]);
        struct address back;
        union socket_address socket;

        assert_int_equal(address_to_socket(&address, &socket), sizes[i]);
        address_from_socket(&socket, &back);
        assert_true(address_same_ip(&address, &back));
        assert_int_equal(address.port, back.port);
    }
}

static void test_mapped_peer_is_an_ipv4_peer(void **state)
{
    union socket_address socket = {.v6 = {.sin6_family = AF_INET6}};
    struct address expected = parsed("10.1.2.3:5009");
    struct address address;

    (void)state;
    socket.v6.sin6_port = htons(5009);
    memcpy(socket.v6.sin6_addr.s6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03", 16);
    address_from_socket(&socket, &address);
    assert_memory_equal(address.ip, expected.ip, sizeof(address.ip));
    assert_int_equal(address.family, 4);
    assert_int_equal(address.port, 5009);
}

static void test_other_families_are_none(void **state)
{
    union socket_address socket = {.any = {.sa_family = AF_UNIX}};
    struct address address = {.family = 4};

    (void)state;
    address_from_socket(&socket, &address);
    assert_int_equal(address.family, 0);
}

static void test_same_ip_ignores_ports(void **state)
{
    struct address a = parsed("10.0.0.1:1");
    struct address b = parsed("10.0.0.1:2");
    struct address c = parsed("10.0.0.2:1");
    struct address d = parsed("[a00:1::]:1"); /* the same first bytes */

    (void)state;
    assert_true(address_same_ip(&a, &b));
    assert_false(address_same_ip(&a, &c));
    assert_false(address_same_ip(&a, &d));
}

static void test_same_network(void **state)
{
    struct address a = parsed("10.1.128.1:1");
    struct address b = parsed("10.1.200.9:1");
    struct address c = parsed("[2001:db8::1]:1");
    struct address d = parsed("[2001:db8:8000::1]:1");

    (void)state;
    assert_true(address_same_network(&a, &b, 16, 0));
    assert_true(address_same_network(&a, &b, 17, 128));
    assert_false(address_same_network(&a, &b, 18, 0));
    assert_true(address_same_network(&a, &a, 32, 0));
    assert_false(address_same_network(&a, &b, 32, 0));
    assert_true(address_same_network(&c, &d, 32, 32));
    assert_false(address_same_network(&c, &d, 0, 33));
    assert_true(address_same_network(&c, &c, 0, 128));
    assert_false(address_same_network(&a, &c, 0, 0));
}

static void test_loopback(void **state)
{
    static const char *const inside[] = {"127.0.0.1:1", "127.255.255.255:1", "[::1]:1",
                                         "[::ffff:127.0.0.1]:1"};
    static const char *const outside[] = {"128.0.0.1:1", "0.0.0.0:1", "[::]:1", "[::2]:1",
                                          "[7f00::1]:1"};

    (void)state;
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        struct address address = parsed(inside[i]);
        assert_true(address_is_loopback(&address));
    }
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        struct address address = parsed(outside[i]);
        assert_false(address_is_loopback(&address));
    }
}

static void assert_contains(const char *network, const char *address, bool expected)
{
    struct cidr cidr = parsed_cidr(network);
    struct address inside = parsed(address);

    if (cidr_contains(&cidr, &inside) != expected)
        fail_msg("%s contains %s: %d", network, address, !expected);
}

static void test_cidr_contains(void **state)
{
    (void)state;
    assert_contains("10.0.0.0/8", "10.255.0.1:1", true);
    assert_contains("10.0.0.0/8", "11.0.0.0:1", false);
    assert_contains("192.168.4.0/22", "192.168.7.255:1", true);
    assert_contains("192.168.4.0/22", "192.168.8.0:1", false);
    assert_contains("0.0.0.0/0", "1.2.3.4:1", true);
    assert_contains("0.0.0.0/0", "[::1]:1", false);
    assert_contains("10.0.0.1", "10.0.0.1:1", true);
    assert_contains("10.0.0.1", "10.0.0.2:1", false);
    assert_contains("::1/128", "[::1]:1", true);
    assert_contains("::1", "[::2]:1", false);
    assert_contains("::/0", "[2001::1]:1", true);
    assert_contains("::/0", "1.2.3.4:1", false);
    assert_contains("2001:db8::/33", "[2001:db8:7fff::1]:1", true);
    assert_contains("2001:db8::/33", "[2001:db8:8000::1]:1", false);
    assert_contains("::ffff:10.0.0.0/104", "10.3.2.1:1", true);
}

static void test_no_network_contains_nothing(void **state)
{
    struct cidr none = {0};
    struct address address = parsed("0.0.0.0:1");
    struct address nobody = {0};

    (void)state;
    assert_false(cidr_contains(&none, &address));
    assert_false(cidr_contains(&none, &nobody));
}

static void test_wrong_cidrs_are_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "/8",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/08",
                                        "10.0.0.0/8 ",
                                        "10.0.0.1/8",
                                        "10.0.0.128/24",
                                        "::1/127",
                                        "::/129",
                                        "[::1]/128",
                                        "10.0.0.0:80",
                                        "10/8",
                                        "::ffff:10.0.0.0/8",
                                        "::ffff:10.0.0.1/104"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct cidr cidr;

        if (cidr_parse(wrong[i], &cidr) != STATUS_INVALID)
            fail_msg("%s is taken", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_parsed_is_formatted),
        cmocka_unit_test(test_addresses_have_no_port),
        cmocka_unit_test(test_other_text_is_refused),
        cmocka_unit_test(test_no_address_is_a_dash),
        cmocka_unit_test(test_sockets_and_back),
        cmocka_unit_test(test_mapped_peer_is_an_ipv4_peer),
        cmocka_unit_test(test_other_families_are_none),
        cmocka_unit_test(test_same_ip_ignores_ports),
        cmocka_unit_test(test_same_network),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_cidr_contains),
        cmocka_unit_test(test_no_network_contains_nothing),
        cmocka_unit_test(test_wrong_cidrs_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
