/* Who changed the signal is noted once, within a bound, and only while somebody follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/directory/directory.h"
#include "server/directory/signals.h"

static struct directory *directory;
static struct registration devices[SIGNALS_MAX + 1];

static void register_devices(size_t count)
{
    static const struct directory_config config = {.max_devices = SIGNALS_MAX + 1};

    assert_int_equal(directory_create(&config, &directory), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        struct plugin_identity identity = {.signal_csq = 9};
        (void)snprintf(identity.serial, sizeof(identity.serial), "%zu", i);
        devices[i] = (struct registration){
            .scope = "meters", .identity = &identity, .link = {.id = i + 1}, .utc_ms = 1};
        assert_int_equal(directory_register(directory, &devices[i]), REGISTERED_NEW);
        devices[i].identity = NULL;
    }
}

static void set(size_t number, uint8_t csq)
{
    directory_set_signal(directory, devices[number].device, &devices[number].link, csq);
}

static size_t take_all(void)
{
    size_t count = 0;

    while (directory_signals_take(directory) != NULL)
        count++;
    return count;
}

static void test_noted_once(void **state)
{
    (void)state;
    register_devices(2);
    set(0, 1);
    assert_int_equal(take_all(), 0); /* nobody followed */
    directory_signals_follow(directory, true);
    set(0, 1); /* no other one */
    assert_int_equal(take_all(), 0);
    set(0, 2);
    set(0, 3);
    set(1, 3);
    set(0, 4);
    assert_int_equal(take_all(), 2);
    set(0, 5);
    assert_ptr_equal(directory_signals_take(directory), devices[0].device);
    assert_null(directory_signals_take(directory));
    assert_false(directory_signals_lost(directory));
    directory_free(directory);
}

static void test_who_follows_again_begins_anew(void **state)
{
    (void)state;
    register_devices(1);
    directory_signals_follow(directory, true);
    set(0, 1);
    directory_signals_follow(directory, false);
    set(0, 2);
    directory_signals_follow(directory, true);
    assert_int_equal(take_all(), 0);
    set(0, 3);
    assert_int_equal(take_all(), 1);
    directory_free(directory);
}

static void test_too_many(void **state)
{
    (void)state;
    register_devices(SIGNALS_MAX + 1);
    directory_signals_follow(directory, true);
    for (size_t i = 0; i < SIGNALS_MAX; i++)
        set(i, 1);
    assert_false(directory_signals_lost(directory));
    set(SIGNALS_MAX, 1);
    assert_true(directory_signals_lost(directory));
    assert_false(directory_signals_lost(directory));
    assert_int_equal(take_all(), SIGNALS_MAX);
    set(SIGNALS_MAX, 2);
    assert_int_equal(take_all(), 1);
    directory_free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noted_once),
        cmocka_unit_test(test_who_follows_again_begins_anew),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
