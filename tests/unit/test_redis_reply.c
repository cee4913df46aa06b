/* Replies of Redis and commands to it: whatever pieces the bytes come in, the same replies;
 * bounded, whatever is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/redis/command.h"
#include "server/redis/reply.h"

#define MAX_TOLD 512

/* Feeds the bytes in pieces that end at a and b, and writes down what comes. */
static void tell(const char *bytes, size_t size, size_t a, size_t b, char told[static MAX_TOLD])
{
    size_t ends[] = {a, b, size};
    size_t at = 0;
    struct reply_reader *reader = reply_reader_create();

    assert_non_null(reader);
    told[0] = '\0';
    for (size_t i = 0; i < 3; i++) {
        struct reply reply = {.kind = REPLY_NONE};
        assert_int_equal(reply_feed(reader, (const uint8_t *)bytes + at, ends[i] - at), STATUS_OK);
        at = ends[i];
        do {
            size_t used = strlen(told);
            if (reply_next(reader, &reply) != STATUS_OK) {
                (void)snprintf(told + used, MAX_TOLD - used, "broken;");
                reply_reader_free(reader);
                return;
            }
            if (reply.kind != REPLY_NONE)
                (void)snprintf(told + used, MAX_TOLD - used, "%d %lld %s;", (int)reply.kind,
                               (long long)reply.number, reply.text);
        } while (reply.kind != REPLY_NONE);
    }
    reply_reader_free(reader);
}

static void assert_told(const char *bytes, const char *expected)
{
    size_t size = strlen(bytes);
    char told[MAX_TOLD];

    for (size_t a = 0; a <= size; a++) {
        for (size_t b = a; b <= size; b++) {
            tell(bytes, size, a, b, told);
            assert_string_equal(told, expected);
        }
    }
}

static void test_every_split(void **state)
{
    (void)state;
    assert_told("+OK\r\n:-1\r\n:128\r\n$5\r\n12345\r\n$-1\r\n-OOM command not allowed\r\n",
                "1 0 OK;3 -1 ;3 128 ;2 0 12345;4 0 ;5 0 OOM command not allowed;");
}

static void test_what_is_not_redis(void **state)
{
    (void)state;
    assert_told("+OK\r\n220 mail.example ESMTP\r\n", "1 0 OK;broken;");
    assert_told("*2\r\n+OK\r\n+OK\r\n", "broken;"); /* an echo */
    assert_told("HTTP/1.1 400 Bad Request\r\n\r\n", "broken;");
}

static void test_text_is_cut(void **state)
{
    struct reply_reader *reader = reply_reader_create();
    struct reply reply;
    char bytes[1100];

    (void)state;
    int head = snprintf(bytes, sizeof(bytes), "$1000\r\n");
    memset(bytes + head, 'x', 1000);
    bytes[head + 1000] = '\r';
    bytes[head + 1001] = '\n';
    assert_int_equal(reply_feed(reader, (const uint8_t *)bytes, (size_t)head + 1002), STATUS_OK);
    assert_int_equal(reply_next(reader, &reply), STATUS_OK);
    assert_int_equal(reply.kind, REPLY_TEXT);
    assert_int_equal(strlen(reply.text), REPLY_TEXT_SIZE - 1);
    reply_reader_free(reader);
}

/* 512 MB are announced, and some of it sent. */
static void test_replies_are_bounded(void **state)
{
    struct reply_reader *reader = reply_reader_create();
    struct reply reply;
    uint8_t zeros[4096] = {0};
    size_t fed = 0;

    (void)state;
    assert_int_equal(reply_feed(reader, (const uint8_t *)"$536870000\r\n", 12), STATUS_OK);
    while (reply_feed(reader, zeros, sizeof(zeros)) == STATUS_OK) {
        assert_int_equal(reply_next(reader, &reply), STATUS_OK);
        assert_int_equal(reply.kind, REPLY_NONE);
        fed += sizeof(zeros);
        assert_true(fed <= 2 * REPLY_MAX_BYTES);
    }
    reply_reader_free(reader);
}

static void assert_code(const char *text, const char *expected)
{
    struct reply reply = {.kind = REPLY_ERROR};
    char code[24];

    (void)snprintf(reply.text, sizeof(reply.text), "%s", text);
    assert_string_equal(reply_error_code(&reply, code), expected);
}

static void test_error_codes(void **state)
{
    (void)state;
    assert_code("WRONGPASS invalid username-password pair", "WRONGPASS");
    assert_code("ERR unknown command 'AUTH'", "ERR");
    assert_code("READONLY", "READONLY");
    assert_code("", "ERROR");
    assert_code("secret", "ERROR");
    assert_code("SECRETsecret", "ERROR");
    assert_code("ABCDEFGHIJKLMNOPQRSTUVWXYZ x", "ERROR");
}

static void test_command(void **state)
{
    static struct command command;
    char *bytes = NULL;
    size_t size = 0;

    (void)state;
    command_begin(&command);
    command_text(&command, "HSET");
    command_text(&command, "a");
    command_join(&command, "b");
    command_number(&command, 0);
    command_add(&command, "x\0\r\ny", 5);
    command_text(&command, "");
    command_replace(&command, 2, 18446744073709551615u);
    assert_int_equal(command_format(&command, &bytes, &size), STATUS_OK);
    static const char expected[] = "*5\r\n$4\r\nHSET\r\n$2\r\nab\r\n$20\r\n18446744073709551615\r\n"
                                   "$5\r\nx\0\r\ny\r\n$0\r\n\r\n";
    assert_int_equal(size, sizeof(expected) - 1);
    assert_memory_equal(bytes, expected, size);
    command_free(bytes);
    command_begin(&command);
    assert_true(command_has_room(&command, COMMAND_MAX_ARGUMENTS, COMMAND_MAX_BYTES));
    assert_false(command_has_room(&command, COMMAND_MAX_ARGUMENTS + 1, 0));
    assert_false(command_has_room(&command, 0, COMMAND_MAX_BYTES + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split), cmocka_unit_test(test_what_is_not_redis),
        cmocka_unit_test(test_text_is_cut), cmocka_unit_test(test_replies_are_bounded),
        cmocka_unit_test(test_error_codes), cmocka_unit_test(test_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
