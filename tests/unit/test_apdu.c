/* APDUs and the values inside: vectors, both directions, long answers in blocks, damaged input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/cosem/apdu.h"
#include "codec/cosem/data.h"
#include "tests/hex.h"

#define AARQ "601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0"
#define AARE                                                                                       \
    "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F0400001010"               \
    "01000007"

static void assert_written(const struct bytes_writer *writer, const char *text)
{
    uint8_t expected[512];
    size_t size = hex_bytes(text, expected, sizeof(expected));

    assert_int_equal(bytes_written(writer), CODEC_OK);
    assert_int_equal(writer->size, size);
    assert_memory_equal(writer->data, expected, size);
}

/* ---- association ---- */

static void associate_request_both_ways(void **state)
{
    const struct cosem_associate_request asked = {.conformance = COSEM_CONFORMANCE_ASKED,
                                                  .max_pdu_size = 0x04B0};
    struct cosem_associate_request request;
    uint8_t bytes[64];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));

    (void)state;
    cosem_put_associate_request(&writer, &asked);
    assert_written(&writer, AARQ);
    assert_int_equal(cosem_get_associate_request(bytes, writer.size, &request), CODEC_OK);
    assert_int_equal(request.conformance, 0x007E1F);
    assert_int_equal(request.max_pdu_size, 1200);
    assert_false(request.authenticated);
    for (size_t part = 0; part < writer.size; part++)
        assert_int_equal(cosem_get_associate_request(bytes, part, &request), CODEC_INVALID);
}

/* A request with a password is understood as such; the password goes nowhere. */
static void associate_request_with_password(void **state)
{
    struct cosem_associate_request request;
    uint8_t bytes[80];
    size_t size = hex_bytes("6036A1090607608574050801018A0207808B0760857405080201AC0A8008"
                            "3132333435363738BE10040E01000000065F1F0400007E1FFFFF",
                            bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(cosem_get_associate_request(bytes, size, &request), CODEC_OK);
    assert_true(request.authenticated);
    assert_int_equal(request.max_pdu_size, 0xFFFF);
}

static void associate_response_both_ways(void **state)
{
    const struct cosem_associate_response said = {.conformance = COSEM_CONFORMANCE_GET,
                                                  .max_pdu_size = 256};
    struct cosem_associate_response response;
    uint8_t bytes[64];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));

    (void)state;
    cosem_put_associate_response(&writer, &said);
    assert_written(&writer, AARE);
    assert_int_equal(cosem_get_associate_response(bytes, writer.size, &response), CODEC_OK);
    assert_int_equal(response.result, 0);
    assert_int_equal(response.max_pdu_size, 256);
    assert_int_equal(response.conformance, COSEM_CONFORMANCE_GET);
    for (size_t part = 0; part < writer.size; part++)
        assert_int_equal(cosem_get_associate_response(bytes, part, &response), CODEC_INVALID);
}

static void associate_response_rejects(void **state)
{
    const struct cosem_associate_response said = {.result = 1, .diagnostic = 13};
    struct cosem_associate_response response;
    uint8_t bytes[64];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));

    (void)state;
    cosem_put_associate_response(&writer, &said);
    assert_int_equal(cosem_get_associate_response(bytes, writer.size, &response), CODEC_OK);
    assert_int_equal(response.result, 1);
    assert_int_equal(response.diagnostic, 13);

    /* as some meters reject: with an error in place of the initiate response */
    writer.size = hex_bytes("611FA109060760857405080101A203020101A305A103020101BE0604040E010601",
                            bytes, sizeof(bytes));
    assert_int_equal(cosem_get_associate_response(bytes, writer.size, &response), CODEC_OK);
    assert_int_equal(response.result, 1);
}

static void release_both_ways(void **state)
{
    uint8_t bytes[8];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));

    (void)state;
    cosem_put_release_request(&writer);
    assert_written(&writer, "6203800100");
    writer = bytes_writer_over(bytes, sizeof(bytes));
    cosem_put_release_response(&writer);
    assert_written(&writer, "6303800100");
}

/* ---- GET ---- */

