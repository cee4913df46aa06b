/* The keys of redis in the configuration; what a url may be is in test_redis_url.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "tests/unit/config_text.h"

#define KEPT "server: {state_dir: /tmp/x}\n"
#define URL  "redis://127.0.0.1:6379/0"

static void test_off_unless_told(void **state)
{
    struct config *config = config_text_good(CONFIG_LISTENER);

    (void)state;
    assert_int_equal(config->redis.url.address.family, 0);
    assert_string_equal(config->redis.user, "");
    assert_string_equal(config->redis.password_file, "");
    assert_string_equal(config->redis.prefix, "cencd:");
    assert_int_equal(config->redis.presence_ttl_s, 90);
    config_free(config);
    assert_config_good("redis: {url: \"\"}\n" CONFIG_LISTENER);
}

static void test_all_are_read(void **state)
{
    struct config *config = config_text_good(
        KEPT "redis:\n  url: redis://10.0.0.1:6380/7\n  user: cencd\n  password_file: /etc/secret\n"
             "  prefix: \"meters/\"\n  presence_ttl_s: 86400\n" CONFIG_LISTENER);

    (void)state;
    assert_int_equal(config->redis.url.address.family, 4);
    assert_int_equal(config->redis.url.address.ip[0], 10);
    assert_int_equal(config->redis.url.address.port, 6380);
    assert_int_equal(config->redis.url.database, 7);
    assert_string_equal(config->redis.user, "cencd");
    assert_string_equal(config->redis.password_file, "/etc/secret");
    assert_string_equal(config->redis.prefix, "meters/");
    assert_int_equal(config->redis.presence_ttl_s, 86400);
    config_free(config);
}

static void test_it_needs_a_journal(void **state)
{
    (void)state;
    assert_config_key_error("redis: {url: " URL "}\n",
                            "f:1:14: url: Redis is written from the journal, which needs a folder; "
                            "expected server.state_dir to be set\n");
}

/* Redis has no user without a password. */
static void test_a_user_needs_a_password(void **state)
{
    (void)state;
    assert_config_key_error(KEPT "redis:\n  url: " URL "\n  user: cencd\n",
                            "f:4:9: user: a user logs in with a password; expected "
                            "redis.password_file to be set\n");
    assert_config_good(KEPT "redis:\n  url: " URL
                            "\n  password_file: /etc/secret\n" CONFIG_LISTENER);
}

static void test_ranges(void **state)
{
    (void)state;
    assert_config_key_error(KEPT "redis: {presence_ttl_s: 9}\n",
                            "f:2:25: presence_ttl_s: 9; expected an integer 10..86400 (s)\n");
    assert_config_key_error(KEPT "redis: {presence_ttl_s: 86401}\n",
                            "f:2:25: presence_ttl_s: 86401; expected an integer 10..86400 (s)\n");
    assert_config_key_error(
        KEPT "redis: {prefix: \"a b\"}\n",
        "f:2:17: prefix: \"a b\" (in quotes); expected at most 63 characters, printable ASCII "
        "without spaces\n");
    assert_config_key_error(KEPT "redis: {password_file: secret}\n",
                            "f:2:24: password_file: secret; expected an absolute path of at most "
                            "200 characters, or \"\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_unless_told),
        cmocka_unit_test(test_all_are_read),
        cmocka_unit_test(test_it_needs_a_journal),
        cmocka_unit_test(test_a_user_needs_a_password),
        cmocka_unit_test(test_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
