/* The configuration: every mistake in a file or a value is named with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "config/config.h"
#include "config/tree.h"
#include "tests/unit/config_text.h"

/* ---- whole files ---- */

static void test_empty_files(void **state)
{
    static const char *const empty[] = {"", "\n", "# only this\n", "---\n", "---\n...\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
        assert_config_errors(empty[i], "f:1:1: the file is empty; expected at least listeners\n");
}

static void test_no_listeners(void **state)
{
    (void)state;
    assert_config_errors("log: {level: info}\n",
                         "f:1:1: listeners is missing; expected a list of 1..1024 listeners\n");
    assert_config_errors("listeners: []\n",
                         "f:1:12: listeners: a list of 0; expected a list of 1..1024 listeners\n");
    assert_config_errors("listeners:\n",
                         "f:1:11: listeners: nothing; expected a list of 1..1024 listeners\n");
}

static void test_root_is_a_map(void **state)
{
    (void)state;
    assert_config_errors("- a\n", "f:1:1: a list; expected sections, such as \"listeners:\"\n");
    assert_config_errors("\n  word\n",
                         "f:2:3: a text; expected sections, such as \"listeners:\"\n");
}

static void test_what_is_no_yaml(void **state)
{
    (void)state;
    assert_config_errors("a: b\n  c: d\n",
                         "f:2:4: not YAML: mapping values are not allowed in this context; "
                         "expected \"key: value\" lines, indented by spaces\n");
    assert_config_errors("a:\n\tb: c\n",
                         "f:2:1: not YAML: while scanning for the next token, found "
                         "character that cannot start any token; "
                         "expected \"key: value\" lines, indented by spaces\n");
    assert_config_errors("a: 1\n\xd0\x96: \xff\n",
                         "f:2:4: not YAML: invalid leading UTF-8 octet; expected UTF-8 text\n");
    assert_config_errors_size("a: \0", 4,
                              "f:1:4: not YAML: control characters are not allowed; "
                              "expected UTF-8 text\n");
}

static void test_yaml_that_hides_things(void **state)
{
    (void)state;
    assert_config_errors("log: &l {level: info}\n" CONFIG_LISTENER,
                         "f:1:6: anchors are not taken here; expected every value written out\n");
    assert_config_errors("log: &l {level: info}\nops: *l\n" CONFIG_LISTENER,
                         "f:1:6: anchors are not taken here; expected every value written out\n"
                         "f:2:6: aliases are not taken here; expected the value written out\n");
    assert_config_errors("log:\n  <<: {level: info}\n" CONFIG_LISTENER,
                         "f:2:3: merge keys are not taken here; expected every key written out\n");
    assert_config_errors("log:\n  level: !!str info\n" CONFIG_LISTENER,
                         "f:2:10: tags are not taken here; expected a value without !\n");
    assert_config_errors("log: !x {level: info}\n" CONFIG_LISTENER,
                         "f:1:6: tags are not taken here; expected a value without !\n");
    assert_config_errors(CONFIG_LISTENER "---\n" CONFIG_LISTENER,
                         "f:3:1: a second document; expected one configuration in a file\n");
    assert_config_errors("server:\n  node: \"a\\0b\"\n" CONFIG_LISTENER,
                         "f:2:9: a text with a NUL byte; expected printable text\n");
    assert_config_errors("? [a]\n: b\n", "f:1:3: a key that is a list; "
                                         "expected a plain word and a colon\n");
}

static void test_bounds_of_a_file(void **state)
{
    char *text = malloc(TREE_MAX_BYTES + 1);
    size_t size = 0;

    (void)state;
    memset(text, '#', TREE_MAX_BYTES + 1);
    assert_config_errors_size(text, TREE_MAX_BYTES + 1,
                              "f: too long; expected at most 4194304 bytes\n");
    assert_config_errors("[[[[[[[[[[[[[[[[[[[[[[", "f:1:17: nested too deeply; "
                                                   "expected at most 16 levels\n");
    text[size++] = '[';
    while (size < 2 * (TREE_MAX_NODES + 8)) {
        text[size++] = 'a';
        text[size++] = ',';
    }
    assert_config_errors_size(text, size,
                              "f:1:524288: too many values; "
                              "expected at most 262144 in a file\n");
    size = 0;
    for (unsigned i = 0; i <= TREE_MAX_KEYS; i++)
        size += (size_t)sprintf(text + size, "k%u: 1\n", i);
    assert_config_errors_size(text, size,
                              "f:1025:1: too many keys; "
                              "expected at most 1024 in a section\n");
    free(text);
}

static void test_keys_given_twice(void **state)
{
    (void)state;
    assert_config_key_error("log:\n  level: info\n  level: warn\n",
                            "f:3:3: level is given twice, first in line 2; expected once\n");
    assert_config_key_error("log: {level: info}\nops: {enabled: true}\nlog: {level: warn}\n",
                            "f:3:1: log is given twice, first in line 1; expected once\n");
    assert_config_errors(
        "listeners:\n - name: a\n   address: 1.2.3.4:5\n   name: b\n   plugins: [irz]\n",
        "f:4:4: name is given twice, first in line 2; expected once\n");
}

static void test_missing_file(void **state)
{
    char *errors = NULL;
    size_t size;
    FILE *out = open_memstream(&errors, &size);
    struct config *config = NULL;

    (void)state;
    assert_int_equal(config_load("/nonexistent/cencd.yaml", out, &config), STATUS_SYSTEM);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(config_load("/", out, &config), STATUS_SYSTEM);
    assert_int_equal(fclose(out), 0);
    assert_null(config);
    assert_string_equal(
        errors, "/nonexistent/cencd.yaml: can't be read: No such file or directory; expected a "
                "YAML file\n/: can't be read: Is a directory; expected a YAML file\n");
    free(errors);
}

static void test_file_is_read(void **state)
{
    char path[] = "/tmp/cencd-config-XXXXXX";
    int descriptor = mkstemp(path);
    char *errors = NULL;
    size_t size;
    FILE *out = open_memstream(&errors, &size);
    char expected[128];
    struct config *config = NULL;

    (void)state;
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, CONFIG_LISTENER, strlen(CONFIG_LISTENER)),
                     strlen(CONFIG_LISTENER));
    assert_int_equal(config_load(path, out, &config), STATUS_OK);
    config_free(config);
    assert_int_equal(write(descriptor, "x: 1\n", 5), 5);
    assert_int_equal(config_load(path, out, &config), STATUS_INVALID);
    assert_int_equal(fclose(out), 0);
    (void)snprintf(expected, sizeof(expected), "%s:3:1: unknown key x; ", path);
    assert_memory_equal(errors, expected, strlen(expected));
    free(errors);
    (void)close(descriptor);
    (void)unlink(path);
}