static void get_request_both_ways(void **state)
{
    struct cosem_get_request request = {.kind = COSEM_GET_NORMAL,
                                        .invoke = COSEM_INVOKE,
                                        .attribute = {1, {0, 0, 42, 0, 0, 255}, 2}};
    struct cosem_get_request back;
    uint8_t bytes[64];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));

    (void)state;
    cosem_put_get_request(&writer, &request);
    assert_written(&writer, "C001C1000100002A0000FF0200");
    assert_int_equal(cosem_get_get_request(bytes, writer.size, &back), CODEC_OK);
    assert_int_equal(back.attribute.class_id, 1);
    assert_memory_equal(back.attribute.obis, request.attribute.obis, COSEM_OBIS_SIZE);
    assert_int_equal(back.attribute.attribute, 2);
    assert_int_equal(back.access_selector, 0);
    for (size_t part = 0; part < writer.size; part++)
        assert_int_equal(cosem_get_get_request(bytes, part, &back), CODEC_INVALID);

    writer = bytes_writer_over(bytes, sizeof(bytes));
    request = (struct cosem_get_request){.kind = COSEM_GET_NEXT, .invoke = 0xC1, .block = 7};
    cosem_put_get_request(&writer, &request);
    assert_written(&writer, "C002C100000007");
    assert_int_equal(cosem_get_get_request(bytes, writer.size, &back), CODEC_OK);
    assert_int_equal(back.kind, COSEM_GET_NEXT);
    assert_int_equal(back.block, 7);
}

static void get_request_with_selection(void **state)
{
    struct cosem_get_request back;
    struct cosem_get_request request = {.kind = COSEM_GET_NORMAL,
                                        .invoke = 0xC1,
                                        .attribute = {7, {1, 0, 99, 1, 0, 255}, 2},
                                        .access_selector = 2};
    uint8_t entries[16];
    uint8_t bytes[64];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));

    (void)state;
    request.access = entries;
    request.access_size = hex_bytes("0202 0600000001 0600000018", entries, sizeof(entries));
    cosem_put_get_request(&writer, &request);
    assert_written(&writer, "C001C100070100630100FF020102020206000000010600000018");
    assert_int_equal(cosem_get_get_request(bytes, writer.size, &back), CODEC_OK);
    assert_int_equal(back.access_selector, 2);
    assert_int_equal(back.access_size, request.access_size);
    assert_memory_equal(back.access, entries, back.access_size);
    assert_int_equal(cosem_get_get_request(bytes, writer.size - 1, &back), CODEC_INVALID);
    bytes[13] = 0; /* a selection without a selector */
    assert_int_equal(cosem_get_get_request(bytes, writer.size, &back), CODEC_INVALID);
}

static void get_response_both_ways(void **state)
{
    struct cosem_get_response response = {
        .invoke = 0xC1, .data = (const uint8_t *)"\x0F\x05", .data_size = 2};
    struct cosem_get_response back;
    uint8_t bytes[32];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));

    (void)state;
    cosem_put_get_response(&writer, &response);
    assert_written(&writer, "C401C1000F05");
    assert_int_equal(cosem_get_get_response(bytes, writer.size, &back), CODEC_OK);
    assert_int_equal(back.data_size, 2);
    assert_memory_equal(back.data, "\x0F\x05", 2);

    writer = bytes_writer_over(bytes, sizeof(bytes));
    response.access_result = COSEM_ACCESS_OBJECT_UNDEFINED;
    cosem_put_get_response(&writer, &response);
    assert_written(&writer, "C401C10104");
    assert_int_equal(cosem_get_get_response(bytes, writer.size, &back), CODEC_OK);
    assert_int_equal(back.access_result, COSEM_ACCESS_OBJECT_UNDEFINED);

    writer = bytes_writer_over(bytes, sizeof(bytes));
    cosem_put_exception(&writer, 1, 1);
    assert_written(&writer, "D80101");
    assert_int_equal(cosem_get_get_response(bytes, writer.size, &back), CODEC_OK);
    assert_int_not_equal(back.access_result, 0);

    assert_int_equal(cosem_get_get_response(bytes, 0, &back), CODEC_INVALID);
    assert_int_equal(cosem_get_get_response((const uint8_t *)"\xC4\x03\xC1\x00", 4, &back),
                     CODEC_INVALID);
}

/* Sends a value of value_size bytes as a meter would and reads it as a client would. Returns how
 * many answers it took. */
static size_t transfer(const uint8_t *value, size_t value_size, size_t max_pdu_size)
{
    static uint8_t received[5000];
    struct cosem_block_sender sender = {.data = value, .size = value_size};
    struct cosem_block_receiver receiver = {.buffer = received, .capacity = sizeof(received)};
    size_t answers = 0;

    for (;;) {
        uint8_t bytes[1024];
        struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));
        struct cosem_get_response response;
        enum codec_result result;

        cosem_block_sender_put(&sender, COSEM_INVOKE, max_pdu_size, &writer);
        answers++;
        assert_int_equal(bytes_written(&writer), CODEC_OK);
        assert_true(writer.size <= max_pdu_size);
        assert_int_equal(cosem_get_get_response(bytes, writer.size, &response), CODEC_OK);
        result = cosem_block_receiver_take(&receiver, &response);
        if (result == CODEC_OK)
            break;
        assert_int_equal(result, CODEC_NEED_MORE);
        assert_false(cosem_block_sender_expects(&sender, receiver.block + 1));
        assert_true(cosem_block_sender_expects(&sender, receiver.block));
    }
    assert_false(cosem_block_sender_expects(&sender, receiver.block));
    assert_int_equal(receiver.size, value_size);
    assert_memory_equal(received, value, value_size);
    return answers;
}

