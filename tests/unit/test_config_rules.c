/* The configuration: plugins and their settings, and the rules between keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "plugins/loader.h"
#include "tests/unit/config_text.h"

/* ---- plugins ---- */

static void assert_plugins_error(const char *plugins, const char *expected)
{
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "listeners:\n  - name: a\n    address: 1.2.3.4:5\n"
                   "    plugins: %s\n",
                   plugins);
    assert_config_errors(text, expected);
}

static void test_plugin_errors(void **state)
{
    (void)state;
    assert_plugins_error("[]", "f:4:14: plugins: a list of 0; expected a list of 1..16 plugins, "
                               "such as [irz]\n");
    assert_plugins_error("irz", "f:4:14: plugins: irz; expected a list of 1..16 plugins, "
                                "such as [irz]\n");
    assert_plugins_error("[irs]", "f:4:15: unknown plugin irs; expected irz\n");
    assert_plugins_error("[irz, irz]", "f:4:20: plugin irz is listed twice; expected once\n");
    assert_plugins_error("[{irz: {greeting: maybe}}]",
                         "f:4:32: greeting: maybe; expected one of auto|always|never\n");
    assert_plugins_error("[{irz: {greting: auto}}]",
                         "f:4:22: unknown setting greting; expected greeting\n");
    assert_plugins_error("[{irz: {greeting: [auto]}}]",
                         "f:4:32: greeting: a list; expected one of auto|always|never\n");
    assert_plugins_error("[{irz: 5}]", "f:4:21: irz: a text; expected a map of the plugin's "
                                       "settings\n");
    assert_plugins_error("[{irz: , good: }]", "f:4:15: plugins: a map that doesn't have one key; "
                                              "expected a plugin's name, or one name with its "
                                              "settings\n");
    assert_plugins_error("[[irz]]", "f:4:15: plugins: a list; expected a plugin's name, or one "
                                    "name with its settings\n");
    assert_config_key_error(
        "plugins:\n  load: [x.so]\n",
        "f:2:10: load: x.so: \"the path is not absolute\"; expected the absolute path "
        "of a plugin\n");
    assert_config_key_error("plugins:\n  load: [[x]]\n",
                            "f:2:10: load: a list; expected an absolute path\n");
}

static void test_plugin_forms(void **state)
{
    (void)state;
    assert_config_good("listeners: [{name: a, address: 1.2.3.4:5, plugins: [irz]}]");
    assert_config_good("listeners: [{name: a, address: 1.2.3.4:5, plugins: [irz: ]}]");
    assert_config_good("listeners: [{name: a, address: 1.2.3.4:5, plugins: [{irz: {}}]}]");
    assert_config_good(
        "listeners: [{name: a, address: 1.2.3.4:5, plugins: [irz: {greeting: never}]}]");
}

/* What the loadable plugin of the tests was configured with, as it tells itself. */
static void assert_configured(const char *settings, const char *expected)
{
    const char *build = getenv("CENCD_BUILD");
    char text[8192];
    struct plugin_greeting greeting = {0};

    if (build == NULL) {
        print_message("CENCD_BUILD is not set\n");
        skip();
    }
    (void)snprintf(text, sizeof(text),
                   "plugins:\n  load:\n    - %s/tests/plugin_good.so\n"
                   "listeners:\n  - name: a\n    address: 1.2.3.4:5\n"
                   "    plugins: [irz, good: %s]\n",
                   build, settings);
    struct config *config = config_text_good(text);
    assert_int_equal(config->listeners[0].plugin_count, 2);
    const struct config_plugin *good = &config->listeners[0].plugins[1];
    assert_string_equal(good->plugin->name, "good");
    assert_ptr_equal(good->plugin, plugin_set_find(config->plugins, "good"));
    assert_int_equal(good->plugin->identify(good->instance, NULL, &greeting), PLUGIN_IDENTIFIED);
    assert_string_equal(greeting.identity.serial, expected);
    config_free(config);
}

static void test_loaded_plugin_gets_its_settings(void **state)
{
    (void)state;
    assert_configured("", "1 -5 1 abc");
    assert_configured("{text: xyz, choice: three}", "1 -5 2 xyz");
    assert_configured("{flag: false, number: 10, text: ''}", "0 10 1 ");
    assert_configured("{text: 'true'}", "1 -5 1 true");
}