/* ---- single keys ---- */

static void test_unknown_keys(void **state)
{
    (void)state;
    assert_config_key_error("limits:\n  link: 1\n", "f:2:3: unknown key link; expected links\n");
    assert_config_key_error("limits:\n  sesions: 1\n",
                            "f:2:3: unknown key sesions; expected sessions\n");
    assert_config_key_error("log:\n  colour: red\n", "f:2:3: unknown key colour; expected level\n");
    assert_config_key_error(
        "server:\n  x y: 1\n",
        "f:2:3: unknown key \"x y\"; expected one of node, shards, state_dir\n");
    assert_config_key_error("lisseners: []\n",
                            "f:1:1: unknown key lisseners; expected listeners\n");
    assert_config_errors(
        "listeners:\n  - {name: a, address: 1.2.3.4:5, plugins: [irz], tcp: {nodelay: "
        "true}}\n",
        "f:2:57: unknown key nodelay; expected one of keepalive_idle_s, "
        "keepalive_interval_s, keepalive_count, user_timeout_s\n");
}

static void test_wrong_numbers(void **state)
{
    static const char *const wrong[] = {"0",    "10000001",  "-1",   "1.5", "0x10",
                                        "1e3",  "010",       "many", "1k",  "99999999999999999999",
                                        "true", "4294967297"};
    char text[128];
    char expected[256];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        (void)snprintf(text, sizeof(text), "limits:\n  links: %s\n", wrong[i]);
        (void)snprintf(expected, sizeof(expected),
                       "f:2:10: links: %s; expected an integer 1..10000000 (links)\n", wrong[i]);
        assert_config_key_error(text, expected);
    }
    assert_config_key_error(
        "limits:\n  links: \"5\"\n",
        "f:2:10: links: 5 (in quotes); expected an integer 1..10000000 (links)\n");
    assert_config_key_error("limits:\n  links:\n",
                            "f:2:9: links: nothing; expected an integer 1..10000000 (links)\n");
    assert_config_key_error("limits:\n  links: [1]\n",
                            "f:2:10: links: a list; expected an integer 1..10000000 (links)\n");
    assert_config_key_error("limits:\n  links: {a: 1}\n",
                            "f:2:10: links: a map; expected an integer 1..10000000 (links)\n");
    assert_config_key_error(
        "buffers:\n  small_count: 1000\n",
        "f:2:16: small_count: 1000; expected a power of two 64..32768 (buffers)\n");
    assert_config_key_error("server:\n  shards: 513\n",
                            "f:2:11: shards: 513; expected auto, or an integer 1..512 (threads)\n");
}

