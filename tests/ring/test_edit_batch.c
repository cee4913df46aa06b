/* Batches of edits between threads: the journal's writer, the readers' thread with editor and
 * keeper, and callers that wait. All or nothing, every fault with its index, and what refuses a
 * batch as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "bench/batch/editing.h"
#include "server/base/log.h"
#include "server/directory/batch_run.h"
#include "server/directory/internal.h"
#include "server/directory/projects.h"
#include "server/reactor/disk.h"

#define MAX_DEVICES 20000u
#define PATIENCE_S  60u

static struct {
    struct editing_folder folder;
    struct editing editing;
    struct edit_batch batch;
} world;

/* ---- a server's start and end ---- */

static void start(uint64_t retention_bytes)
{
    const struct editing_config config = {
        .folder = &world.folder,
        .journal = {.node = "node1",
                    .segment_bytes = 1u << 20,
                    .queue_bytes = 1u << 20,
                    .retention_bytes = retention_bytes},
        .directory = {.max_devices = MAX_DEVICES, .recorded = true},
    };

    assert_null(editing_start(&world.editing, &config));
}

static void stop(void)
{
    editing_stop(&world.editing);
}

static int set_up(void **state)
{
    (void)state;
    if (!editing_make_folder(&world.folder, "/tmp"))
        return 1;
    start(1ull << 30);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop();
    return editing_remove_folder(&world.folder) ? 0 : 1;
}

/* ---- batches ---- */

static void fill_device(struct edit *edit, size_t number)
{
    edit->kind = EDIT_DEVICE_ADD;
    (void)snprintf(edit->scope, sizeof edit->scope, "default");
    (void)snprintf(edit->serial, sizeof edit->serial, "m%zu", number);
}

/* A project, a group, a channel, and devices of them. */
static bool next_good(void *context, size_t index, struct edit *edit)
{
    (void)context;
    assert_int_equal(edit->kind, 0);
    if (index >= 3) {
        fill_device(edit, index);
        edit->channel = edit_batch_reference(2);
        edit->group = edit_batch_reference(1);
    }
    edit->kind = index == 0   ? EDIT_PROJECT_ADD
                 : index == 1 ? EDIT_GROUP_ADD
                 : index == 2 ? EDIT_CHANNEL_ADD
                              : EDIT_DEVICE_ADD;
    edit->project = index > 0 ? edit_batch_reference(0) : 0;
    (void)snprintf(edit->name, sizeof edit->name, "north");
    (void)snprintf(edit->settings.host, sizeof edit->settings.host, "192.0.2.1");
    edit->settings.port = 4001;
    return true;
}

static const struct edit_batch *
do_batch(size_t count, bool (*next)(void *context, size_t index, struct edit *edit), bool dry_run)
{
    world.batch = (struct edit_batch){
        .count = count, .next = next, .dry_run = dry_run, .actor = {.name = "me", .via = "cli"}};
    editor_do_batch(world.editing.editor, &world.batch, PATIENCE_S);
    return &world.batch;
}

static uint64_t devices(void)
{
    struct directory_counts counts;

    directory_count(world.editing.directory, &counts);
    return counts.devices;
}

static void assert_nothing(void)
{
    assert_int_equal(devices(), 0);
    assert_int_equal(order_count(&world.editing.directory->order),
                     0); /* no memory is kept either */
    assert_int_equal(journal_committed(world.editing.journal), 0);
    assert_false(project_find(world.editing.directory, "north", NULL));
    assert_int_equal(world.editing.directory->accounts->texts.count, 0);
}

static void assert_north(size_t count)
{
    struct project_info project;
    struct group_info group;
    struct channel_info channel;

    assert_int_equal(devices(), count);
    assert_true(project_find(world.editing.directory, "north", &project));
    assert_true(group_find(world.editing.directory, project.id, "north", &group));
    assert_true(channel_find(world.editing.directory, "north", &channel));
    assert_int_equal(project.devices, count);
    assert_int_equal(group.devices, count);
    assert_int_equal(channel.devices, count);
    assert_int_equal(channel.project, project.id);
}

