/* Who may do what with the admin API: each role at each path by each method, as docs/openapi.yaml
 * has them. A path that is added there without a row in the table fails here, and a row without a
 * path as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/tree.h"
#include "server/ops/admin_roles.h"

struct described {
    struct config_errors errors;
    struct tree tree;
    const struct tree_node *paths;
};

static int read_description(void **state)
{
    struct described *described = calloc(1, sizeof(*described));
    const char *source = getenv("CENCD_SOURCE");
    static char text[1 << 20];
    char path[4096];

    assert_non_null(described);
    (void)snprintf(path, sizeof(path), "%s/docs/openapi.yaml", source != NULL ? source : ".");
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text), file);
    assert_int_equal(fclose(file), 0);
    assert_true(size > 0 && size < sizeof(text));
    assert_int_equal(tree_read(&described->tree, text, size, &described->errors), STATUS_OK);
    described->paths = tree_find(described->tree.root, "paths");
    assert_non_null(described->paths);
    *state = described;
    return 0;
}

static int forget_description(void **state)
{
    struct described *described = *state;

    tree_free(&described->tree);
    free(described);
    return 0;
}

/* "/devices/{scope}/{serial}" becomes its parts, with a name that nobody has for what is in
 * braces. */
static unsigned split(const char *path, char parts[ADMIN_PARTS][ADMIN_PART_SIZE])
{
    unsigned count = 0;

    while (*path == '/') {
        size_t size = strcspn(path + 1, "/");
        assert_true(count < ADMIN_PARTS && size < ADMIN_PART_SIZE);
        (void)snprintf(parts[count++], ADMIN_PART_SIZE, "%.*s", (int)size,
                       path[1] == '{' ? "devices" : path + 1);
        path += 1 + size;
    }
    assert_int_equal(*path, '\0');
    return count;
}

/* The name of a method in the description. */
static const struct tree_node *operation_of(const struct tree_node *path, enum admin_method method)
{
    char name[16];
    size_t i = 0;

    for (const char *at = admin_method_name(method); *at != '\0'; at++)
        name[i++] = (char)(*at | 0x20);
    name[i] = '\0';
    return tree_find(path, name);
}

static void check_operation(const struct tree_node *path, enum admin_method method)
{
    const struct tree_node *operation = operation_of(path, method);
    char parts[ADMIN_PARTS][ADMIN_PART_SIZE];
    unsigned count = split(path->key->text, parts);
    bool listed = false;
    enum role needed = admin_role_needed(method, parts, count, &listed);

    if (listed != (operation != NULL))
        fail_msg("%s %s is %s", admin_method_name(method), path->key->text,
                 listed ? "not in docs/openapi.yaml" : "not in the table of admin_roles.c");
    if (operation == NULL) {
        assert_int_equal(needed, ROLE_ADMIN);
        return;
    }
    const struct tree_node *role = tree_find(operation, "x-role");
    if (role == NULL || role_called(role->text) != needed)
        fail_msg("%s %s takes the role %s, and docs/openapi.yaml has x-role: %s",
                 admin_method_name(method), path->key->text, role_name(needed),
                 role != NULL ? role->text : "nothing");
    if (method == ADMIN_GET)
        assert_int_equal(needed, ROLE_VIEWER);
    else
        assert_true(needed > ROLE_VIEWER);
}

static void test_every_combination(void **state)
{
    const struct described *described = *state;
    unsigned operations = 0;

    for (const struct tree_node *path = described->paths->first; path != NULL; path = path->next) {
        for (int method = ADMIN_GET; method < ADMIN_METHODS; method++) {
            check_operation(path, (enum admin_method)method);
            operations += operation_of(path, (enum admin_method)method) != NULL;
        }
    }
    assert_true(operations > 25);
    assert_int_equal(operations, admin_roles_listed());
}

/* What decides who may do what is for admins. */
static void test_what_is_for_admins(void **state)
{
    static const char *const closed[] = {"projects", "groups", "agents", "tokens"};

    (void)state;
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
        char parts[ADMIN_PARTS][ADMIN_PART_SIZE] = {"", "x", "y"};
        bool listed;
        (void)snprintf(parts[0], ADMIN_PART_SIZE, "%s", closed[i]);
        for (int method = ADMIN_POST; method < ADMIN_METHODS; method++)
            for (unsigned count = 1; count <= 3; count++)
                assert_int_equal(
                    admin_role_needed((enum admin_method)method, parts, count, &listed),
                    ROLE_ADMIN);
    }
}

static void test_what_nobody_listed_is_for_admins(void **state)
{
    char parts[ADMIN_PARTS][ADMIN_PART_SIZE] = {"devices", "a", "b", "c"};
    bool listed = true;

    (void)state;
    assert_int_equal(admin_role_needed(ADMIN_GET, parts, 4, &listed), ROLE_ADMIN);
    assert_false(listed);
    assert_int_equal(admin_role_needed(ADMIN_GET, parts, 2, &listed), ROLE_ADMIN);
    assert_int_equal(admin_role_needed(ADMIN_GET, parts, 3, &listed), ROLE_VIEWER);
    assert_true(listed);
    (void)snprintf(parts[0], ADMIN_PART_SIZE, "*");
    assert_int_equal(admin_role_needed(ADMIN_GET, parts, 1, &listed), ROLE_ADMIN);
    (void)snprintf(parts[0], ADMIN_PART_SIZE, "devicesx");
    assert_int_equal(admin_role_needed(ADMIN_GET, parts, 1, &listed), ROLE_ADMIN);
    (void)snprintf(parts[0], ADMIN_PART_SIZE, "device");
    assert_int_equal(admin_role_needed(ADMIN_GET, parts, 1, &listed), ROLE_ADMIN);
    assert_int_equal(admin_role_needed(ADMIN_GET, parts, 0, &listed), ROLE_ADMIN);
}

static void test_names(void **state)
{
    (void)state;
    for (int role = ROLE_VIEWER; role < ROLE_COUNT; role++)
        assert_int_equal(role_called(role_name((enum role)role)), role);
    assert_int_equal(role_called("none"), ROLE_NONE);
    assert_int_equal(role_called("Admin"), ROLE_NONE);
    assert_int_equal(role_called(""), ROLE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_combination),
        cmocka_unit_test(test_what_is_for_admins),
        cmocka_unit_test(test_what_nobody_listed_is_for_admins),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, read_description, forget_description);
}
