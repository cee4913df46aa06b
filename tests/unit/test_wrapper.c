/* The wrapper of IEC 62056-47: vectors, every cut of a stream, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/cosem/wrapper.h"
#include "tests/hex.h"

#define GET_NAME  "000100100001000DC001C1000100002A0000FF0200"
#define RELEASE   "00010010000100056203800100"
#define HEARTBEAT "0001000100010012DD1000000000303030303230313230373136"

static void vector_both_ways(void **state)
{
    uint8_t bytes[64];
    uint8_t out[64];
    size_t size = hex_bytes(GET_NAME, bytes, sizeof(bytes));
    size_t out_size = 0;
    size_t consumed = 0;
    struct wrapper_message message;

    (void)state;
    assert_int_equal(wrapper_decode(bytes, size, &message, &consumed), CODEC_OK);
    assert_int_equal(consumed, size);
    assert_int_equal(message.source, 16);
    assert_int_equal(message.destination, 1);
    assert_int_equal(message.apdu_size, 13);
    assert_int_equal(message.apdu[0], 0xC0);
    assert_int_equal(wrapper_encode(&message, out, sizeof(out), &out_size), CODEC_OK);
    assert_int_equal(out_size, size);
    assert_memory_equal(out, bytes, size);
    for (size_t capacity = 0; capacity < size; capacity++)
        assert_int_equal(wrapper_encode(&message, out, capacity, &out_size), CODEC_FULL);
}

static void every_part_needs_more(void **state)
{
    uint8_t bytes[64];
    size_t size = hex_bytes(GET_NAME, bytes, sizeof(bytes));
    size_t consumed = 0;
    struct wrapper_message message;

    (void)state;
    for (size_t part = 0; part < size; part++)
        assert_int_equal(wrapper_decode(bytes, part, &message, &consumed), CODEC_NEED_MORE);
}

static void another_version_is_refused_at_once(void **state)
{
    size_t consumed = 0;
    struct wrapper_message message;

    (void)state;
    assert_int_equal(wrapper_decode((const uint8_t *)"\x01", 1, &message, &consumed),
                     CODEC_INVALID);
    assert_int_equal(wrapper_decode((const uint8_t *)"\x00\x02", 2, &message, &consumed),
                     CODEC_INVALID);
    assert_int_equal(wrapper_decode((const uint8_t *)"~\xA0", 2, &message, &consumed),
                     CODEC_INVALID);
}

/* Feeds and returns how many messages came, each checked against its place in the stream. */
static size_t feed(struct wrapper_scanner *scanner, const uint8_t *data, size_t size)
{
    size_t count = 0;
    size_t at = 0;

    for (;;) {
        struct wrapper_message message;
        size_t taken = 0;
        enum codec_result result =
            wrapper_scanner_feed(scanner, data + at, size - at, &message, &taken);

        at += taken;
        if (result == CODEC_NEED_MORE) {
            assert_int_equal(at, size);
            return count;
        }
        assert_int_equal(result, CODEC_OK);
        assert_true(message.apdu_size == 13 || message.apdu_size == 5 || message.apdu_size == 18 ||
                    message.apdu_size == 0);
        count++;
    }
}

static void stream_in_every_cut(void **state)
{
    uint8_t buffer[32];
    uint8_t bytes[128];
    size_t size =
        hex_bytes(GET_NAME RELEASE "0001000100010000" HEARTBEAT GET_NAME, bytes, sizeof(bytes));

    (void)state;
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            struct wrapper_scanner scanner = {.buffer = buffer, .capacity = sizeof(buffer)};
            size_t count = feed(&scanner, bytes, first);

            count += feed(&scanner, bytes + first, second - first);
            count += feed(&scanner, bytes + second, size - second);
            assert_int_equal(count, 5);
        }
    }
}

static void limits_of_the_scanner(void **state)
{
    uint8_t buffer[16];
    uint8_t bytes[64];
    size_t size = hex_bytes(GET_NAME, bytes, sizeof(bytes));
    struct wrapper_scanner scanner = {.buffer = buffer, .capacity = sizeof(buffer)};
    struct wrapper_message message;
    size_t taken = 0;

    (void)state;
    assert_int_equal(wrapper_scanner_feed(&scanner, bytes, size, &message, &taken), CODEC_FULL);
    assert_true(taken <= sizeof(buffer));
    scanner = (struct wrapper_scanner){.buffer = buffer, .capacity = sizeof(buffer)};
    assert_int_equal(wrapper_scanner_feed(&scanner, (const uint8_t *)"hello", 5, &message, &taken),
                     CODEC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_both_ways),
        cmocka_unit_test(every_part_needs_more),
        cmocka_unit_test(another_version_is_refused_at_once),
        cmocka_unit_test(stream_in_every_cut),
        cmocka_unit_test(limits_of_the_scanner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
