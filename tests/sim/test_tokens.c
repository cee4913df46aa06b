/* Tokens in the directory: what may be one, what an edit changes, who gets in, and that the store
 * gives back what was put in, also when it was closed between a hash and its token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/directory/edit_internal.h"
#include "server/directory/internal.h"
#include "server/directory/store.h"
#include "server/directory/tokens_apply.h"
#include "tests/history/history.h"

#define NOW_MS 1800000000000u

static struct {
    struct directory *directory;
    struct store *store;
    struct edit_records *records;
    struct proto_arena arena;
    char folder[64];
    char path[80];
    uint64_t sequence;
} world;

static struct directory *empty_directory(void)
{
    const struct directory_config config = {.max_devices = 10};
    struct directory *directory = NULL;

    assert_int_equal(directory_create(&config, &directory), STATUS_OK);
    return directory;
}

static void open_store(void)
{
    struct store_error error;

    if (store_open(world.path, &world.store, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    world.directory = empty_directory();
    world.records = calloc(1, sizeof(*world.records));
    world.arena.memory = malloc(PROTO_ARENA_SIZE);
    world.arena.size = PROTO_ARENA_SIZE;
    history_make_folder(world.folder);
    (void)snprintf(world.path, sizeof(world.path), "%s/store", world.folder);
    open_store();
    return world.records == NULL || world.arena.memory == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    store_close(world.store);
    history_remove_folder(world.folder);
    directory_free(world.directory);
    free(world.records);
    free(world.arena.memory);
    return 0;
}

/* ---- edits ---- */

static void keep_hash(void)
{
    ProtobufCMessage *message = NULL;
    struct store_error error;

    world.arena.used = 0;
    assert_int_equal(proto_unpack(&cenc__private__v1__record__descriptor, world.records->private,
                                  world.records->private_size, &world.arena, &message),
                     CODEC_OK);
    const Cenc__Private__V1__Record *record = (const Cenc__Private__V1__Record *)message;
    assert_int_equal(record->body_case, CENC__PRIVATE__V1__RECORD__BODY_TOKEN_HASH);
    assert_int_equal(accounts_apply_private(world.directory, record), STATUS_OK);
    assert_int_equal(store_begin(world.store, &error), STATUS_OK);
    assert_int_equal(store_private(world.store, record, &error), STATUS_OK);
    assert_int_equal(store_end(world.store, ++world.sequence, &error), STATUS_OK);
}

static void keep_event(void)
{
    Cenc__V1__Event *event = NULL;
    struct store_error error;

    world.arena.used = 0;
    assert_int_equal(
        event_unpack(world.records->public, world.records->public_size, &world.arena, &event),
        CODEC_OK);
    assert_int_equal(accounts_apply(world.directory, event), STATUS_OK);
    assert_int_equal(store_begin(world.store, &error), STATUS_OK);
    assert_int_equal(store_event(world.store, event, ++world.sequence, &error), STATUS_OK);
    assert_int_equal(store_end(world.store, world.sequence, &error), STATUS_OK);
}

static enum edit_result prepare(struct edit *edit)
{
    const struct edit_scene scene = {.directory = world.directory, .node = "n", .utc_ms = NOW_MS};

    world.records->private_size = 0;
    enum edit_result result = edit_prepare(&scene, edit, world.records);
    if (result != EDIT_DONE)
        assert_true(edit->text[0] != '\0');
    return result;
}

/* What the editor does with it, without a journal in between. */
static enum edit_result run(struct edit *edit)
{
    enum edit_result result = prepare(edit);

    if (result != EDIT_DONE)
        return result;
    if (world.records->private_size > 0)
        keep_hash();
    keep_event();
    return result;
}

static struct edit addition(const char *name, enum role role, uint8_t byte)
{
    struct edit edit = {.kind = EDIT_TOKEN_ADD, .token = {.role = role, .enabled = true}};

    (void)snprintf(edit.name, sizeof(edit.name), "%s", name);
    memset(edit.token_hash, byte, sizeof(edit.token_hash));
    return edit;
}

static uint32_t add(const char *name, enum role role, uint8_t byte)
{
    struct edit edit = addition(name, role, byte);

    if (run(&edit) != EDIT_DONE)
        fail_msg("%s: %s", name, edit.text);
    return edit.id;
}

static struct address somewhere(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, &address), STATUS_OK);
    return address;
}

static enum token_verdict enter(struct directory *directory, uint8_t byte, struct token_pass *pass)
{
    const struct address peer = somewhere("10.1.2.3:7");
    uint8_t hash[TOKEN_HASH_SIZE];

