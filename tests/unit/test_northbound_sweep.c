/* Devices that are gone leave the ledger, and the list of those who wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/northbound/ledger.h"
#include "server/northbound/waiting.h"

#define DEVICES 501u /* more than are looked at at once */
#define ODD     251u

static bool is_odd(const char *scope, const char *serial, void *context)
{
    (void)scope;
    (void)context;
    return (strtoul(serial, NULL, 10) & 1) != 0;
}

static void test_ledger_sweep(void **state)
{
    struct ledger *ledger = NULL;
    struct ledger_error error;
    bool fresh = false;

    (void)state;
    assert_int_equal(ledger_open(NULL, &ledger, &fresh, &error), STATUS_OK);
    for (unsigned i = 1; i <= DEVICES; i++) {
        struct ledger_row row = {.scope = "s", .state = LEDGER_ACCEPTED};
        (void)snprintf(row.serial, sizeof(row.serial), "%u", i);
        assert_int_equal(ledger_put(ledger, &row, &error), STATUS_OK);
    }
    assert_int_equal(ledger_sweep(ledger, is_odd, NULL, &error), STATUS_OK);
    for (unsigned i = 1; i <= DEVICES; i++) {
        struct ledger_row row = {.scope = "s"};
        (void)snprintf(row.serial, sizeof(row.serial), "%u", i);
        assert_int_equal(ledger_find(ledger, &row, &error), STATUS_OK);
        assert_int_equal(row.state, (i & 1) != 0 ? LEDGER_ACCEPTED : LEDGER_NONE);
    }
    ledger_close(ledger);
}

static void test_waiting_sweep(void **state)
{
    struct waiting_devices devices;
    struct waiting_walker walker = {0};
    char serial[16];

    (void)state;
    assert_int_equal(waiting_init(&devices), STATUS_OK);
    waiting_walk(&devices, &walker);
    for (unsigned i = 1; i <= DEVICES; i++) {
        (void)snprintf(serial, sizeof(serial), "%u", i);
        waiting_add(&devices, (const struct device *)(const void *)&devices, "s", serial);
    }
    waiting_sweep(&devices, is_odd, NULL);
    assert_int_equal(devices.count, ODD);
    for (unsigned i = 0; i < ODD; i++)
        assert_non_null(waiting_next(&devices, &walker));
    assert_null(waiting_next(&devices, &walker));
    waiting_free(&devices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_sweep),
        cmocka_unit_test(test_waiting_sweep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
