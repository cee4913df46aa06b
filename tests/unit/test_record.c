/* Bytes of a segment: header and record there and back, their layout, and that no changed byte and
 * no missing end passes for a record. Names of segment files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/crc32c.h"
#include "server/journal/journal.h"
#include "server/journal/name.h"
#include "server/journal/record.h"

#define SEED 0x5eed1234u

static const uint8_t payload[] = "a meter says hello";

static const struct record example = {.sequence = 0x0102030405060708,
                                      .committed = 0x0102030405060700,
                                      .payload = payload,
                                      .size = sizeof payload,
                                      .kind = JOURNAL_EVENT};

static void the_header_there_and_back(void **state)
{
    (void)state;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    struct segment_header read;
    struct segment_header header = {
        .first_sequence = 77, .created_utc_ms = 1700000000123, .seed = SEED};
    (void)snprintf(header.node, sizeof header.node, "north");
    segment_header_encode(&header, bytes);
    assert_memory_equal(bytes, "CENCJRN1\1\0\0\0", 12);
    assert_memory_equal(bytes + 16, "\x4d\0\0\0\0\0\0\0", 8);
    assert_memory_equal(bytes + 32, "north\0", 6);
    assert_memory_equal(bytes + 64, "\x34\x12\xed\x5e\0\0\0\0", 8);
    assert_true(segment_header_decode(bytes, &read));
    assert_int_equal(read.first_sequence, 77);
    assert_int_equal(read.created_utc_ms, 1700000000123);
    assert_string_equal(read.node, "north");
    assert_int_equal(read.seed, SEED);
    for (size_t at = 0; at < sizeof bytes; at++) {
        bytes[at] ^= 0x10;
        assert_false(segment_header_decode(bytes, &read));
        bytes[at] ^= 0x10;
    }
}

static void the_layout_of_a_header_with_a_batch(void **state)
{
    (void)state;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    struct segment_header read;
    struct segment_header header = {.first_sequence = 77, .seed = SEED, .batch = 3};
    segment_header_encode(&header, bytes);
    assert_memory_equal(bytes, "CENCJRN1\2\0\0\0", 12);
    assert_memory_equal(bytes + 68, "\3\0\0\0", 4);
    assert_true(segment_header_decode(bytes, &read));
    assert_int_equal(read.batch, 3);
    assert_int_equal(segment_number(&read, 77), 0);
    assert_int_equal(segment_number(&read, 79), 2);
    assert_int_equal(segment_number(&read, 80), 80);
    for (size_t at = 0; at < sizeof bytes; at++) {
        bytes[at] ^= 0x10;
        assert_false(segment_header_decode(bytes, &read));
        bytes[at] ^= 0x10;
    }
}

static void the_layout_of_a_record(void **state)
{
    (void)state;
    uint8_t bytes[64];
    assert_int_equal(record_size(sizeof payload), 56);
    memset(bytes, 0xee, sizeof bytes);
    record_encode(SEED, &example, bytes);
    assert_memory_equal(bytes, "\x13\0\0\0", 4);
    assert_memory_equal(bytes + 8, "\x08\7\6\5\4\3\2\1\0\7\6\5\4\3\2\1\1\0\0\0\0\0\0\0", 24);
    assert_memory_equal(bytes + 32, payload, sizeof payload);
    assert_memory_equal(bytes + 51, "\0\0\0\0\0\xee", 6);
    uint32_t crc = crc32c(crc32c(SEED, bytes, 4), bytes + 8, 24 + sizeof payload);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(bytes[4 + i], (uint8_t)(crc >> (8 * i)));
}

static void a_record_there_and_back(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 7, 8, 9, 4096, JOURNAL_RECORD_MAX};
    uint8_t *data = calloc(1, JOURNAL_RECORD_MAX);
    uint8_t *bytes = malloc(record_size(JOURNAL_RECORD_MAX));
    assert_true(data != NULL && bytes != NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct record record = example;
        struct record read;
        size_t taken;
        record.payload = data;
        record.size = sizes[i];
        record.kind = JOURNAL_PRIVATE;
        memset(data, (int)i + 1, sizes[i]);
        record_encode(SEED, &record, bytes);
        assert_int_equal(record_decode(SEED, bytes, record_size(sizes[i]), &read, &taken),
                         RECORD_GOOD);
        assert_int_equal(taken, record_size(sizes[i]));
        assert_int_equal(read.sequence, record.sequence);
        assert_int_equal(read.committed, record.committed);
        assert_int_equal(read.kind, JOURNAL_PRIVATE);
        assert_int_equal(read.size, sizes[i]);
        assert_memory_equal(read.payload, data, sizes[i]);
    }
    free(data);
    free(bytes);
}

static void a_changed_byte_is_no_record(void **state)
{
    (void)state;
    uint8_t bytes[56];
    struct record read;
    size_t taken;
    record_encode(SEED, &example, bytes);
    for (size_t bit = 0; bit < 8 * (RECORD_HEADER_SIZE + sizeof payload); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(record_decode(SEED, bytes, sizeof bytes, &read, &taken), RECORD_GOOD);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(record_decode(SEED, bytes, sizeof bytes, &read, &taken), RECORD_GOOD);
}

static void a_cut_record_is_short(void **state)
{
    (void)state;
    uint8_t bytes[56];
    struct record read;
    size_t taken;
    record_encode(SEED, &example, bytes);
    for (size_t size = 0; size < sizeof bytes; size++)
        assert_int_equal(record_decode(SEED, bytes, size, &read, &taken), RECORD_SHORT);
}

static void zeros_and_noise_are_no_record(void **state)
{
    (void)state;
    uint8_t bytes[256] = {0};
    struct record read;
    size_t taken;
    assert_int_equal(record_decode(SEED, bytes, sizeof bytes, &read, &taken), RECORD_BAD);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(record_decode(SEED, bytes, sizeof bytes, &read, &taken), RECORD_BAD);
}

/* What belongs to another segment is none of this one. */
static void a_record_of_another_seed_is_none(void **state)
{
    (void)state;
    uint8_t bytes[56];
    struct record read;
    size_t taken;
    record_encode(SEED + 1, &example, bytes);
    assert_int_equal(record_decode(SEED, bytes, sizeof bytes, &read, &taken), RECORD_BAD);
    assert_int_equal(record_decode(SEED + 1, bytes, sizeof bytes, &read, &taken), RECORD_GOOD);
}