    memset(hash, byte, sizeof(hash));
    return token_check(directory, hash, &peer, NOW_MS, pass);
}

/* ---- tests ---- */

static void texts_are_random(void **state)
{
    char one[TOKEN_TEXT_SIZE];
    char two[TOKEN_TEXT_SIZE];
    uint8_t hash[TOKEN_HASH_SIZE];
    uint8_t again[TOKEN_HASH_SIZE];

    (void)state;
    token_make(one, hash);
    assert_int_equal(strlen(one), TOKEN_TEXT_SIZE - 1);
    assert_int_equal(strncmp(one, TOKEN_PREFIX, strlen(TOKEN_PREFIX)), 0);
    assert_int_equal(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789-_"),
                     strlen(one));
    token_hash(one, strlen(one), again);
    assert_memory_equal(hash, again, sizeof(hash));
    token_make(two, hash);
    assert_string_not_equal(one, two);
    token_hash("abc", 3, hash); /* FIPS 180-2, B.1 */
    assert_int_equal(hash[0], 0xba);
    assert_int_equal(hash[31], 0xad);
}

static void who_gets_in(void **state)
{
    struct token_pass pass = {.name = ""};
    struct edit change = {.kind = EDIT_TOKEN_CHANGE, .fields = EDIT_ENABLED};
    struct cidr network;

    (void)state;
    add("panel", ROLE_VIEWER, 1);
    change.id = add("hes", ROLE_OPERATOR, 2);
    assert_int_equal(enter(world.directory, 1, &pass), TOKEN_GOOD);
    assert_string_equal(pass.name, "panel");
    assert_int_equal(pass.role, ROLE_VIEWER);
    assert_int_equal(enter(world.directory, 2, &pass), TOKEN_GOOD);
    assert_int_equal(pass.role, ROLE_OPERATOR);
    assert_int_equal(enter(world.directory, 3, &pass), TOKEN_UNKNOWN);
    assert_int_equal(enter(world.directory, 0, &pass), TOKEN_UNKNOWN);
    assert_int_equal(run(&change), EDIT_DONE); /* enabled is false */
    assert_int_equal(enter(world.directory, 2, &pass), TOKEN_DISABLED);
    change.fields |= EDIT_EXPIRES | EDIT_SOURCES | EDIT_ROLE;
    change.token =
        (struct token_settings){.role = ROLE_ADMIN, .enabled = true, .expires_utc_ms = NOW_MS};
    assert_int_equal(run(&change), EDIT_DONE);
    assert_int_equal(enter(world.directory, 2, &pass), TOKEN_EXPIRED);
    change.token.expires_utc_ms = NOW_MS + 1;
    change.token.source_count = 1;
    assert_int_equal(cidr_parse("10.2.0.0/16", &network), STATUS_OK);
    change.token.sources[0] = network;
    assert_int_equal(run(&change), EDIT_DONE);
    assert_int_equal(enter(world.directory, 2, &pass), TOKEN_ADDRESS);
    assert_int_equal(cidr_parse("10.1.0.0/16", &network), STATUS_OK);
    change.token.sources[0] = network;
    assert_int_equal(run(&change), EDIT_DONE);
    assert_int_equal(enter(world.directory, 2, &pass), TOKEN_GOOD);
    assert_int_equal(pass.role, ROLE_ADMIN);
    change.kind = EDIT_TOKEN_REMOVE;
    assert_int_equal(run(&change), EDIT_DONE);
    assert_int_equal(enter(world.directory, 2, &pass), TOKEN_UNKNOWN);
    assert_int_equal(add("hes", ROLE_VIEWER, 4), 3); /* ids don't come again */
}

static void edits_that_are_refused(void **state)
{
    struct edit edit = addition("Panel", ROLE_VIEWER, 2);

    (void)state;
    add("panel", ROLE_VIEWER, 1);
    assert_int_equal(run(&edit), EDIT_EXISTS);
    assert_non_null(strstr(edit.text, "token panel, which looks alike"));
    edit = addition("with space", ROLE_VIEWER, 2);
    assert_int_equal(run(&edit), EDIT_INVALID);
    edit = addition("a", ROLE_NONE, 2);
    assert_int_equal(run(&edit), EDIT_INVALID);
    edit = addition("a", ROLE_COUNT, 2);
    assert_int_equal(run(&edit), EDIT_INVALID);
    edit = addition("a", ROLE_VIEWER, 2);
    edit.token.source_count = TOKEN_MAX_SOURCES + 1;
    assert_int_equal(run(&edit), EDIT_INVALID);
    edit = (struct edit){.kind = EDIT_TOKEN_CHANGE, .id = 1, .revision = 2};
    assert_int_equal(run(&edit), EDIT_CONFLICT);
    edit = (struct edit){.kind = EDIT_TOKEN_REMOVE, .id = 7};
    assert_int_equal(run(&edit), EDIT_NOT_FOUND);
    assert_int_equal(tokens_count(world.directory), 1);
}

