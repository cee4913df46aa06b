/* CRC-32C against the examples of RFC 3720 appendix B.4, by table and by instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/crc32c.h"

static void check(const void *data, size_t size, uint32_t expected)
{
    assert_int_equal(crc32c(0, data, size), expected);
    assert_int_equal(crc32c_portable(0, data, size), expected);
}

static void examples_of_the_standard(void **state)
{
    (void)state;
    static const uint8_t read_command[48] = {
        0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02,
    };
    uint8_t bytes[32] = {0};
    check(bytes, sizeof bytes, 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    check(bytes, sizeof bytes, 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    check(bytes, sizeof bytes, 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    check(bytes, sizeof bytes, 0x113fdb5c);
    check(read_command, sizeof read_command, 0xd9963a56);
    check("123456789", 9, 0xe3069283);
    check("", 0, 0);
}

static void the_instruction_is_the_table(void **state)
{
    (void)state;
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i + 7 * i);
    for (size_t start = 0; start < 9; start++)
        for (size_t size = 0; start + size <= sizeof bytes; size++)
            assert_int_equal(crc32c(7, bytes + start, size),
                             crc32c_portable(7, bytes + start, size));
}

static void parts_make_the_whole(void **state)
{
    (void)state;
    static const char text[] = "what was said to be recorded must be there afterwards";
    uint32_t whole = crc32c(0, text, sizeof text);
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        uint32_t part = crc32c(0, text, cut);
        assert_int_equal(crc32c(part, text + cut, sizeof text - cut), whole);
        part = crc32c_portable(0, text, cut);
        assert_int_equal(crc32c_portable(part, text + cut, sizeof text - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_standard),
        cmocka_unit_test(the_instruction_is_the_table),
        cmocka_unit_test(parts_make_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
