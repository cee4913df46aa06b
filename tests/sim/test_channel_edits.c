/* Channels in the directory: what may be one, what an edit changes, what keeps one from being
 * removed, and which devices are on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/host.h"
#include "server/directory/edit_internal.h"
#include "server/directory/internal.h"

static struct {
    struct directory *directory;
    struct edit_records *records;
    struct proto_arena arena;
} world;

static int set_up(void **state)
{
    struct directory_config config = {.max_devices = 100};
    (void)state;
    world.records = calloc(1, sizeof *world.records);
    world.arena.memory = malloc(PROTO_ARENA_SIZE);
    world.arena.size = PROTO_ARENA_SIZE;
    return directory_create(&config, &world.directory) != STATUS_OK || world.records == NULL ||
           world.arena.memory == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    directory_free(world.directory);
    free(world.records);
    free(world.arena.memory);
    return 0;
}

/* What the editor does with it, without a journal in between. */
static enum edit_result run(struct edit *edit)
{
    struct edit_scene scene = {.directory = world.directory, .node = "n", .utc_ms = 1};
    struct edit_records *records = world.records;
    Cenc__V1__Event *event = NULL;
    records->device = NULL;
    enum edit_result result = edit_prepare(&scene, edit, records);
    if (result != EDIT_DONE) {
        assert_true(edit->text[0] != '\0');
        return result;
    }
    world.arena.used = 0;
    assert_int_equal(event_unpack(records->public, records->public_size, &world.arena, &event),
                     CODEC_OK);
    assert_int_equal(accounts_apply(world.directory, event), STATUS_OK);
    if (edit->kind == EDIT_DEVICE_ADD)
        directory_recorded(world.directory, records->device);
    else if (records->device != NULL)
        place_set(world.directory, records->device, &records->place);
    return EDIT_DONE;
}

static struct edit an_edit(enum edit_kind kind, const char *name)
{
    struct edit edit = {.kind = kind};
    (void)snprintf(edit.name, sizeof edit.name, "%s", name);
    (void)snprintf(edit.settings.host, sizeof edit.settings.host, "gate.example");
    edit.settings.port = 10007;
    edit.settings.enabled = true;
    return edit;
}

static uint32_t add(enum edit_kind kind, const char *name)
{
    struct edit edit = an_edit(kind, name);
    if (run(&edit) != EDIT_DONE)
        fail_msg("%s: %s", name, edit.text);
    return edit.id;
}

/* ---- hosts ---- */

static void what_is_a_host(void **state)
{
    static const char *const good[] = {"10.5.111.110", "2001:db8::1", "::1",     "gate",
                                       "a-b.example",  "x_1.local",   "7.gates", "g1"};
    static const char *const bad[] = {"",         "10.5.111", "10.5.111.256", "10.0.0.0/8",
                                      "[::1]",    "a b",      "-a",           ".a",
                                      "gate:502", "g\n",      "gäte",         "1"};
    char longest[HOST_SIZE + 1];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!host_is_valid(good[i]))
            fail_msg("%s is none", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (host_is_valid(bad[i]))
            fail_msg("%s is one", bad[i]);
    memset(longest, 'a', sizeof longest);
    longest[HOST_SIZE] = '\0';
    assert_false(host_is_valid(longest));
    longest[HOST_SIZE - 1] = '\0';
    assert_true(host_is_valid(longest));
}

/* ---- edits ---- */

static void additions_that_are_refused(void **state)
{
    struct edit edit;
    (void)state;
    add(EDIT_CHANNEL_ADD, "north");
    edit = an_edit(EDIT_CHANNEL_ADD, "NORTH");
    assert_int_equal(run(&edit), EDIT_EXISTS);
    assert_non_null(strstr(edit.text, "channel north, which looks alike"));
    edit = an_edit(EDIT_CHANNEL_ADD, " a");
    assert_int_equal(run(&edit), EDIT_INVALID);
    edit = an_edit(EDIT_CHANNEL_ADD, "a");
    edit.settings.port = 0;
    assert_int_equal(run(&edit), EDIT_INVALID);
    edit = an_edit(EDIT_CHANNEL_ADD, "a");
    edit.settings.host[0] = '-';
    assert_int_equal(run(&edit), EDIT_INVALID);
    edit = an_edit(EDIT_CHANNEL_ADD, "a");
    memset(edit.settings.host, 'a', sizeof edit.settings.host);
    assert_int_equal(run(&edit), EDIT_INVALID);
    edit = an_edit(EDIT_CHANNEL_ADD, "a");
    edit.project = 7;
    assert_int_equal(run(&edit), EDIT_NOT_FOUND);
    assert_false(channel_find(world.directory, "a", NULL));
}

