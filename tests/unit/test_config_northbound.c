/* The configuration of the head-end's door: what is refused before the server starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "tests/unit/config_text.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ON   "server: {state_dir: /tmp/x}\nnorthbound:\n  enabled: true\n"

static void test_a_consumer_is_read(void **state)
{
    struct config *config =
        config_text_good(ON "  consumers:\n    - {name: hes, token_sha256: " HASH
                            ", projects: [Север, b]}\n" CONFIG_LISTENER);

    (void)state;
    assert_int_equal(config->northbound.consumer_count, 1);
    assert_string_equal(config->northbound.consumers[0].name, "hes");
    assert_string_equal(config->northbound.consumers[0].token_sha256, HASH);
    assert_false(config->northbound.consumers[0].projects.all);
    assert_int_equal(config->northbound.consumers[0].projects.count, 2);
    assert_string_equal(config->northbound.consumers[0].projects.names[0], "Север");
    config_free(config);
}

static void test_a_unix_socket(void **state)
{
    struct config *config =
        config_text_good(ON "  address: unix:/run/cencd/north.sock\n" CONFIG_LISTENER);
    char path[120] = "/";

    (void)state;
    assert_int_equal(config->northbound.address.family, 0);
    assert_string_equal(config->northbound.socket, "/run/cencd/north.sock");
    config_free(config);
    config = config_text_good(ON CONFIG_LISTENER);
    assert_string_equal(config->northbound.socket, "");
    config_free(config);
    assert_config_key_error(ON "  address: unix:north.sock\n",
                            "f:4:12: address: unix:north.sock; expected IP:PORT, such as "
                            "127.0.0.1:9192, or unix:PATH, absolute and at most 107 bytes\n");
    char text[300];
    memset(path + 1, 'x', 106); /* all that a socket's name has room for */
    (void)snprintf(text, sizeof(text), ON "  address: unix:%s\n" CONFIG_LISTENER, path);
    assert_config_good(text);
    path[107] = 'x';
    (void)snprintf(text, sizeof(text), ON "  address: unix:%s\n" CONFIG_LISTENER, path);
    char expected[200]; /* a long value is cut */
    (void)snprintf(
        expected, sizeof(expected),
        "f:4:12: address: unix:%.66"
        "s; expected IP:PORT, such as 127.0.0.1:9192, or unix:PATH, absolute and at most "
        "107 bytes\n",
        path);
    assert_config_errors(text, expected);
    assert_config_key_error(
        ON "  address: unix:/x\n  tls: {certificate: /etc/hostname, key: /etc/hostname}\n",
        "f:4:12: address: a Unix socket stays on this machine; expected no northbound.tls beside "
        "it\n");
}

static void test_off_is_not_looked_at(void **state)
{
    (void)state;
    assert_config_good("northbound: {address: 1.2.3.4:9192}\n" CONFIG_LISTENER);
}

static void test_it_needs_a_journal(void **state)
{
    (void)state;
    assert_config_key_error("northbound:\n  enabled: true\n",
                            "f:2:12: enabled: events come from the journal, which needs a folder; "
                            "expected server.state_dir to be set\n");
}

/* A token in clear text on a network is a token that anybody has. */
static void test_clear_text_stays_on_this_machine(void **state)
{
    (void)state;
    assert_config_key_error(
        ON "  address: 10.0.0.1:9192\n",
        "f:4:12: address: 10.0.0.1:9192 can be reached from outside, and tokens would be readable "
        "on the way; expected a loopback address, such as 127.0.0.1:9192, or northbound.tls to be "
        "set\n");
    assert_config_key_error(ON "  address: 127.0.0.1:20001\n",
                            "f:4:12: address: port 20001 is inside direct_ports.range; expected "
                            "one outside 20000-29999\n");
    assert_config_key_error(ON "  address: 127.0.0.1:9190\n",
                            "f:4:12: address: ops.address is 127.0.0.1:9190; expected an address "
                            "of its own\n");
}

static void test_consumers_must_be_able_to_log_in(void **state)
{
    (void)state;
    assert_config_key_error(ON "  consumers:\n    - {name: a, projects: all}\n",
                            "f:5:7: consumers: a can't log in; expected token_file, token_sha256 "
                            "or certificate_subject\n");
    assert_config_key_error(ON "  consumers:\n    - {name: a, projects: all, token_sha256: 12}\n",
                            "f:5:46: token_sha256: that is none; expected 64 digits 0-9 a-f, as "
                            "sha256sum writes them\n");
    assert_config_key_error(
        ON "  consumers:\n    - {name: a, projects: all, certificate_subject: CN=a}\n",
        "f:5:53: certificate_subject: nobody is asked for a certificate; expected "
        "northbound.tls.client_ca to be set\n");
    assert_config_key_error(ON "  consumers:\n    - {name: a, token_sha256: " HASH "}\n",
                            "f:5:7: projects is missing; expected all, or a list of 1..32 names "
                            "of projects\n");
}

static void test_consumers_are_apart(void **state)
{
    (void)state;
    assert_config_key_error(ON "  consumers:\n"
                               "    - {name: a, projects: all, token_sha256: " HASH "}\n"
                               "    - {name: a, projects: all, token_sha256: " HASH "}\n",
                            "f:6:14: name: there is another consumer a; expected a name of its "
                            "own\n"
                            "f:6:46: token_sha256: consumer a has the same; expected one of its "
                            "own\n");
}

#define PIPE "registration: {plugins: [jsonl: {path: /tmp/x/pipe}]}\n"

static void test_a_registration_plugin_is_read(void **state)
{
    struct config *config = config_text_good(ON PIPE CONFIG_LISTENER);

    (void)state;
    assert_int_equal(config->registration.plugin_count, 1);
    assert_string_equal(config->registration.plugins[0].plugin->name, "jsonl");
    config_free(config);
}

static void test_a_registration_plugin_needs_the_northbound(void **state)
{
    (void)state;
    assert_config_key_error(PIPE, "f:1:25: plugins: they are told by the northbound, which is off; "
                                  "expected northbound.enabled to be true\n");
}

static void test_each_plugin_has_its_place(void **state)
{
    (void)state;
    assert_config_key_error(ON "registration: {plugins: [irz]}\n",
                            "f:4:26: plugin irz is told of nothing; expected a registration "
                            "plugin\n");
    assert_config_key_error(ON "registration: {plugins: [jsonl]}\n",
                            "f:4:26: plugin jsonl: \"path is missing or isn't absolute\"; expected "
                            "settings that fit together\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_consumer_is_read),
        cmocka_unit_test(test_a_unix_socket),
        cmocka_unit_test(test_off_is_not_looked_at),
        cmocka_unit_test(test_it_needs_a_journal),
        cmocka_unit_test(test_clear_text_stays_on_this_machine),
        cmocka_unit_test(test_consumers_must_be_able_to_log_in),
        cmocka_unit_test(test_consumers_are_apart),
        cmocka_unit_test(test_a_registration_plugin_is_read),
        cmocka_unit_test(test_a_registration_plugin_needs_the_northbound),
        cmocka_unit_test(test_each_plugin_has_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