static void long_answers_go_in_blocks(void **state)
{
    static uint8_t value[4000];

    (void)state;
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)(i * 31 + i / 256);
    assert_int_equal(transfer(value, 252, 256), 1);
    assert_int_equal(transfer(value, 253, 256), 2);
    assert_int_equal(transfer(value, sizeof(value), 256), 17);
    for (size_t size = 1; size < 600; size++)
        transfer(value, size, 32 + size % 100);
}

static void blocks_out_of_order_are_refused(void **state)
{
    uint8_t buffer[8];
    struct cosem_block_receiver receiver = {.buffer = buffer, .capacity = sizeof(buffer)};
    struct cosem_get_response response = {
        .in_blocks = true, .block = 1, .data = (const uint8_t *)"12345", .data_size = 5};

    (void)state;
    assert_int_equal(cosem_block_receiver_take(&receiver, &response), CODEC_NEED_MORE);
    assert_int_equal(cosem_block_receiver_take(&receiver, &response), CODEC_INVALID);
    response.block = 2;
    assert_int_equal(cosem_block_receiver_take(&receiver, &response), CODEC_FULL);
    response.data_size = 0;
    assert_int_equal(cosem_block_receiver_take(&receiver, &response), CODEC_INVALID);
    response.last = true;
    assert_int_equal(cosem_block_receiver_take(&receiver, &response), CODEC_OK);
    assert_int_equal(receiver.size, 5);
}

/* ---- values ---- */

static void integers_of_all_sizes(void **state)
{
    static const struct {
        enum cosem_tag tag;
        int64_t value;
        const char *hex;
    } cases[] = {
        {COSEM_BOOLEAN, 1, "0301"},
        {COSEM_INT8, -1, "0FFF"},
        {COSEM_INT8, 127, "0F7F"},
        {COSEM_UINT8, 255, "11FF"},
        {COSEM_ENUM, 30, "161E"},
        {COSEM_INT16, -32768, "108000"},
        {COSEM_UINT16, 65535, "12FFFF"},
        {COSEM_INT32, -2, "05FFFFFFFE"},
        {COSEM_UINT32, 4294967295, "06FFFFFFFF"},
        {COSEM_INT64, INT64_MIN, "148000000000000000"},
        {COSEM_UINT64, INT64_MAX, "157FFFFFFFFFFFFFFF"},
        {COSEM_BCD, 0x42, "0D42"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[16];
        struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));
        struct bytes_reader reader;
        struct cosem_value value;

        cosem_put_integer(&writer, cases[i].tag, cases[i].value);
        assert_written(&writer, cases[i].hex);
        for (size_t part = 0; part < writer.size; part++) {
            reader = bytes_reader_over(bytes, part);
            assert_int_equal(cosem_get_value(&reader, &value), CODEC_NEED_MORE);
        }
        reader = bytes_reader_over(bytes, writer.size);
        assert_int_equal(cosem_get_value(&reader, &value), CODEC_OK);
        assert_int_equal(value.tag, cases[i].tag);
        assert_true(value.integer == cases[i].value);
        assert_int_equal(bytes_left(&reader), 0);
    }
}

static void reals_strings_and_groups(void **state)
{
    uint8_t bytes[256];
    char text[130] = {0};
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));
    struct bytes_reader reader;
    struct cosem_value value;

    (void)state;
    memset(text, 'x', sizeof(text));
    cosem_put_group(&writer, COSEM_STRUCTURE, 5);
    cosem_put_null(&writer);
    cosem_put_real(&writer, COSEM_FLOAT32, 1.5);
    cosem_put_real(&writer, COSEM_FLOAT64, -0.1);
    cosem_put_bytes(&writer, COSEM_VISIBLE_STRING, text, sizeof(text));
    cosem_put_bytes(&writer, COSEM_OCTET_STRING, NULL, 0);
    assert_int_equal(bytes_written(&writer), CODEC_OK);
    assert_memory_equal(bytes, "\x02\x05\x00\x17\x3F\xC0\x00\x00\x18", 9);

    reader = bytes_reader_over(bytes, writer.size);
    assert_int_equal(cosem_skip_value(&reader), CODEC_OK);
    assert_int_equal(bytes_left(&reader), 0);

    reader = bytes_reader_over(bytes, writer.size);
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_OK);
    assert_int_equal(value.count, 5);
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_OK);
    assert_int_equal(value.tag, COSEM_NULL);
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_OK);
    assert_true(value.real == 1.5);
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_OK);
    assert_true(value.real == -0.1);
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_OK);
    assert_int_equal(value.size, sizeof(text));
    assert_memory_equal(value.bytes, text, sizeof(text));
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_OK);
    assert_int_equal(value.size, 0);
}

