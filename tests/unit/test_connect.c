/* HTTP CONNECT: heads as clients send them, cut at every length, followed by tunnel bytes; and what
 * is refused, with which problem. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proxy/connect.h"

static struct connect_request request;

/* The head is understood as soon as its last byte is there, and not before. */
static void accept(const char *head)
{
    size_t whole = strlen(head);
    char *more = malloc(whole + 5);
    size_t consumed = 0;

    assert_non_null(more);
    for (size_t size = 0; size < whole; size++) {
        char *part = malloc(size + 1); /* so that a step too far is seen */
        assert_non_null(part);
        memcpy(part, head, size);
        if (connect_read((const uint8_t *)part, size, &request, &consumed) != CODEC_NEED_MORE)
            fail_msg("\"%.*s\" is not a beginning", (int)size, head);
        free(part);
    }
    // NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes
    memcpy(more, head, whole);
    // NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes
    memcpy(more + whole, "\r\n~\r\n", 5);
    for (size_t size = whole; size <= whole + 5; size++) {
        assert_int_equal(connect_read((const uint8_t *)more, size, &request, &consumed), CODEC_OK);
        assert_int_equal(consumed, whole);
    }
    free(more);
}

static void refuse(const char *head, enum connect_problem problem)
{
    size_t consumed;
    enum codec_result result =
        connect_read((const uint8_t *)head, strlen(head), &request, &consumed);

    if (result != CODEC_INVALID || request.problem != problem)
        fail_msg("\"%s\": result %d, problem %d", head, (int)result, (int)request.problem);
    assert_int_equal(request.password[0], 0);
}

static void heads_of_clients(void **state)
{
    (void)state;
    accept("CONNECT 868441030000001.meter:5000 HTTP/1.1\r\nHost: 868441030000001.meter:5000\r\n"
           "Proxy-Authorization: Basic cGV0cm92OnNlY3JldA==\r\nUser-Agent: curl/7.88.1\r\n"
           "Proxy-Connection: Keep-Alive\r\n\r\n");
    assert_int_equal(request.destination.kind, DESTINATION_SERIAL);
    assert_string_equal(request.destination.serial, "868441030000001");
    assert_true(request.keeps_open && request.has_credentials);
    assert_string_equal(request.name, "petrov");
    assert_int_equal(request.password_size, 6);
    assert_memory_equal(request.password, "secret", 6);

    accept("CONNECT 10000001:80 HTTP/1.0\n\n");
    assert_string_equal(request.destination.serial, "10000001");
    assert_false(request.keeps_open);
    assert_false(request.has_credentials);

    accept("CONNECT 10000001 HTTP/1.1\r\nconnection:close\r\n\r\n");
    assert_string_equal(request.destination.serial, "10000001");
    assert_false(request.keeps_open);
}

static void destinations(void **state)
{
    (void)state;
    accept("CONNECT 0.152.150.129:80 HTTP/1.1\r\n\r\n");
    assert_int_equal(request.destination.kind, DESTINATION_IPV4);
    accept("CONNECT [::1]:80 HTTP/1.1\r\n\r\n");
    assert_int_equal(request.destination.kind, DESTINATION_IPV6);
    accept("CONNECT :80 HTTP/1.1\r\n\r\n");
    assert_int_equal(request.destination.kind, DESTINATION_BAD);
    accept("CONNECT a: HTTP/1.1\r\n\r\n");
    assert_string_equal(request.destination.serial, "a");
}

static void credentials(void **state)
{
    (void)state;
    accept("CONNECT a:1 HTTP/1.1\r\nPROXY-AUTHORIZATION: \t bAsIc   YTo=  \r\n\r\n");
    assert_string_equal(request.name, "a");
    assert_int_equal(request.password_size, 0);
    accept("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic YTpiOmM\r\n\r\n"); /* a:b:c */
    assert_int_equal(request.password_size, 3);
    assert_memory_equal(request.password, "b:c", 3);
    accept("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic YTpiAGM=\r\n\r\n"); /* a:b NUL c */
    assert_int_equal(request.password_size, 3);
    refuse("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Digest x=y\r\n", CONNECT_BAD_CREDENTIALS);
    refuse("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic\r\n", CONNECT_BAD_CREDENTIALS);
    refuse("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic YWJj\r\n", CONNECT_BAD_CREDENTIALS);
    refuse("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic Y\r\n", CONNECT_BAD_CREDENTIALS);
    refuse("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic YTp=\r\n", CONNECT_BAD_CREDENTIALS);
    refuse("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic Y=Tp\r\n", CONNECT_BAD_CREDENTIALS);
    refuse("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic AGE6Yg==\r\n",
           CONNECT_BAD_CREDENTIALS); /* NUL in the name */
    refuse("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic YTpi\r\n"
           "Proxy-Authorization: Basic YTpj\r\n",
           CONNECT_BAD_REQUEST);
}

