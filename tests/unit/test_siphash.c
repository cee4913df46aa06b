/* The hash against the values its authors published (key 00 01 .. 0f, input 00 01 .. of each
 * length), and its key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/siphash.h"

static const struct siphash_key published_key = {
    .low = 0x0706050403020100u,
    .high = 0x0f0e0d0c0b0a0908u,
};

static void test_published_values(void **state)
{
    static const struct {
        size_t size;
        uint64_t hash;
    } values[] = {
        {0, 0x726fdb47dd0e0e31u},
        {1, 0x74f839c593dc67fdu},
        {15, 0xa129ca6149be45e5u},
    };
    uint8_t input[16];

    (void)state;
    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_true(siphash(&published_key, input, values[i].size) == values[i].hash);
}

static void test_every_byte_and_the_length_count(void **state)
{
    uint8_t input[24] = {0};

    (void)state;
    for (size_t size = 1; size <= sizeof(input); size++) {
        uint64_t plain = siphash(&published_key, input, size);
        assert_true(plain != siphash(&published_key, input, size - 1));
        for (size_t at = 0; at < size; at++) {
            input[at] = 1;
            assert_true(plain != siphash(&published_key, input, size));
            input[at] = 0;
        }
    }
}

static void test_keys_differ(void **state)
{
    struct siphash_key a = siphash_random_key();
    struct siphash_key b = siphash_random_key();

    (void)state;
    assert_true(a.low != b.low || a.high != b.high);
    assert_true(siphash(&a, "868441", 6) != siphash(&b, "868441", 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_values),
        cmocka_unit_test(test_every_byte_and_the_length_count),
        cmocka_unit_test(test_keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