static void bit_strings_are_counted_in_bits(void **state)
{
    struct bytes_reader reader = bytes_reader_over("\x04\x09\xFF\x80\x11\x07", 6);
    struct cosem_value value;

    (void)state;
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_OK);
    assert_int_equal(value.count, 9);
    assert_int_equal(value.size, 2);
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_OK);
    assert_int_equal(value.integer, 7);
}

static void damaged_values(void **state)
{
    struct bytes_reader reader = bytes_reader_over("\x63", 1);
    struct cosem_value value;
    uint8_t deep[2 * (COSEM_MAX_DEPTH + 1) + 1];

    (void)state;
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_INVALID);
    reader = bytes_reader_over("\x09\x85\x01\x01\x01\x01\x01", 7);
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_INVALID);
    reader = bytes_reader_over("\x09\x84\xFF\xFF\xFF\xFF", 6);
    assert_int_equal(cosem_get_value(&reader, &value), CODEC_NEED_MORE);
    reader = bytes_reader_over("\x01\x84\xFF\xFF\xFF\xFF", 6);
    assert_int_equal(cosem_skip_value(&reader), CODEC_NEED_MORE);

    for (size_t i = 0; i < sizeof(deep); i++)
        deep[i] = i % 2 == 0 ? COSEM_STRUCTURE : 1;
    deep[sizeof(deep) - 1] = COSEM_NULL;
    reader = bytes_reader_over(deep, sizeof(deep));
    assert_int_equal(cosem_skip_value(&reader), CODEC_INVALID);
    reader = bytes_reader_over(deep + 2, sizeof(deep) - 2);
    assert_int_equal(cosem_skip_value(&reader), CODEC_OK);
}

static void date_and_time(void **state)
{
    const struct cosem_date_time noon = {.year = 2026,
                                         .month = 10,
                                         .day = 15,
                                         .weekday = 4,
                                         .hour = 12,
                                         .minute = 30,
                                         .second = 59,
                                         .hundredths = COSEM_NOT_SPECIFIED,
                                         .deviation_minutes = -180};
    struct cosem_date_time back;
    uint8_t bytes[COSEM_DATE_TIME_SIZE];
    uint8_t expected[COSEM_DATE_TIME_SIZE];

    (void)state;
    cosem_date_time_encode(&noon, bytes);
    hex_bytes("07EA0A0F040C1E3BFFFF4C00", expected, sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(bytes));
    assert_int_equal(cosem_date_time_decode(bytes, sizeof(bytes), &back), CODEC_OK);
    assert_int_equal(back.year, 2026);
    assert_int_equal(back.second, 59);
    assert_int_equal(back.deviation_minutes, -180);

    assert_int_equal(cosem_date_time_decode(bytes, sizeof(bytes) - 1, &back), CODEC_INVALID);
    bytes[2] = 13;
    assert_int_equal(cosem_date_time_decode(bytes, sizeof(bytes), &back), CODEC_INVALID);
    memset(bytes, 0xFF, sizeof(bytes));
    bytes[9] = 0x80;
    bytes[10] = 0x00;
    assert_int_equal(cosem_date_time_decode(bytes, sizeof(bytes), &back), CODEC_OK);
    assert_int_equal(back.deviation_minutes, COSEM_DEVIATION_UNKNOWN);
}

static void a_full_writer_says_so(void **state)
{
    uint8_t bytes[64];

    (void)state;
    for (size_t capacity = 0; capacity < 31; capacity++) {
        struct bytes_writer writer = bytes_writer_over(bytes, capacity);
        const struct cosem_associate_request request = {.conformance = 1};

        cosem_put_associate_request(&writer, &request);
        assert_int_equal(bytes_written(&writer), CODEC_FULL);
        assert_true(writer.size <= capacity);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(associate_request_both_ways),
        cmocka_unit_test(associate_request_with_password),
        cmocka_unit_test(associate_response_both_ways),
        cmocka_unit_test(associate_response_rejects),
        cmocka_unit_test(release_both_ways),
        cmocka_unit_test(get_request_both_ways),
        cmocka_unit_test(get_request_with_selection),
        cmocka_unit_test(get_response_both_ways),
        cmocka_unit_test(long_answers_go_in_blocks),
        cmocka_unit_test(blocks_out_of_order_are_refused),
        cmocka_unit_test(integers_of_all_sizes),
        cmocka_unit_test(reals_strings_and_groups),
        cmocka_unit_test(bit_strings_are_counted_in_bits),
        cmocka_unit_test(damaged_values),
        cmocka_unit_test(date_and_time),
        cmocka_unit_test(a_full_writer_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
