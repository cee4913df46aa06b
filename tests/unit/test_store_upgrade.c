/* Stores that earlier versions wrote are brought to the present one: what is in them and the
 * position in the journal stay, and there is room for what came since. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "server/directory/account_rows.h"
#include "server/directory/store.h"
#include "tests/history/history.h"

static const char first_version[] =
    "CREATE TABLE device (id INTEGER PRIMARY KEY, scope TEXT NOT NULL, serial TEXT NOT NULL,"
    " kind TEXT NOT NULL, model TEXT NOT NULL, firmware TEXT NOT NULL, hardware TEXT NOT NULL,"
    " project TEXT NOT NULL, listener TEXT NOT NULL, note TEXT NOT NULL,"
    " first_seen_unix_ms INTEGER NOT NULL, last_seen_unix_ms INTEGER NOT NULL,"
    " link_epoch INTEGER NOT NULL, direct_port INTEGER NOT NULL, signal_csq INTEGER,"
    " last_gasp_unix_ms INTEGER, last_gasp_sequence INTEGER, removed INTEGER NOT NULL,"
    " UNIQUE (scope, serial)) STRICT;"
    "CREATE TABLE position (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL)"
    " STRICT;"
    "INSERT INTO position VALUES (1, 77);"
    "INSERT INTO device VALUES (1, 'default', '868441000000001', 'irz-modem', 'ATM21', '1.2', "
    "'2.0',"
    " '', 'irz', 'on the roof', 1000, 2000, 9, 20001, 17, 1500, 70, 0);"
    "PRAGMA application_id = 1128615491; PRAGMA user_version = 1;";

static void check(const struct device_facts *facts, void *context)
{
    unsigned *count = context;
    (*count)++;
    assert_string_equal(facts->scope, "default");
    assert_string_equal(facts->serial, "868441000000001");
    assert_string_equal(facts->kind, "irz-modem");
    assert_string_equal(facts->model, "ATM21");
    assert_string_equal(facts->firmware, "1.2");
    assert_string_equal(facts->hardware, "2.0");
    assert_string_equal(facts->listener, "irz");
    assert_string_equal(facts->note, "on the roof");
    assert_int_equal(facts->first_seen_utc_ms, 1000);
    assert_int_equal(facts->last_seen_utc_ms, 2000);
    assert_int_equal(facts->epoch, 9);
    assert_int_equal(facts->direct_port, 20001);
    assert_int_equal(facts->project_id, 0);
    assert_int_equal(facts->group_id, 0);
    assert_int_equal(facts->channel_id, 0);
    assert_int_equal(facts->signal_csq, 17);
    assert_int_equal(facts->gasp.utc_ms, 1500);
    assert_int_equal(facts->gasp.sequence, 70);
    assert_false(facts->removed);
}

static enum status no_account(const Cenc__V1__Event *event, void *context)
{
    (void)context; /* only the ids that were given: none */
    assert_true(event->body_case == CENC__V1__EVENT__BODY_PROJECT_REMOVED ||
                event->body_case == CENC__V1__EVENT__BODY_GROUP_REMOVED ||
                event->body_case == CENC__V1__EVENT__BODY_AGENT_REMOVED ||
                event->body_case == CENC__V1__EVENT__BODY_CHANNEL_REMOVED ||
                event->body_case == CENC__V1__EVENT__BODY_TOKEN_REMOVED);
    return STATUS_OK;
}

static void the_first_version_is_understood(void **state)
{
    char folder[64];
    char path[80];
    sqlite3 *database = NULL;
    struct account_visitor visitor = {.event = no_account};
    (void)state;
    history_make_folder(folder);
    (void)snprintf(path, sizeof path, "%s/store", folder);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, first_version, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    for (unsigned opened = 0; opened < 2; opened++) { /* it is brought there once */
        struct store *store = NULL;
        struct store_error error;
        unsigned count = 0;
        if (store_open(path, &store, &error) != STATUS_OK)
            fail_msg("%s", error.text);
        assert_int_equal(store_sequence(store), 77);
        assert_int_equal(store_load(store, check, &count, &error), STATUS_OK);
        assert_int_equal(count, 1);
        assert_int_equal(store_load_accounts(store, &visitor, &error), STATUS_OK);
        store_close(store);
    }
    history_remove_folder(folder);
}

static void check_place(const struct device_facts *facts, void *context)
{
    (void)context;
    assert_int_equal(facts->project_id, 1);
    assert_int_equal(facts->group_id, 2);
    assert_int_equal(facts->channel_id, 0);
}

static enum status take_last(const Cenc__V1__Event *event, void *context)
{
    if (event->body_case == CENC__V1__EVENT__BODY_PROJECT_REMOVED)
        *(uint32_t *)context = event->project_removed->item->id;
    if (event->body_case == CENC__V1__EVENT__BODY_CHANNEL_REMOVED)
        assert_int_equal(event->channel_removed->item->id, 0);
    return STATUS_OK;
}

static void the_second_version_gets_room_for_channels(void **state)
{
    char folder[64];
    char path[80];
    sqlite3 *database = NULL;
    struct store *store = NULL;
    struct store_error error;
    uint32_t last_project = 0;
    struct account_visitor visitor = {.event = take_last, .context = &last_project};
    (void)state;
    history_make_folder(folder);
    (void)snprintf(path, sizeof path, "%s/store", folder);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, first_version, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, account_rows_schema, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database,
                                  "UPDATE device SET project_id = 1, group_id = 2;"
                                  "UPDATE last_id SET project = 3; PRAGMA user_version = 2",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    if (store_open(path, &store, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(store_load(store, check_place, NULL, &error), STATUS_OK);
    assert_int_equal(store_load_accounts(store, &visitor, &error), STATUS_OK);
    assert_int_equal(last_project, 3);
    store_close(store);
    history_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_version_is_understood),
        cmocka_unit_test(the_second_version_gets_room_for_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