static void test_wrong_words(void **state)
{
    (void)state;
    assert_config_key_error("ops:\n  enabled: yes\n",
                            "f:2:12: enabled: yes; expected true or false\n");
    assert_config_key_error("ops:\n  enabled: 'true'\n",
                            "f:2:12: enabled: true (in quotes); expected true or false\n");
    assert_config_key_error("log:\n  level: verbose\n",
                            "f:2:10: level: verbose; expected one of error, warn, info, debug\n");
    assert_config_key_error(
        "server:\n  node: Node\n",
        "f:2:9: node: Node; expected a name of 1 to 31 characters a-z 0-9 . _ -\n");
    assert_config_key_error(
        "server:\n  node: a2345678901234567890123456789012\n",
        "f:2:9: node: a2345678901234567890123456789012; expected a name of 1 to 31 "
        "characters a-z 0-9 . _ -\n");
    assert_config_key_error(
        "server:\n  node: \"\\e[31m\"\n",
        "f:2:9: node: \"\\x1b[31m\" (in quotes); expected a name of 1 to 31 characters "
        "a-z 0-9 . _ -\n");
    assert_config_key_error("server: 5\n", "f:1:9: server: 5; expected a map of keys and values\n");
    assert_config_key_error("server: [a]\n",
                            "f:1:9: server: a list; expected a map of keys and values\n");
}

static void test_wrong_addresses(void **state)
{
    (void)state;
    assert_config_key_error(
        "ops:\n  address: localhost:9190\n",
        "f:2:12: address: localhost:9190; expected IP:PORT, such as 0.0.0.0:5009 or "
        "\"[::1]:5009\", port 1..65535\n");
    assert_config_key_error(
        "ops:\n  address: 127.0.0.1:0\n",
        "f:2:12: address: 127.0.0.1:0; expected IP:PORT, such as 0.0.0.0:5009 or "
        "\"[::1]:5009\", port 1..65535\n");
    assert_config_key_error(
        "direct_ports:\n  address: 127.0.0.1:1\n",
        "f:2:12: address: 127.0.0.1:1; expected an IP address, such as 127.0.0.1 or "
        "\"::1\"\n");
    assert_config_key_error(
        "direct_ports:\n  address: 127.0.0.0/8\n",
        "f:2:12: address: 127.0.0.0/8; expected an IP address, such as 127.0.0.1 or "
        "\"::1\"\n");
    assert_config_key_error(
        "direct_ports:\n  allow: [10.0.0.1/8, 1.2.3.4, x]\n",
        "f:2:11: allow: 10.0.0.1/8; expected IP/PREFIX without bits beyond the prefix, "
        "such as 10.0.0.0/8\n"
        "f:2:32: allow: x; expected IP/PREFIX without bits beyond the prefix, such as "
        "10.0.0.0/8\n");
    assert_config_key_error(
        "direct_ports:\n  allow: []\n",
        "f:2:10: allow: a list of 0; expected a list of 1..64 networks, such as "
        "[10.0.0.0/8, \"::1/128\"]\n");
    assert_config_key_error("direct_ports:\n  allow: 10.0.0.0/8\n",
                            "f:2:10: allow: 10.0.0.0/8; expected a list of 1..64 networks, such as "
                            "[10.0.0.0/8, \"::1/128\"]\n");
}

static void test_wrong_ranges(void **state)
{
    static const char *const wrong[] = {"20000",       "20000-",  "-20000",          "2-1",
                                        "20000-65536", "0-9",     "20000 - 20001",   "a-b",
                                        "1-2-3",       "020-021", "1-99999999999999"};
    char text[128];
    char expected[256];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bool blank = strchr(wrong[i], ' ') != NULL;

        (void)snprintf(text, sizeof(text), "direct_ports:\n  range: %s\n", wrong[i]);
        (void)snprintf(expected, sizeof(expected),
                       "f:2:10: range: %s%s%s; expected FIRST-LAST, such as 20000-29999, ports "
                       "1..65535\n",
                       blank ? "\"" : "", wrong[i], blank ? "\"" : "");
        assert_config_key_error(text, expected);
    }
}