static void all_are_in_force(void **state)
{
    (void)state;
    const struct edit_batch *batch = do_batch(10000, next_good, false);
    struct device_info info;

    assert_string_equal(batch->text, "");
    assert_int_equal(batch->result, EDIT_DONE);
    assert_int_equal(batch->first_sequence, 1);
    assert_int_equal(batch->last_sequence, 10000);
    assert_int_equal(journal_committed(world.editing.journal), 10000);
    /* a journal that had only batches once said that nothing was ever committed */
    assert_true(journal_counters(world.editing.journal)->committed_utc_ms > 0);
    assert_north(9997);
    const struct device *device = directory_known(world.editing.directory, "default", "m9999");
    assert_non_null(device);
    directory_get(world.editing.directory, device, &info);
    assert_string_equal(info.project, "north");
    assert_string_equal(info.group, "north");
    /* the same is left by a restart */
    stop();
    start(1ull << 30);
    assert_north(9997);
    /* a second time none of it is possible */
    batch = do_batch(10000, next_good, false);
    assert_int_equal(batch->result, EDIT_EXISTS);
    assert_int_equal(batch->faults[0].index, 0);
    assert_int_equal(journal_committed(world.editing.journal), 10000);
}

static void a_dry_run_changes_nothing(void **state)
{
    (void)state;
    const struct edit_batch *batch = do_batch(5000, next_good, true);

    assert_int_equal(batch->result, EDIT_DONE);
    assert_int_equal(batch->first_sequence, 0);
    assert_nothing();
}

/* Each third one is of the first's serial. */
static bool next_double(void *context, size_t index, struct edit *edit)
{
    (void)context;
    fill_device(edit, index > 0 && index % 3 == 0 ? 0 : index);
    return true;
}

static void faults_are_listed(void **state)
{
    (void)state;
    const struct edit_batch *batch = do_batch(601, next_double, false);

    assert_int_equal(batch->result, EDIT_EXISTS);
    assert_int_equal(batch->faults_found, 200);
    assert_int_equal(batch->fault_count, EDIT_BATCH_FAULTS);
    for (size_t i = 0; i < EDIT_BATCH_FAULTS; i++) {
        assert_int_equal(batch->faults[i].index, 3 * (i + 1));
        assert_int_equal(batch->faults[i].result, EDIT_EXISTS);
        assert_true(batch->faults[i].text[0] != '\0');
    }
    assert_nothing();
}

/* What is wrong, for each index. */
static const struct {
    enum edit_kind kind;
    const char *name;
    uint32_t project;
    enum edit_result result;
} wrong[] = {
    {EDIT_PROJECT_ADD, "north", 0, EDIT_DONE},
    {EDIT_PROJECT_ADD, "n0rth", 0, EDIT_EXISTS}, /* looks like it */
    {EDIT_GROUP_ADD, "a", 0x80000000u, EDIT_DONE},
    {EDIT_GROUP_ADD, "A", 0x80000000u, EDIT_EXISTS},
    {EDIT_GROUP_ADD, "b", 0x80000001u, EDIT_DONE},      /* of what is a fault: not told again */
    {EDIT_GROUP_ADD, "c", 0x80000005u, EDIT_NOT_FOUND}, /* itself */
    {EDIT_GROUP_ADD, "d", 0x80000fffu, EDIT_NOT_FOUND},
    {EDIT_GROUP_ADD, "e", 77, EDIT_NOT_FOUND},
    {EDIT_AGENT_ADD, "f", 0, EDIT_INVALID},
    {EDIT_GROUP_ADD, "", 0x80000000u, EDIT_INVALID},
    {EDIT_DEVICE_MOVE, "", 0x80000000u, EDIT_NOT_FOUND}, /* no device */
};

static bool next_wrong(void *context, size_t index, struct edit *edit)
{
    (void)context;
    edit->kind = wrong[index].kind;
    edit->project = wrong[index].project;
    (void)snprintf(edit->name, sizeof edit->name, "%s", wrong[index].name);
    return true;
}

static void each_fault_is_found(void **state)
{
    (void)state;
    const size_t count = sizeof wrong / sizeof wrong[0];
    const struct edit_batch *batch = do_batch(count, next_wrong, false);
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        if (wrong[i].result == EDIT_DONE)
            continue;
        assert_true(found < batch->fault_count);
        assert_int_equal(batch->faults[found].index, i);
        assert_int_equal(batch->faults[found].result, wrong[i].result);
        found++;
    }
    assert_int_equal(batch->faults_found, found);
    assert_int_equal(batch->result, EDIT_EXISTS);
    assert_nothing();
}

static bool next_device(void *context, size_t index, struct edit *edit)
{
    (void)context;
    fill_device(edit, index);
    return true;
}

