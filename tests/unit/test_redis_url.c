/* Where Redis is: what redis.url may say, and what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/redis_url.h"

static void assert_url(const char *text, const char *host, unsigned port, unsigned database,
                       bool tls, bool is_name)
{
    struct config_redis_url url;

    assert_true(redis_url_parse(text, &url));
    assert_string_equal(url.host, host);
    assert_int_equal(url.address.port, port);
    assert_int_not_equal(url.address.family, 0);
    assert_int_equal(url.database, database);
    assert_int_equal(url.tls, tls);
    assert_int_equal(url.is_name, is_name);
}

static void good_ones(void **state)
{
    (void)state;
    assert_url("redis://127.0.0.1:6379", "127.0.0.1", 6379, 0, false, false);
    assert_url("redis://127.0.0.1:6379/", "127.0.0.1", 6379, 0, false, false);
    assert_url("rediss://[2001:db8::1]:6380/3", "2001:db8::1", 6380, 3, true, false);
    assert_url("rediss://redis.utility.example:6380/15", "redis.utility.example", 6380, 15, true,
               true);
    assert_url("redis://localhost:1", "localhost", 1, 0, false, true);
    assert_url("redis://a_b-c.1x:65535/65535", "a_b-c.1x", 65535, 65535, false, true);
}

static void bad_ones(void **state)
{
    static const char *const texts[] = {
        "",
        "redis://",
        "redis:/127.0.0.1:1",
        "http://127.0.0.1:6379",
        "redis://127.0.0.1",
        "redis://127.0.0.1:0",
        "redis://127.0.0.1:65536",
        "redis://127.0.0.1:6379/65536",
        "redis://127.0.0.1:6379/-1",
        "redis://127.0.0.1:6379/x",
        "redis://127.0.0.256:6379",
        "redis://1234:6379",
        "redis://host",
        "redis://host:",
        "redis://:6379",
        "redis://.host:6379",
        "redis://-host:6379",
        "redis://ho st:6379",
        "redis://user:password@host:6379",
        "redis://[::1:6379",
        "Redis://host:6379",
    };
    char name[300];
    char text[400];
    struct config_redis_url url;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(redis_url_parse(texts[i], &url));
    (void)memset(name, 'a', sizeof(name));
    for (int size = 240; size < 270; size++) {
        (void)snprintf(text, sizeof(text), "redis://%.*s:6379", size, name);
        assert_int_equal(redis_url_parse(text, &url), size < CONFIG_HOST_SIZE);
    }
}

static void a_password_is_not_told(void **state)
{
    (void)state;
    assert_null(strstr(redis_url_mistake("redis://me:s3cr3t@host:1"), "s3cr3t"));
    assert_null(redis_url_mistake("redis://host"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(bad_ones),
        cmocka_unit_test(a_password_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