static void test_plugin_may_refuse_its_settings(void **state)
{
    const char *build = getenv("CENCD_BUILD");
    char text[8192];

    (void)state;
    if (build == NULL)
        skip();
    (void)snprintf(text, sizeof(text),
                   "plugins: {load: [%s/tests/plugin_good.so]}\n"
                   "listeners:\n  - name: a\n    address: 1.2.3.4:5\n"
                   "    plugins: [good: {text: refuse}, irz: {x: 1}]\n",
                   build);
    char *errors = NULL;
    assert_null(config_text_load(text, strlen(text), &errors));
    assert_non_null(strstr(errors, "f:5:15: plugin good: \"this text doesn't fit\"; "));
    assert_non_null(strstr(errors, "f:5:43: unknown setting x; "));
    free(errors);
}

/* ---- rules between keys ---- */

static void test_listeners_are_unique(void **state)
{
    (void)state;
    assert_config_errors(
        "listeners:\n"
        "  - {name: a, address: 1.2.3.4:5, plugins: [irz]}\n"
        "  - {name: a, address: 1.2.3.4:6, plugins: [irz]}\n"
        "  - {name: c, address: 1.2.3.4:5, plugins: [irz]}\n",
        "f:3:12: name: the listener in line 2 is named a, too; expected a name of its "
        "own\n"
        "f:4:24: address: the listener in line 2 has 1.2.3.4:5; expected an address of "
        "its own\n");
    assert_config_errors(
        "listeners:\n"
        "  - {name: a, address: 0.0.0.0:5, plugins: [irz]}\n"
        "  - {name: b, address: 1.2.3.4:5, plugins: [irz]}\n"
        "  - {name: c, address: \"[::]:5\", plugins: [irz]}\n",
        "f:3:24: address: the listener in line 2 has 0.0.0.0:5; expected an address of "
        "its own\n"
        "f:4:24: address: the listener in line 2 has 0.0.0.0:5; expected an address of "
        "its own\n"
        "f:4:24: address: the listener in line 3 has 1.2.3.4:5; expected an address of "
        "its own\n");
    assert_config_good("listeners:\n"
                       "  - {name: a, address: 1.2.3.4:5, plugins: [irz]}\n"
                       "  - {name: b, address: 1.2.3.5:5, plugins: [irz]}\n"
                       "  - {name: c, address: \"[::1]:5\", plugins: [irz]}\n"
                       "  - {name: d, address: 0.0.0.0:6, plugins: [irz]}\n");
}

static void test_datagrams_are_for_plugins_that_push(void **state)
{
    struct config *config;

    (void)state;
    assert_config_errors("listeners:\n"
                         "  - {name: a, address: 1.2.3.4:5, transport: sctp, plugins: [irz]}\n",
                         "f:2:46: transport: sctp; expected one of tcp, udp\n");
    assert_config_errors("listeners:\n"
                         "  - {name: a, address: 1.2.3.4:5, transport: udp, plugins: [dlms-push, "
                         "irz]}\n",
                         "f:2:60: plugins: irz can't serve datagrams (transport: udp); expected "
                         "plugins that hand on pushes, such as dlms-push\n");
    assert_config_errors(
        "listeners:\n"
        "  - {name: a, address: 1.2.3.4:5, plugins: [dlms-push: {last_gasp: "
        "push}]}\n",
        "f:2:45: plugin dlms-push: \"last_gasp: rule 1, at \\\"\\\": a logical name "
        "such as 0.3.25.9.0.255 expected\"; expected settings that fit together\n");
    /* one port of each, also in the range of direct ports and where ops listens */
    config = config_text_good(
        "direct_ports: {range: 5000-5009}\n"
        "listeners:\n"
        "  - {name: a, address: 0.0.0.0:4059, plugins: [dlms-push]}\n"
        "  - {name: b, address: 0.0.0.0:4059, transport: udp, plugins: [dlms-push]}\n"
        "  - {name: c, address: 0.0.0.0:5001, transport: udp, receive_buffer_bytes: 65536, "
        "plugins: [pattern: {last_gasp: 'BYE,(id)'}]}\n"
        "  - {name: d, address: 127.0.0.1:9190, transport: udp, plugins: [dlms-push]}\n");
    assert_int_equal(config->listeners[0].transport, CONFIG_TCP);
    assert_int_equal(config->listeners[1].transport, CONFIG_UDP);
    assert_int_equal(config->listeners[1].receive_buffer_bytes, 83886080);
    assert_int_equal(config->listeners[2].receive_buffer_bytes, 65536);
    config_free(config);
    assert_config_errors(
        "listeners:\n"
        "  - {name: a, address: 0.0.0.0:5, transport: udp, plugins: [dlms-push]}\n"
        "  - {name: b, address: 1.2.3.4:5, transport: udp, plugins: [dlms-push]}\n",
        "f:3:24: address: the listener in line 2 has 0.0.0.0:5; expected an address of "
        "its own\n");
}

