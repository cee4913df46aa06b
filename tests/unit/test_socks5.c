/* SOCKS5: each message whole, cut at every length, followed by more; and what breaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proxy/socks5.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void destinations(void **state)
{
    static const struct {
        const char *name;
        enum destination_kind kind;
        const char *serial;
    } cases[] = {
        {"868441030000001", DESTINATION_SERIAL, "868441030000001"},
        {"868441030000001.meter", DESTINATION_SERIAL, "868441030000001"},
        {"10000001.METER", DESTINATION_SERIAL, "10000001"},
        {"EMH-77_a", DESTINATION_SERIAL, "EMH-77_a"},
        {"0.152.150.129", DESTINATION_IPV4, NULL},
        {"10.1", DESTINATION_IPV4, NULL},
        {"10.1.meter", DESTINATION_SERIAL, "10.1"}, /* whoever says meter means a meter */
        {"::1", DESTINATION_IPV6, NULL},
        {"[2001:db8::1]", DESTINATION_IPV6, NULL},
        {"2001:0db8:0000:0000:0000:0000:0000:0001", DESTINATION_IPV6, NULL},
        {"", DESTINATION_BAD, NULL},
        {".meter", DESTINATION_BAD, NULL},
        {"a b", DESTINATION_BAD, NULL},
        {"a\x7f", DESTINATION_BAD, NULL},
        {"\xc3\xa4", DESTINATION_BAD, NULL},
        {"1234567890123456789012345678901", DESTINATION_SERIAL, "1234567890123456789012345678901"},
        {"12345678901234567890123456789012", DESTINATION_BAD, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct destination found;

        destination_read(cases[i].name, strlen(cases[i].name), &found);
        if (found.kind != cases[i].kind)
            fail_msg("%s: kind %d", cases[i].name, (int)found.kind);
        if (cases[i].serial != NULL)
            assert_string_equal(found.serial, cases[i].serial);
    }
    struct destination found;
    destination_read("a\0b", 3, &found);
    assert_int_equal(found.kind, DESTINATION_BAD);
}

static void methods(void **state)
{
    static const uint8_t both[] = {5, 3, 0, 1, 2, 0xAA, 0xBB};
    static const uint8_t nothing[] = {5, 0};
    static const uint8_t gssapi[] = {5, 1, 1};
    struct socks5_methods found;
    size_t consumed = 0;

    (void)state;
    for (size_t size = 0; size < 5; size++)
        assert_int_equal(socks5_read_methods(both, size, &found, &consumed), CODEC_NEED_MORE);
    for (size_t size = 5; size <= sizeof(both); size++) {
        assert_int_equal(socks5_read_methods(both, size, &found, &consumed), CODEC_OK);
        assert_int_equal(consumed, 5);
        assert_true(found.none && found.password);
    }
    assert_int_equal(socks5_read_methods(nothing, 2, &found, &consumed), CODEC_OK);
    assert_true(consumed == 2 && !found.none && !found.password);
    assert_int_equal(socks5_read_methods(gssapi, 3, &found, &consumed), CODEC_OK);
    assert_true(!found.none && !found.password);
    assert_int_equal(socks5_read_methods((const uint8_t *)"\4\1", 2, &found, &consumed),
                     CODEC_INVALID);
    assert_int_equal(socks5_read_methods((const uint8_t *)"G", 1, &found, &consumed),
                     CODEC_INVALID);
}

static void logins(void **state)
{
    static const uint8_t bytes[] = "\1\6petrov\7s\0cre t\5";
    uint8_t longest[SOCKS5_MAX_LOGIN];
    struct socks5_login found;
    size_t consumed = 0;
    size_t whole = 2 + 6 + 1 + 7;

    (void)state;
    for (size_t size = 0; size < whole; size++)
        assert_int_equal(socks5_read_login(bytes, size, &found, &consumed), CODEC_NEED_MORE);
    for (size_t size = whole; size < sizeof(bytes); size++) {
        assert_int_equal(socks5_read_login(bytes, size, &found, &consumed), CODEC_OK);
        assert_int_equal(consumed, whole);
        assert_string_equal(found.name, "petrov");
        assert_int_equal(found.password_size, 7);
        assert_memory_equal(found.password, "s\0cre t", 7);
    }
    memset(longest, 'x', sizeof(longest));
    longest[0] = 1;
    longest[1] = 255;
    longest[2 + 255] = 255;
    assert_int_equal(socks5_read_login(longest, sizeof(longest), &found, &consumed), CODEC_OK);
    assert_int_equal(consumed, sizeof(longest));
    assert_int_equal(strlen(found.name), 255);
    assert_int_equal(found.password_size, 255);
    assert_int_equal(socks5_read_login((const uint8_t *)"\1\0\0", 3, &found, &consumed), CODEC_OK);
    assert_string_equal(found.name, "");
    assert_int_equal(socks5_read_login((const uint8_t *)"\5\0\0", 3, &found, &consumed),
                     CODEC_INVALID);
    assert_int_equal(socks5_read_login((const uint8_t *)"\1\2a\0\0", 5, &found, &consumed),
                     CODEC_INVALID);
}