/* Names and passwords of 255 bytes fit, longer ones are refused. */
static void long_credentials(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    (void)state;
    for (size_t length = 254; length <= 256; length++) {
        char pair[600];
        char head[1200];
        size_t size = 2 * length + 1;
        int at =
            snprintf(head, sizeof(head), "CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic ");

        memset(pair, 'n', sizeof(pair));
        pair[length] = ':';
        for (size_t i = 0; i < size * 8; i += 6) {
            unsigned value = 0;
            for (size_t bit = i; bit < i + 6; bit++)
                value = value << 1 |
                        (bit < size * 8 ? (unsigned)pair[bit / 8] >> (7 - bit % 8) & 1 : 0);
            head[at++] = digits[value];
        }
        memcpy(head + at, "\r\n\r\n", 5);
        if (length > 255) {
            refuse(head, CONNECT_BAD_CREDENTIALS);
            continue;
        }
        accept(head);
        assert_int_equal(strlen(request.name), length);
        assert_int_equal(request.password_size, length);
    }
}

static void what_is_no_connect(void **state)
{
    (void)state;
    refuse("\x05\x01", CONNECT_NOT_HTTP);
    refuse("\x16\x03\x01", CONNECT_NOT_HTTP);
    refuse("\r\n", CONNECT_NOT_HTTP);
    refuse(" ", CONNECT_NOT_HTTP);
    refuse("ATD10000001\r\n", CONNECT_NOT_HTTP);
    refuse("AAAAAAAAAAAAAAAAA", CONNECT_NOT_HTTP);
    refuse("CONNECT a:1\r\n", CONNECT_NOT_HTTP);
    refuse("CONNECT a:1 HTTP/2.0\r\n", CONNECT_NOT_HTTP);
    refuse("CONNECT a:1  HTTP/1.1\r\n", CONNECT_NOT_HTTP);
    refuse("GET / HTTP/1.1\r\n", CONNECT_BAD_METHOD);
    refuse("connect a:1 HTTP/1.1\r\n", CONNECT_BAD_METHOD);
    refuse("CONNECT a:1 HTTP/1.1\r\nno colon\r\n", CONNECT_BAD_REQUEST);
    refuse("CONNECT a:1 HTTP/1.1\r\n: x\r\n", CONNECT_BAD_REQUEST);
    refuse("CONNECT a:1 HTTP/1.1\r\nA: b\r\n folded\r\n", CONNECT_BAD_REQUEST);
    refuse("CONNECT a:1 HTTP/1.1\r\nA: b\x01\r\n", CONNECT_BAD_REQUEST);
    refuse("CONNECT a:1 HTTP/1.1\r\nContent-Length: 5\r\n", CONNECT_BAD_REQUEST);
    refuse("CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", CONNECT_BAD_REQUEST);
    accept("CONNECT a:1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
}

static void a_head_has_a_bound(void **state)
{
    static char head[CONNECT_MAX_HEAD + 100];
    size_t consumed;
    int at = snprintf(head, sizeof(head), "CONNECT a:1 HTTP/1.1\r\nX: ");

    (void)state;
    memset(head + at, 'x', sizeof(head) - (size_t)at);
    assert_int_equal(connect_read((const uint8_t *)head, CONNECT_MAX_HEAD - 1, &request, &consumed),
                     CODEC_NEED_MORE);
    assert_int_equal(connect_read((const uint8_t *)head, CONNECT_MAX_HEAD, &request, &consumed),
                     CODEC_FULL);
    assert_int_equal(request.problem, CONNECT_TOO_LARGE);
    // NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes
    memcpy(head + CONNECT_MAX_HEAD - 4, "\r\n\r\n", 4);
    assert_int_equal(connect_read((const uint8_t *)head, sizeof(head), &request, &consumed),
                     CODEC_OK);
    assert_int_equal(consumed, CONNECT_MAX_HEAD);
}

static void answers(void **state)
{
    char out[CONNECT_REPLY_SIZE];
    char text[400];

    (void)state;
    size_t size = connect_write(200, "", true, out);
    assert_memory_equal(out, "HTTP/1.1 200 Connection established\r\n\r\n", size);
    size = connect_write(407, "who are you?", true, out);
    assert_string_equal(out, "HTTP/1.1 407 Proxy Authentication Required\r\n"
                             "Proxy-Authenticate: Basic realm=\"cencd\"\r\n"
                             "Content-Type: text/plain\r\nContent-Length: 13\r\n\r\n"
                             "who are you?\n");
    assert_int_equal(size, strlen(out));
    (void)connect_write(409, "busy", false, out);
    assert_string_equal(out, "HTTP/1.1 409 Conflict\r\nContent-Type: text/plain\r\n"
                             "Content-Length: 5\r\nConnection: close\r\n\r\nbusy\n");
    (void)connect_write(405, "", false, out);
    assert_non_null(strstr(out, "Allow: CONNECT\r\n"));
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    size = connect_write(407, text, false, out);
    assert_true(size < sizeof(out));
    assert_non_null(strstr(out, "Content-Length: 301\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_clients),
        cmocka_unit_test(destinations),
        cmocka_unit_test(credentials),
        cmocka_unit_test(long_credentials),
        cmocka_unit_test(what_is_no_connect),
        cmocka_unit_test(a_head_has_a_bound),
        cmocka_unit_test(answers),
    };
    return cmocka_run_group_tests_name("connect", tests, NULL, NULL);
}