static void there_is_room_for_so_many(void **state)
{
    char name[16];
    struct edit edit = addition("late", ROLE_VIEWER, 1);

    (void)state;
    for (uint32_t i = 0; i < EDIT_MAX_TOKENS; i++) {
        struct edit one;
        (void)snprintf(name, sizeof(name), "t%u", i);
        one = addition(name, ROLE_VIEWER, 1);
        assert_int_equal(prepare(&one), EDIT_DONE);
        world.arena.used = 0;
        Cenc__V1__Event *event = NULL;
        assert_int_equal(
            event_unpack(world.records->public, world.records->public_size, &world.arena, &event),
            CODEC_OK);
        assert_int_equal(accounts_apply(world.directory, event), STATUS_OK);
    }
    assert_int_equal(run(&edit), EDIT_FULL);
}

static enum status apply_event(const Cenc__V1__Event *event, void *context)
{
    return accounts_apply(context, event);
}

static enum status apply_private(const Cenc__Private__V1__Record *record, void *context)
{
    return accounts_apply_private(context, record);
}

/* A directory as the store has it, after it was closed and opened. */
static struct directory *loaded(void)
{
    struct directory *directory = empty_directory();
    const struct account_visitor visitor = {
        .event = apply_event, .private = apply_private, .context = directory};
    struct store_error error;

    store_close(world.store);
    open_store();
    assert_int_equal(store_load_accounts(world.store, &visitor, &error), STATUS_OK);
    return directory;
}

static void check_loaded(uint8_t byte, const char *name)
{
    struct directory *directory = loaded();
    struct token_pass pass = {.name = ""};

    assert_int_equal(enter(directory, byte, &pass), TOKEN_GOOD);
    assert_string_equal(pass.name, name);
    assert_int_equal(enter(directory, 9, &pass), TOKEN_UNKNOWN);
    directory_free(directory);
}

static void the_store_gives_them_back(void **state)
{
    struct edit change = {.kind = EDIT_TOKEN_CHANGE, .fields = EDIT_NAME, .name = "b"};
    struct store_error error;

    (void)state;
    add("a", ROLE_ADMIN, 5);
    change.id = 1;
    assert_int_equal(run(&change), EDIT_DONE);
    check_loaded(5, "b");
    /* written anew from memory */
    assert_int_equal(store_begin(world.store, &error), STATUS_OK);
    assert_int_equal(store_put_accounts(world.store, world.directory, &error), STATUS_OK);
    assert_int_equal(store_end(world.store, world.sequence, &error), STATUS_OK);
    check_loaded(5, "b");
    change.kind = EDIT_TOKEN_REMOVE;
    assert_int_equal(run(&change), EDIT_DONE);
    struct directory *directory = loaded();
    struct token_pass pass;
    assert_int_equal(enter(directory, 5, &pass), TOKEN_UNKNOWN);
    assert_int_equal(directory->accounts->last_token, 1);
    directory_free(directory);
}

/* The server is killed when the hash is in the store and the token isn't. */
static void a_hash_alone_lets_nobody_in(void **state)
{
    struct edit edit = addition("lost", ROLE_ADMIN, 6);
    struct token_pass pass;

    (void)state;
    assert_int_equal(prepare(&edit), EDIT_DONE);
    keep_hash();
    struct directory *directory = loaded();
    assert_int_equal(enter(directory, 6, &pass), TOKEN_UNKNOWN);
    /* ... and its event comes when the journal is read on */
    Cenc__V1__Event *event = NULL;
    world.arena.used = 0;
    assert_int_equal(
        event_unpack(world.records->public, world.records->public_size, &world.arena, &event),
        CODEC_OK);
    assert_int_equal(accounts_apply(directory, event), STATUS_OK);
    assert_int_equal(enter(directory, 6, &pass), TOKEN_GOOD);
    directory_free(directory);
    /* ... or it never comes: the next token gets another hash */
    add("next", ROLE_VIEWER, 7);
    assert_int_equal(enter(world.directory, 6, &pass), TOKEN_UNKNOWN);
    assert_int_equal(enter(world.directory, 7, &pass), TOKEN_GOOD);
    check_loaded(7, "next");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(texts_are_random, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_gets_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edits_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_is_room_for_so_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_store_gives_them_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hash_alone_lets_nobody_in, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
