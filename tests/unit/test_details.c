/* Details: they come into the store by private records, are read beside the keeper, and go with
 * their objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/directory/details.h"
#include "server/directory/store.h"
#include "tests/history/history.h"

static struct {
    char folder[64];
    char path[80];
    struct store *store;
    struct store_error error;
    uint64_t sequence;
} world;

static int set_up(void **state)
{
    (void)state;
    history_make_folder(world.folder);
    (void)snprintf(world.path, sizeof(world.path), "%s/store", world.folder);
    world.sequence = 0;
    return store_open(world.path, &world.store, &world.error) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    store_close(world.store);
    history_remove_folder(world.folder);
    return 0;
}

static void set(const char *kind, uint32_t owner, const char *key, const char *json)
{
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__ImportedDetails body = CENC__PRIVATE__V1__IMPORTED_DETAILS__INIT;

    body.kind = (char *)kind;
    body.owner_id = owner;
    body.scope = (char *)(strcmp(kind, "device") == 0 ? "default" : "");
    body.key = (char *)key;
    body.json = (char *)json;
    record.body_case = CENC__PRIVATE__V1__RECORD__BODY_IMPORTED_DETAILS;
    record.imported_details = &body;
    assert_int_equal(store_begin(world.store, &world.error), STATUS_OK);
    assert_int_equal(store_private(world.store, &record, &world.error), STATUS_OK);
    assert_int_equal(store_end(world.store, ++world.sequence, &world.error), STATUS_OK);
}

static void apply(const Cenc__V1__Event *event)
{
    assert_int_equal(store_begin(world.store, &world.error), STATUS_OK);
    assert_int_equal(store_event(world.store, event, ++world.sequence, &world.error), STATUS_OK);
    assert_int_equal(store_end(world.store, world.sequence, &world.error), STATUS_OK);
}

/* What a new reader finds; NULL: nothing. */
static void is(enum details_kind kind, uint32_t owner, const char *key, const char *json)
{
    struct details *details = NULL;
    struct details_key wanted = {
        .kind = kind, .owner = owner, .scope = kind == DETAILS_DEVICE ? "default" : "", .key = key};

    assert_int_equal(details_open(world.path, &details), STATUS_OK);
    const char *found = details_find(details, &wanted);
    assert_false(details_failed(details));
    if (json == NULL)
        assert_null(found);
    else
        assert_string_equal(found, json);
    details_close(details);
}

static void details_are_kept_and_replaced(void **state)
{
    (void)state;
    set("device", 0, "1", "{\"a\":1}");
    set("group", 7, "", "{\"g\":1}");
    set("device", 0, "1", "{\"a\":2}");
    set("nonsense", 0, "1", "{}");
    is(DETAILS_DEVICE, 0, "1", "{\"a\":2}");
    is(DETAILS_GROUP, 7, "", "{\"g\":1}");
    is(DETAILS_GROUP, 8, "", NULL);
    set("group", 7, "", "");
    is(DETAILS_GROUP, 7, "", NULL);
}

static void what_is_read_stays_as_it_was(void **state)
{
    struct details *details = NULL;

    (void)state;
    set("protocol", 3, "p1", "1");
    set("protocol", 3, "p0", "0");
    set("protocol", 4, "other", "4");
    assert_int_equal(details_open(world.path, &details), STATUS_OK);
    assert_string_equal(details_first(details, DETAILS_PROTOCOL, 3), "1");
    set("protocol", 3, "p0", "changed");
    set("protocol", 3, "p2", "2");
    assert_string_equal(details_next(details), "0");
    assert_null(details_next(details));
    assert_null(details_first(details, DETAILS_TOP, 3));
    assert_false(details_failed(details));
    details_close(details);
    is(DETAILS_PROTOCOL, 3, "p0", "changed");
}

static void details_go_with_their_objects(void **state)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__DeviceRemoved device_removed = CENC__V1__DEVICE_REMOVED__INIT;
    Cenc__V1__GroupRemoved group_removed = CENC__V1__GROUP_REMOVED__INIT;
    Cenc__V1__Group group = CENC__V1__GROUP__INIT;
    Cenc__V1__ChannelRemoved channel_removed = CENC__V1__CHANNEL_REMOVED__INIT;
    Cenc__V1__Channel channel = CENC__V1__CHANNEL__INIT;
    Cenc__V1__ProjectRemoved project_removed = CENC__V1__PROJECT_REMOVED__INIT;
    Cenc__V1__Project project = CENC__V1__PROJECT__INIT;

    (void)state;
    set("device", 0, "1", "1");
    set("device", 0, "2", "2");
    set("group", 5, "", "5");
    set("channel", 5, "", "5");
    set("protocol", 5, "p", "5");
    set("top", 5, "Meta", "5");
    set("protocol", 6, "p", "6");
    device.scope = (char *)"default";
    device.serial = (char *)"1";
    event.device = &device;
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_REMOVED;
    event.device_removed = &device_removed;
    apply(&event);
    is(DETAILS_DEVICE, 0, "1", NULL);
    is(DETAILS_DEVICE, 0, "2", "2");
    event.device = NULL;
    event.body_case = CENC__V1__EVENT__BODY_GROUP_REMOVED;
    group.id = 5;
    group_removed.item = &group;
    event.group_removed = &group_removed;
    apply(&event);
    is(DETAILS_GROUP, 5, "", NULL);
    is(DETAILS_CHANNEL, 5, "", "5");
    event.body_case = CENC__V1__EVENT__BODY_CHANNEL_REMOVED;
    channel.id = 5;
    channel_removed.item = &channel;
    event.channel_removed = &channel_removed;
    apply(&event);
    is(DETAILS_CHANNEL, 5, "", NULL);
    is(DETAILS_PROTOCOL, 5, "p", "5");
    event.body_case = CENC__V1__EVENT__BODY_PROJECT_REMOVED;
    project.id = 5;
    project_removed.item = &project;
    event.project_removed = &project_removed;
    apply(&event);
    is(DETAILS_PROTOCOL, 5, "p", NULL);
    is(DETAILS_TOP, 5, "Meta", NULL);
    is(DETAILS_PROTOCOL, 6, "p", "6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(details_are_kept_and_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_read_stays_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(details_go_with_their_objects, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
