/* A million devices: what each costs, all tables included. Measured as what malloc has given out,
 * so it isn't measured under a sanitizer, whose malloc doesn't say. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/directory/directory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#ifdef SANITIZED
#define DEVICES 100000u
#else
#define DEVICES 1000000u
#endif

#define BYTES_PER_DEVICE 200u
#define SERIAL_BYTES     16u /* fifteen digits of an IMEI and NUL */

static size_t allocated_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void write_digits(char *text, uint32_t number)
{
    for (int at = 14; at >= 0; at--) {
        text[at] = (char)('0' + number % 10);
        number /= 10;
    }
    text[15] = '\0';
}

static void test_a_million_devices(void **state)
{
    struct directory_config config = {
        .max_devices = DEVICES,
        .first_port = 20000,
        .last_port = 29999,
    };
    struct plugin_identity identity = {.kind = "irz-modem", .model = "ATM21", .firmware = "1"};
    struct registration r = {.scope = "default", .identity = &identity};
    struct directory *directory;
    size_t before = allocated_bytes();

    (void)state;
    assert_int_equal(directory_create(&config, &directory), STATUS_OK);
    for (uint32_t i = 0; i < DEVICES; i++) {
        write_digits(identity.serial, i);
        r.link.id = i + 1;
        if (directory_register(directory, &r) != REGISTERED_NEW)
            fail();
    }
    size_t each = (allocated_bytes() - before) / DEVICES;
    printf("%zu bytes for each device, its serial and its places in table and order\n", each);
#ifndef SANITIZED
    assert_true(each > SERIAL_BYTES); /* it was measured */
    assert_true(each <= BYTES_PER_DEVICE + SERIAL_BYTES);
#endif
    for (uint32_t i = 0; i < DEVICES; i += 997) {
        write_digits(identity.serial, i);
        assert_non_null(directory_find(directory, "default", identity.serial));
    }
    write_digits(identity.serial, DEVICES);
    r.link.id = DEVICES + 1;
    assert_int_equal(directory_register(directory, &r), REGISTRATION_FULL);
    directory_free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_million_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