static void a_change_takes_what_it_names(void **state)
{
    struct channel_info info;
    struct edit edit;
    (void)state;
    uint32_t id = add(EDIT_CHANNEL_ADD, "bus 1");
    uint32_t project = add(EDIT_PROJECT_ADD, "east");
    edit = an_edit(EDIT_CHANNEL_CHANGE, "elsewhere");
    edit.id = id;
    edit.fields = EDIT_EXCLUSIVE | EDIT_PROJECT;
    edit.settings = (struct channel_settings){.exclusive = true};
    edit.project = project;
    edit.revision = 1;
    assert_int_equal(run(&edit), EDIT_DONE);
    assert_int_equal(edit.revision, 2);
    assert_true(channel_get(world.directory, id, &info));
    assert_string_equal(info.name, "bus 1");
    assert_string_equal(info.settings.host, "gate.example");
    assert_int_equal(info.settings.port, 10007);
    assert_true(info.settings.exclusive && info.settings.enabled);
    assert_string_equal(info.project_name, "east");
    assert_true(channel_is_exclusive(world.directory, id));
    assert_false(channel_is_exclusive(world.directory, id + 1));
    edit.revision = 1;
    assert_int_equal(run(&edit), EDIT_CONFLICT);
    edit = (struct edit){.kind = EDIT_PROJECT_REMOVE, .id = project};
    assert_int_equal(run(&edit), EDIT_IN_USE);
    assert_non_null(strstr(edit.text, "the channel bus 1 belongs to it"));
    edit = (struct edit){.kind = EDIT_CHANNEL_CHANGE, .id = id, .fields = EDIT_PROJECT};
    assert_int_equal(run(&edit), EDIT_DONE);
    edit = (struct edit){.kind = EDIT_PROJECT_REMOVE, .id = project};
    assert_int_equal(run(&edit), EDIT_DONE);
}

/* ---- devices ---- */

static uint64_t devices_on(uint32_t id)
{
    struct channel_info info;
    assert_true(channel_get(world.directory, id, &info));
    return info.devices;
}

/* One that is no UTF-8 once ended the process: no record can hold it. */
static void a_scope_is_a_name(void **state)
{
    static const char *const bad[] = {"", "a:b", "North", "\xff", "north east"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct edit edit = {.kind = EDIT_DEVICE_ADD, .serial = "d"};
        struct edit details = {.kind = EDIT_DETAILS_SET,
                               .details_kind = DETAILS_DEVICE,
                               .serial = "d",
                               .details = "{}"};
        (void)snprintf(edit.scope, sizeof edit.scope, "%s", bad[i]);
        (void)snprintf(details.scope, sizeof details.scope, "%s", bad[i]);
        assert_int_equal(run(&edit), EDIT_INVALID);
        assert_null(edit.device);
        enum edit_result result =
            edit_prepare_details(&(struct edit_scene){.directory = world.directory, .node = "n"},
                                 &details, world.records);
        assert_int_equal(result, bad[i][0] == '\xff' ? EDIT_INVALID : EDIT_DONE);
    }
}

static void devices_are_on_channels(void **state)
{
    struct device_info info;
    (void)state;
    uint32_t one = add(EDIT_CHANNEL_ADD, "one");
    uint32_t two = add(EDIT_CHANNEL_ADD, "two");
    uint32_t project = add(EDIT_PROJECT_ADD, "south");
    struct edit edit = {.kind = EDIT_DEVICE_ADD, .scope = "default", .serial = "d", .channel = 99};
    assert_int_equal(run(&edit), EDIT_NOT_FOUND);
    edit.channel = one;
    assert_int_equal(run(&edit), EDIT_DONE);
    struct device *device = edit.device;
    assert_int_equal(devices_on(one), 1);
    /* a move says nothing of the channel unless it says so */
    edit = (struct edit){.kind = EDIT_DEVICE_MOVE, .device = device, .project = project};
    assert_int_equal(run(&edit), EDIT_DONE);
    directory_get(world.directory, device, &info);
    assert_string_equal(info.channel, "one");
    assert_string_equal(info.project, "south");
    uint64_t revision = edit_device_revision(info.project_id, info.group_id, info.channel_id);
    edit = (struct edit){.kind = EDIT_DEVICE_CHANNEL, .device = device, .channel = two};
    edit.revision = revision;
    edit.project = 77; /* not looked at */
    assert_int_equal(run(&edit), EDIT_DONE);
    edit.revision = revision;
    assert_int_equal(run(&edit), EDIT_CONFLICT);
    directory_get(world.directory, device, &info);
    assert_string_equal(info.channel, "two");
    assert_string_equal(info.project, "south");
    assert_int_equal(devices_on(one), 0);
    assert_int_equal(devices_on(two), 1);
    edit = (struct edit){.kind = EDIT_CHANNEL_REMOVE, .id = two};
    assert_int_equal(run(&edit), EDIT_IN_USE);
    edit = (struct edit){.kind = EDIT_DEVICE_MOVE, .device = device, .fields = EDIT_CHANNEL};
    assert_int_equal(run(&edit), EDIT_DONE);
    directory_get(world.directory, device, &info);
    assert_int_equal(info.channel_id, 0);
    assert_int_equal(info.project_id, 0);
    edit = (struct edit){.kind = EDIT_CHANNEL_REMOVE, .id = two};
    assert_int_equal(run(&edit), EDIT_DONE);
    assert_false(channel_get(world.directory, two, NULL));
    assert_true(add(EDIT_CHANNEL_ADD, "two") > two); /* an id is given once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_host),
        cmocka_unit_test_setup_teardown(additions_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_takes_what_it_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_scope_is_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(devices_are_on_channels, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