static void test_direct_ports_are_kept_free(void **state)
{
    (void)state;
    assert_config_errors(
        "direct_ports: {range: 5000-5009}\n" CONFIG_LISTENER,
        "f:3:24: address: port 5009 is inside direct_ports.range; expected one outside "
        "5000-5009\n");
    assert_config_good("direct_ports: {range: 5000-5008}\n" CONFIG_LISTENER);
    assert_config_good("direct_ports: {range: 5010-5011}\n" CONFIG_LISTENER);
    assert_config_good("direct_ports: {range: 5000-5009, enabled: false}\n" CONFIG_LISTENER);
    assert_config_key_error(
        "ops: {address: 127.0.0.1:20000}\n",
        "f:1:16: address: port 20000 is inside direct_ports.range; expected one "
        "outside 20000-29999\n");
    assert_config_key_error(
        "direct_ports: {range: 9190-9190}\n",
        "f:1:1: address: port 9190 is inside direct_ports.range; expected one outside "
        "9190-9190\n");
}

static void test_direct_ports_lie_outside_the_kernels(void **state)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    unsigned first;
    unsigned last;
    char text[128];
    char expected[256];

    (void)state;
    if (file == NULL)
        skip();
    // NOLINTNEXTLINE(cert-err34-c): the kernel writes two numbers
    assert_int_equal(fscanf(file, "%u %u", &first, &last), 2);
    (void)fclose(file);
    for (unsigned i = 0; i < 3; i++) {
        unsigned from = i == 0 ? first - 1 : i == 1 ? last : first + 1;
        unsigned to = i == 0 ? first : i == 1 ? last + 1 : first + 2;

        (void)snprintf(text, sizeof(text), "direct_ports:\n  range: %u-%u\n", from, to);
        (void)snprintf(expected, sizeof(expected),
                       "f:2:10: range: %u-%u overlaps net.ipv4.ip_local_port_range %u-%u, from "
                       "which the kernel takes ports by itself; expected ports outside it\n",
                       from, to, first, last);
        assert_config_key_error(text, expected);
    }
    (void)snprintf(text, sizeof(text), "direct_ports: {range: %u-%u}\n" CONFIG_LISTENER, first - 1,
                   first - 1);
    assert_config_good(text);
}

static void test_the_state_folder_has_room_for_a_socket(void **state)
{
    char text[256];
    char folder[98];
    (void)state;

    memset(folder, 'x', sizeof(folder));
    folder[0] = '/';
    folder[97] = '\0';
    (void)snprintf(text, sizeof(text), "server: {state_dir: %s}\n", folder);
    assert_config_key_error(text, "f:1:21: state_dir: a path of 97 bytes; expected at most 96, "
                                  "since the admin API's socket lies in it\n");
    folder[96] = '\0';
    (void)snprintf(text, sizeof(text), "server: {state_dir: %s}\n" CONFIG_LISTENER, folder);
    assert_config_good(text);
}

static void test_ops_is_loopback_only(void **state)
{
    (void)state;
    assert_config_key_error(
        "ops: {address: 0.0.0.0:9190}\n",
        "f:1:16: address: 0.0.0.0:9190 can be reached from outside and nobody has to "
        "log in; expected a loopback address, such as 127.0.0.1:9190\n");
    assert_config_good("ops: {address: 0.0.0.0:9190, enabled: false}\n" CONFIG_LISTENER);
    assert_config_key_error(
        "ops: {address: 127.0.0.1:5009}\n",
        "f:3:24: address: ops.address is 127.0.0.1:5009; expected an address of its "
        "own\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plugin_errors),
        cmocka_unit_test(test_plugin_forms),
        cmocka_unit_test(test_loaded_plugin_gets_its_settings),
        cmocka_unit_test(test_plugin_may_refuse_its_settings),
        cmocka_unit_test(test_listeners_are_unique),
        cmocka_unit_test(test_datagrams_are_for_plugins_that_push),
        cmocka_unit_test(test_direct_ports_are_kept_free),
        cmocka_unit_test(test_direct_ports_lie_outside_the_kernels),
        cmocka_unit_test(test_the_state_folder_has_room_for_a_socket),
        cmocka_unit_test(test_ops_is_loopback_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