static void it_must_fit(void **state)
{
    (void)state;
    const struct edit_batch *batch = do_batch(MAX_DEVICES + 1, next_device, false);

    assert_int_equal(batch->result, EDIT_FULL);
    assert_int_equal(batch->faults_found, 1);
    assert_int_equal(batch->faults[0].index, MAX_DEVICES);
    assert_nothing();
    assert_int_equal(do_batch(0, next_device, false)->result, EDIT_INVALID);
    assert_int_equal(do_batch(EDIT_BATCH_MAX + 1, next_device, false)->result, EDIT_FULL);
    assert_nothing();
    /* the journal takes half a megabyte */
    stop();
    start(1u << 20);
    batch = do_batch(MAX_DEVICES, next_device, false);
    assert_int_equal(batch->result, EDIT_FULL);
    assert_non_null(strstr(batch->text, "journal"));
    assert_int_equal(devices(), 0);
    assert_int_equal(journal_committed(world.editing.journal), 0);
    assert_int_equal(do_batch(1000, next_device, false)->result, EDIT_DONE);
    assert_int_equal(devices(), 1000);
}

static void done_second(struct edit_batch *batch)
{
    (void)batch;
}

static bool next_with_second(void *context, size_t index, struct edit *edit)
{
    struct edit_batch *second = context;

    *second = (struct edit_batch){.count = 1, .next = next_device, .done = done_second};
    editor_submit_batch(world.editing.editor, second);
    fill_device(edit, index);
    return index < 3;
}

/* And a caller that gives up. */
static void one_at_a_time(void **state)
{
    (void)state;
    static struct edit_batch second;

    world.batch = (struct edit_batch){.count = 10, .next = next_with_second, .context = &second};
    editor_do_batch(world.editing.editor, &world.batch, PATIENCE_S);
    assert_int_equal(second.result, EDIT_FULL);
    assert_int_equal(world.batch.result, EDIT_CONFLICT);
    assert_nothing();
}

static bool count_device(const struct device_info *info, void *context)
{
    (void)info;
    ++*(unsigned *)context;
    return true;
}

/* Devices of a batch that isn't there yet are nowhere. */
static void assert_hidden(void)
{
    unsigned walked = 0;

    assert_true(order_count(&world.editing.directory->order) > 0);
    assert_int_equal(devices(), 0);
    assert_null(directory_find(world.editing.directory, "default", "m1"));
    (void)directory_walk(world.editing.directory, 0, count_device, &walked);
    assert_int_equal(walked, 0);
}

static bool next_and_cancel(void *context, size_t index, struct edit *edit)
{
    const size_t *at = context;

    if (world.editing.editor->run->recording && index == *at) {
        assert_hidden();
        editor_cancel_batch(world.editing.editor, &world.batch);
    }
    fill_device(edit, index);
    return true;
}

/* While it is recorded: what was written goes, devices are unknown as before. */
static void it_is_given_up(void **state)
{
    (void)state;
    size_t at = 7000;

    world.batch = (struct edit_batch){.count = 15000, .next = next_and_cancel, .context = &at};
    editor_do_batch(world.editing.editor, &world.batch, PATIENCE_S);
    assert_int_equal(world.batch.result, EDIT_UNAVAILABLE);
    assert_non_null(strstr(world.batch.text, "given up: nothing was changed"));
    assert_int_equal(devices(), 0);
    assert_int_equal(journal_committed(world.editing.journal), 0);
    assert_null(directory_find(world.editing.directory, "default", "m1"));
    /* and again, at the first moment */
    world.batch = (struct edit_batch){.count = 15000, .next = next_device};
    editor_do_batch(world.editing.editor, &world.batch, 0);
    assert_true(world.batch.result == EDIT_UNAVAILABLE || world.batch.result == EDIT_DONE);
    assert_int_equal(devices(), world.batch.result == EDIT_DONE ? 15000 : 0);
}

/* Another edit waits, and is done. */
static void edits_go_on(void **state)
{
    (void)state;
    struct edit edit = {.kind = EDIT_PROJECT_ADD, .name = "south"};

    assert_int_equal(do_batch(3000, next_good, false)->result, EDIT_DONE);
    editor_do(world.editing.editor, &edit);
    assert_int_equal(edit.result, EDIT_DONE);
    assert_int_equal(journal_committed(world.editing.journal), 3001);
    assert_int_equal(edit.id, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_are_in_force, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dry_run_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(faults_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_fault_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_must_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edits_go_on, set_up, tear_down),
    };
    int result = 1;
    if (log_start(STDERR_FILENO, LOG_ERROR) == STATUS_OK) {
        result = cmocka_run_group_tests(tests, NULL, NULL);
        log_stop();
    }
    return result;
}