static void test_values_are_taken(void **state)
{
    struct config *config = config_text_good("server: {node: n-1.x_y, shards: 3}\n"
                                             "log:\n"
                                             "limits: {links: 10000000}\n"
                                             "direct_ports: {range: 1000-1000, address: \"::1\",\n"
                                             "  allow: [10.0.0.0/8, \"2001:db8::/32\"]}\n"
                                             "ops: {address: \"[::1]:9000\"}\n"
                                             "buffers: {small_count: 64, large_count: 1}\n"
                                             "listeners:\n"
                                             "  - name: '7'\n"
                                             "    address: \"[::]:5010\"\n"
                                             "    plugins: [irz]\n"
                                             "    idle_timeout_s: 0\n"
                                             "    tcp: {user_timeout_s: 7}\n");
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_string_equal(config->server.node, "n-1.x_y");
    assert_int_equal(config->server.shards, 3);
    assert_int_equal(config->log.level, LOG_INFO);
    assert_int_equal(config->limits.links, 10000000);
    assert_int_equal(config->direct_ports.first, 1000);
    assert_int_equal(config->direct_ports.last, 1000);
    assert_string_equal(address_format(&config->direct_ports.bind, text), "[::1]:0");
    assert_int_equal(config->direct_ports.allow_count, 2);
    assert_int_equal(config->direct_ports.allow[1].prefix, 32);
    assert_string_equal(address_format(&config->ops.address, text), "[::1]:9000");
    assert_int_equal(config->buffers.large_count, 1);
    assert_int_equal(config->listener_count, 1);
    assert_string_equal(config->listeners[0].name, "7");
    assert_string_equal(config->listeners[0].scope, "default");
    assert_int_equal(config->listeners[0].address.port, 5010);
    assert_int_equal(config->listeners[0].idle_timeout_s, 0);
    assert_int_equal(config->listeners[0].tcp.user_timeout_s, 7);
    assert_int_equal(config->listeners[0].tcp.keepalive_count, 4);
    config_free(config);
}

static void test_missing_keys_of_a_listener(void **state)
{
    (void)state;
    assert_config_errors(
        "listeners:\n  - scope: a\n",
        "f:2:5: name is missing; expected a name of 1 to 31 characters a-z 0-9 . _ -\n"
        "f:2:5: address is missing; expected IP:PORT, such as 0.0.0.0:5009 or "
        "\"[::1]:5009\", port 1..65535\n"
        "f:2:5: plugins is missing; expected a list of 1..16 plugins, such as [irz]\n");
    assert_config_errors("listeners: [a, ]\n",
                         "f:1:13: listeners: a text; expected a map with name, "
                         "address and plugins\n");
}

static void test_all_errors_come_in_the_order_of_the_file(void **state)
{
    (void)state;
    assert_config_errors(
        "ops: {max_connections: 0}\nlog: {level: x}\nserver: {shards: x}\n" CONFIG_LISTENER,
        "f:1:24: max_connections: 0; expected an integer 1..1024 (connections)\n"
        "f:2:14: level: x; expected one of error, warn, info, debug\n"
        "f:3:18: shards: x; expected auto, or an integer 1..512 (threads)\n");
}

static void test_errors_beyond_the_bound_are_counted(void **state)
{
    char text[2048] = "";
    char *errors = NULL;
    size_t size = 0;

    (void)state;
    for (unsigned i = 0; i < 70; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "unknown%u: 1\n", i);
    assert_null(config_text_load(text, size, &errors));
    assert_non_null(strstr(errors, "\nf: 7 more errors\n")); /* one more: no listeners */
    free(errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_no_listeners),
        cmocka_unit_test(test_root_is_a_map),
        cmocka_unit_test(test_what_is_no_yaml),
        cmocka_unit_test(test_yaml_that_hides_things),
        cmocka_unit_test(test_bounds_of_a_file),
        cmocka_unit_test(test_keys_given_twice),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_file_is_read),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_wrong_numbers),
        cmocka_unit_test(test_wrong_words),
        cmocka_unit_test(test_wrong_addresses),
        cmocka_unit_test(test_wrong_ranges),
        cmocka_unit_test(test_values_are_taken),
        cmocka_unit_test(test_missing_keys_of_a_listener),
        cmocka_unit_test(test_all_errors_come_in_the_order_of_the_file),
        cmocka_unit_test(test_errors_beyond_the_bound_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
