/* What the admin API answers about what was edited, by a real editor. What was added and, by
 * somebody else, removed before it was to be shown was told as created, with an error in place of
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/batch/editing.h"
#include "server/directory/projects.h"
#include "server/ops/admin_request.h"

static struct {
    struct editing_folder folder;
    struct editing editing;
    struct server *server;
    bool gone; /* before it is shown */
} world;

static int set_up(void **state)
{
    const struct editing_config config = {
        .folder = &world.folder,
        .journal = {.node = "node1",
                    .segment_bytes = 1u << 20,
                    .queue_bytes = 1u << 20,
                    .retention_bytes = 1u << 30},
        .directory = {.max_devices = 10, .recorded = true},
    };

    (void)state;
    world.server = calloc(1, sizeof(*world.server));
    if (world.server == NULL || !editing_make_folder(&world.folder, "/tmp") ||
        editing_start(&world.editing, &config) != NULL)
        return 1;
    world.server->editor = world.editing.editor;
    world.server->directory = world.editing.directory;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    editing_stop(&world.editing);
    free(world.server);
    return editing_remove_folder(&world.folder) ? 0 : 1;
}

/* ---- a resource ---- */

static bool read_project(struct admin_request *request, struct edit *edit)
{
    (void)request;
    (void)snprintf(edit->name, sizeof edit->name, "north");
    edit->fields = EDIT_NAME;
    return true;
}

static void show_project(struct admin_request *request, uint32_t id)
{
    struct project_info info;

    if (world.gone) {
        struct edit removal = {.kind = EDIT_PROJECT_REMOVE, .id = id};
        editor_do(world.server->editor, &removal);
        assert_int_equal(removal.result, EDIT_DONE);
    }
    if (project_get(world.server->directory, id, &info))
        admin_answer(request, json_pack("{s:s}", "name", info.name));
    else
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "it was removed meanwhile");
}

static const struct admin_resource resource = {
    .parts = 2,
    .show = show_project,
    .read = read_project,
    .add = EDIT_PROJECT_ADD,
    .change = EDIT_PROJECT_CHANGE,
    .remove = EDIT_PROJECT_REMOVE,
};

static unsigned add(void)
{
    struct admin_request request = {.server = world.server,
                                    .method = ADMIN_POST,
                                    .part_count = 1,
                                    .status = MHD_HTTP_OK,
                                    .actor = {.name = "me", .via = "cli"}};

    admin_serve(&request, &resource);
    assert_non_null(request.answer);
    assert_int_equal(json_object_get(request.answer, "error") == NULL,
                     request.status == MHD_HTTP_CREATED);
    json_decref(request.answer);
    return request.status;
}

/* ---- tests ---- */

static void what_is_added_is_created(void **state)
{
    (void)state;
    world.gone = false;
    assert_int_equal(add(), MHD_HTTP_CREATED);
    assert_int_equal(add(), MHD_HTTP_CONFLICT);
}

static void what_is_gone_at_once_is_not_created(void **state)
{
    (void)state;
    world.gone = true;
    assert_int_equal(add(), MHD_HTTP_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_added_is_created, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_gone_at_once_is_not_created, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