static void read_whole(const uint8_t *bytes, size_t whole, struct socks5_request *found)
{
    uint8_t more[SOCKS5_MAX_REQUEST + 8];
    size_t consumed = 0;

    for (size_t size = 0; size < whole; size++)
        assert_int_equal(socks5_read_request(bytes, size, found, &consumed), CODEC_NEED_MORE);
    memset(more, 0x7E, sizeof(more));
    memcpy(more, bytes, whole);
    for (size_t size = whole; size <= whole + 8; size++) {
        assert_int_equal(socks5_read_request(more, size, found, &consumed), CODEC_OK);
        assert_int_equal(consumed, whole);
    }
}

static void requests(void **state)
{
    static const uint8_t name[] = "\5\1\0\3\x0e"
                                  "10000001.meter\x01\xf4";
    static const uint8_t ipv4[] = {5, 1, 0, 1, 0, 152, 150, 129, 0, 23};
    static const uint8_t ipv6[] = {5, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0,
                                   0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1};
    static const uint8_t other[] = {5, 1, 0, 2, 0};
    struct socks5_request found;
    size_t consumed;

    (void)state;
    read_whole(name, sizeof(name) - 1, &found);
    assert_int_equal(found.command, SOCKS5_CONNECT);
    assert_int_equal(found.destination.kind, DESTINATION_SERIAL);
    assert_string_equal(found.destination.serial, "10000001");
    assert_int_equal(found.port, 500);
    read_whole(ipv4, sizeof(ipv4), &found);
    assert_int_equal(found.destination.kind, DESTINATION_IPV4);
    assert_memory_equal(found.destination.ip, ipv4 + 4, 4);
    read_whole(ipv6, sizeof(ipv6), &found);
    assert_int_equal(found.destination.kind, DESTINATION_IPV6);
    assert_int_equal(found.command, SOCKS5_BIND);
    assert_int_equal(socks5_read_request(other, sizeof(other), &found, &consumed), CODEC_INVALID);
    assert_int_equal(socks5_read_request(ipv4 + 4, 4, &found, &consumed), CODEC_INVALID);
}

static void longest_name(void **state)
{
    uint8_t bytes[SOCKS5_MAX_REQUEST];
    struct socks5_request found;

    (void)state;
    memset(bytes, 'm', sizeof(bytes));
    // NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes
    memcpy(bytes, "\5\1\0\3\xff", 5);
    read_whole(bytes, sizeof(bytes), &found);
    assert_int_equal(found.destination.kind, DESTINATION_BAD);
}

static void answers(void **state)
{
    uint8_t out[SOCKS5_REPLY_SIZE];

    (void)state;
    socks5_write_method(SOCKS5_NO_METHOD, out);
    assert_memory_equal(out, "\5\xff", 2);
    socks5_write_login(true, out);
    assert_memory_equal(out, "\1\0", 2);
    socks5_write_login(false, out);
    assert_memory_equal(out, "\1\1", 2);
    socks5_write_reply(SOCKS5_HOST_UNREACHABLE, out);
    assert_memory_equal(out, "\5\4\0\1\0\0\0\0\0\0", 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destinations), cmocka_unit_test(methods),      cmocka_unit_test(logins),
        cmocka_unit_test(requests),     cmocka_unit_test(longest_name), cmocka_unit_test(answers),
    };
    return cmocka_run_group_tests_name("socks5", tests, NULL, NULL);
}