/* Only a seal has no payload, and it has none. */
static void a_seal_there_and_back(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct record read;
    size_t taken;
    struct record seal = {.sequence = 10, .committed = 9, .kind = RECORD_SEAL};
    record_encode(SEED, &seal, bytes);
    assert_int_equal(record_decode(SEED, bytes, RECORD_HEADER_SIZE, &read, &taken), RECORD_GOOD);
    assert_int_equal(taken, RECORD_HEADER_SIZE);
    assert_int_equal(read.kind, RECORD_SEAL);
    assert_int_equal(read.committed, 9);
    seal.kind = JOURNAL_EVENT;
    record_encode(SEED, &seal, bytes);
    assert_int_equal(record_decode(SEED, bytes, sizeof bytes, &read, &taken), RECORD_BAD);
    seal.kind = RECORD_SEAL;
    seal.payload = payload;
    seal.size = sizeof payload;
    record_encode(SEED, &seal, bytes);
    assert_int_equal(record_decode(SEED, bytes, sizeof bytes, &read, &taken), RECORD_BAD);
}

/* A disk that is full for three hours makes attempts of five digits. */
static void names_of_files(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "00000000000000000007-0000",
        "00000000000000000007-000.seg",
        "0000000000000000007-0000.seg",
        "000000000000000000007-0000.seg",
        "00000000000000000007-0000.seg~",
        "00000000000000000007_0000.seg",
        "0000000000000000000x-0000.seg",
        "00000000000000000000-0000.seg",
        "99999999999999999999-0000.seg",
        "00000000000000000007-99999999999.seg",
        "-0000000000000000007-0000.seg",
    };
    struct segment segment;
    char path[PATH_SIZE];
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(segment_name_parse(others[i], &segment));
    struct segment example_segment = {.first = 7, .attempt = 12345};
    segment_file_path("/var/x", &example_segment, path);
    assert_string_equal(path, "/var/x/00000000000000000007-12345.seg");
    assert_true(segment_name_parse(path + 7, &segment));
    assert_int_equal(segment.first, 7);
    assert_int_equal(segment.attempt, 12345);
    assert_true(segment_name_parse("18446744073709551615-0003.seg", &segment));
    assert_true(segment.first == UINT64_MAX && segment.attempt == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_there_and_back),
        cmocka_unit_test(the_layout_of_a_header_with_a_batch),
        cmocka_unit_test(the_layout_of_a_record),
        cmocka_unit_test(a_record_there_and_back),
        cmocka_unit_test(a_changed_byte_is_no_record),
        cmocka_unit_test(a_cut_record_is_short),
        cmocka_unit_test(zeros_and_noise_are_no_record),
        cmocka_unit_test(a_record_of_another_seed_is_none),
        cmocka_unit_test(a_seal_there_and_back),
        cmocka_unit_test(names_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
