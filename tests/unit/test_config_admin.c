/* Section admin: nothing on a network without TLS, addresses of their own, and each role
 * somebody's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/config_text.h"

/* Any file that can be read; what is in it is looked at when the server starts. */
#define FILES "tls: {certificate: /etc/passwd, key: /etc/passwd}"
#define STATE "server: {state_dir: /tmp/x}\n"

static void test_https_needs_tls_and_a_folder(void **state)
{
    (void)state;
    assert_config_good(STATE "admin: {https: true, address: 0.0.0.0:9193, " FILES
                             "}\n" CONFIG_LISTENER);
    assert_config_key_error(STATE "admin: {https: true}\n",
                            "f:2:16: https: there is none without a certificate; expected "
                            "admin.tls to be set\n");
    assert_config_key_error("admin: {https: true, " FILES "}\n",
                            "f:1:16: https: tokens are kept in a folder; expected "
                            "server.state_dir to be set\n");
    assert_config_key_error(STATE "admin: {tls: {certificate: /etc/passwd}}\n",
                            "f:2:9: tls: certificate stands alone; expected certificate and key "
                            "to be set\n");
}

static void test_an_address_of_its_own(void **state)
{
    (void)state;
    assert_config_key_error(STATE "admin: {https: true, address: 127.0.0.1:5009, " FILES "}\n",
                            "f:2:31: address: a listener of devices has it; expected an address "
                            "of its own\n");
    assert_config_key_error(STATE "admin: {https: true, address: 0.0.0.0:9190, " FILES "}\n",
                            "f:2:31: address: ops.address has it; expected an address of its "
                            "own\n");
    assert_config_key_error(STATE "admin: {https: true, address: 0.0.0.0:20005, " FILES "}\n",
                            "f:2:31: address: port 20005 is inside direct_ports.range; expected "
                            "one outside 20000-29999\n");
    assert_config_good(STATE "admin: {address: 0.0.0.0:9190}\n" CONFIG_LISTENER); /* it is off */
}

static void test_roles_are_somebodys(void **state)
{
    struct config *config;

    (void)state;
    config = config_text_good("admin: {unix_roles: [{group: a, role: viewer}, {user: b, role: "
                              "admin}]}\n" CONFIG_LISTENER);
    assert_int_equal(config->admin.unix_role_count, 2);
    assert_string_equal(config->admin.unix_roles[0].group, "a");
    assert_int_equal(config->admin.unix_roles[0].role, CONFIG_VIEWER);
    assert_string_equal(config->admin.unix_roles[1].user, "b");
    assert_int_equal(config->admin.unix_roles[1].role, CONFIG_ADMIN);
    config_free(config);
    assert_config_key_error("admin: {unix_roles: [{role: viewer}]}\n",
                            "f:1:22: unix_roles: nobody is meant; expected either a user or a "
                            "group\n");
    assert_config_key_error("admin: {unix_roles: [{user: a, group: b, role: viewer}]}\n",
                            "f:1:22: unix_roles: both are given; expected either a user or a "
                            "group\n");
    assert_config_key_error("admin: {unix_roles: [{user: a, role: king}]}\n",
                            "f:1:38: role: king; expected one of viewer, operator, admin\n");
    assert_config_key_error("admin: {unix_roles: [{user: a}]}\n",
                            "f:1:22: role is missing; expected one of viewer, operator, admin\n");
}

static void test_a_socket_has_little_room(void **state)
{
    char text[256];
    char expected[256];
    char path[110] = "/";

    (void)state;
    memset(path + 1, 'x', 107);
    (void)snprintf(text, sizeof(text), "admin: {socket: %s}\n", path);
    (void)snprintf(expected, sizeof(expected),
                   "f:1:17: socket: a path of 108 bytes; expected at most 107, which is all that "
                   "a Unix socket's name has room for\n");
    assert_config_key_error(text, expected);
    (void)snprintf(text, sizeof(text), "admin: {socket: %.107s}\n" CONFIG_LISTENER, path);
    assert_config_good(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_https_needs_tls_and_a_folder),
        cmocka_unit_test(test_an_address_of_its_own),
        cmocka_unit_test(test_roles_are_somebodys),
        cmocka_unit_test(test_a_socket_has_little_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
