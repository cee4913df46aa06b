/* Projects, groups, agents, channels and bindings over crashes, under many seeds: edits and
 * registrations at random, on a disk that fails and loses power, with another process that holds
 * the store now and then. What a start makes of store and journal is what the journal alone makes;
 * what was in force is still in force; of a batch all or nothing; and in the end every device that
 * waits on a bound port is where it belongs. */
#include <cenc/v1/events.pb-c.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proto/event.h"
#include "config/config.h"
#include "server/directory/batch_run.h"
#include "server/directory/editor_internal.h"
#include "server/directory/internal.h"
#include "server/directory/keeper.h"
#include "server/directory/restore.h"
#include "server/journal/internal.h"
#include "tests/history/history.h"
#include "tests/sim/directory_text.h"
#include "tests/sim/duo.h"
#include "tests/sim/quiet_log.h"
#include "tests/sim/seeds.h"
#include "tests/sim/state_site.h"

#define FOLDER  "/journal"
#define ROUNDS  4u
#define DEVICES 9u
#define EDITS   600u
#define COMINGS 300u

#define BATCHES     60u
#define BATCH_ITEMS 16u
#define BATCH_SOME  6u /* devices that batches add and that come by themselves, too */

static const struct config_listener listeners[] = {{.name = "one"}, {.name = "two"}};

/* A device that registers: its record, on the way. */
struct coming {
    struct journal_entry entry;
    struct device *device;
    uint8_t bytes[1024];
};

static struct {
    struct duo duo; /* the journal's writer; keeper and editor */
    char folder[64];
    char path[128];
    unsigned stores;
    struct journal *journal;
    struct store *store;
    struct directory *directory;
    struct keeper *keeper;
    struct editor *editor;
    struct edit edits[EDITS];
    unsigned edit_count;
    unsigned edits_open;
    struct coming comings[COMINGS];
    unsigned coming_count;
    unsigned comings_open;
    uint64_t links;
    struct edit_batch batch;
    struct edit items[BATCH_ITEMS];
    unsigned batch_count;
    bool batch_open;
    unsigned own[BATCHES];    /* devices that only this batch adds */
    bool batched[BATCHES];    /* it is in force */
    bool batch_gone[BATCHES]; /* it was refused, or only looked at: it will never be */
    bool moved_out[DEVICES];  /* by hand, to no project: it may wait there */
    bool keeper_stopped;
    bool journal_stopped;
    bool editor_stopped;
    char *in_force;          /* at the end; NULL: not known, since something was under way */
    uint64_t in_force_until; /* committed then: more may turn out to be on the disk */
} world;

static struct {
    uint64_t done;
    uint64_t results[8];
    uint64_t swept;
    uint64_t on_channel;
    uint64_t exact;
    uint64_t batches[8];
    uint64_t dry_runs;
    uint64_t batches_lost;  /* by a crash, without an answer, none of it is there */
    uint64_t batches_found; /* likewise, all of it is there */
    uint64_t came_meanwhile;
} seen;

static struct directory *make_directory(void)
{
    struct directory_config config = {
        .max_devices = 1000,
        .recorded = true,
        .listeners = listeners,
        .listener_count = 2,
        .flap_count = 1000,
    };
    struct directory *directory = NULL;
    SEEDS_REQUIRE(directory_create(&config, &directory) == STATUS_OK);
    return directory;
}

/* ---- describing ---- */

static void own_serial(unsigned batch, unsigned index, char serial[static PLUGIN_SERIAL_SIZE])
{
    (void)snprintf(serial, PLUGIN_SERIAL_SIZE, "x%u-%u", batch, index);
}

/* ---- edits ---- */

static void edited(struct edit *edit)
{
    world.edits_open--;
    seen.results[edit->result]++;
    SEEDS_REQUIRE(edit->result == EDIT_DONE || edit->text[0] != '\0');
    if (edit->result == EDIT_DONE && edit->kind == EDIT_DEVICE_MOVE && edit->project == 0)
        world.moved_out[device_serial(edit->device)[1] - '0'] = true;
}

static uint32_t below(uint64_t bound)
{
    return (uint32_t)sim_below(world.duo.sim, bound);
}

/* An id that may be, was, or never was. */
static uint32_t some_id(uint32_t last)
{
    return sim_chance(world.duo.sim, 100) ? 0 : 1 + below((uint64_t)last + 1);
}

static void fill_agent(struct edit *edit)
{
    const struct accounts *accounts = world.directory->accounts;
    edit->agent.enabled = sim_chance(world.duo.sim, 800);
    edit->agent.extended = sim_chance(world.duo.sim, 200);
    edit->agent.max_sessions = below(4);
    edit->agent.expires_utc_ms = sim_chance(world.duo.sim, 300) ? 1700000000000u + below(100) : 0;
    edit->agent.group_count = below(3);
    edit->agent.project_count = below(3);
    edit->agent.source_count = below(2);
    for (uint32_t i = 0; i < 2; i++) {
        edit->agent.groups[i] = some_id(accounts->last_group);
        edit->agent.projects[i] = some_id(accounts->last_project);
    }
    SEEDS_REQUIRE(cidr_parse(sim_chance(world.duo.sim, 500) ? "10.0.0.0/8" : "192.0.2.7",
                             &edit->agent.sources[0]) == STATUS_OK);
    if (!sim_chance(world.duo.sim, 500))
        return;
    edit->password = (struct password_hash){.log2_n = 14, .r = 8, .p = 1};
    for (size_t i = 0; i < PASSWORD_HASH_SIZE; i++)
        edit->password.hash[i] = (uint8_t)below(256);
}

static void fill_channel(struct edit *edit)
{
    static const char *const hosts[] = {"10.0.0.1", "2001:db8::1", "gate.example", "no host"};
    edit->channel = some_id(world.directory->accounts->last_channel);
    (void)snprintf(edit->settings.host, sizeof edit->settings.host, "%s", hosts[below(4)]);
    edit->settings.port = (uint16_t)below(9);
    edit->settings.exclusive = sim_chance(world.duo.sim, 500);
    edit->settings.enabled = sim_chance(world.duo.sim, 500);
}

static uint32_t last_of(enum edit_kind kind)
{
    const struct accounts *accounts = world.directory->accounts;
    if (kind <= EDIT_PROJECT_REMOVE)
        return accounts->last_project;
    if (kind <= EDIT_GROUP_REMOVE)
        return accounts->last_group;
    return kind <= EDIT_AGENT_REMOVE ? accounts->last_agent : accounts->last_channel;
}

static struct device *some_device(void)
{
    char serial[] = {'d', (char)('0' + below(DEVICES)), '\0'};
    return directory_find(world.directory, "", serial);
}

/* The group that was chosen belongs to a project: mostly that one is meant, too. */
static void fill_place(struct edit *edit)
{
    struct group_info group;
    edit->project = some_id(world.directory->accounts->last_project);
    if (!sim_chance(world.duo.sim, 500))
        return;
    edit->group = some_id(world.directory->accounts->last_group);
    if (group_get(world.directory, edit->group, &group) && sim_chance(world.duo.sim, 800))
        edit->project = group.project;
}

static void edit_one(void)
{
    static const char *const names[] = {"north", "South", "Восток", "east 1", "east-2",
                                        "запад", "agent", "n0rth",  "HES",    "reader"};
    if (world.edit_count == EDITS)
        return;
    struct edit *edit = &world.edits[world.edit_count++];
    memset(edit, 0, sizeof *edit);
    edit->kind = (enum edit_kind)below(EDIT_KINDS);
    edit->fields = below(EDIT_CHANNEL * 2);
    edit->done = edited;
    (void)snprintf(edit->name, sizeof edit->name, "%s", names[below(10)]);
    (void)snprintf(edit->note, sizeof edit->note, "%u", below(3));
    (void)snprintf(edit->listener, sizeof edit->listener, "%s", below(2) ? "one" : "two");
    (void)snprintf(edit->serial, sizeof edit->serial, "d%u", below(DEVICES));
    edit->move = sim_chance(world.duo.sim, 500);
    edit->revision = sim_chance(world.duo.sim, 700) ? 0 : 1 + below(3);
    edit->id = some_id(last_of(edit->kind));
    edit->device = some_device();
    fill_place(edit);
    fill_agent(edit);
    fill_channel(edit);
    if (edit->kind == EDIT_DEVICE_MOVE && edit->device != NULL && edit->project == 0)
        world.moved_out[device_serial(edit->device)[1] - '0'] = true; /* maybe */
    world.edits_open++;
    editor_submit(world.editor, edit);
}

/* ---- batches ---- */

/* How many of the devices that only this batch adds are there. */
static unsigned own_found(struct directory *directory, unsigned batch)
{
    unsigned found = 0;
    for (unsigned i = 0; i < world.own[batch]; i++) {
        char serial[PLUGIN_SERIAL_SIZE];
        struct place place;
        struct group_info group;
        own_serial(batch, i, serial);
        const struct device *device = directory_find(directory, "", serial);
        if (device == NULL || !place_of(directory, device, &place))
            continue;
        found++;
        SEEDS_REQUIRE(project_get(directory, place.project, NULL));
        SEEDS_REQUIRE(group_get(directory, place.group, &group) && group.project == place.project);
        SEEDS_REQUIRE(channel_get(directory, place.channel, NULL));
    }
    return found;
}

/* All or nothing, and what was told holds. */
static void check_batches(struct directory *directory)
{
    for (unsigned batch = 0; batch < world.batch_count; batch++) {
        unsigned found = own_found(directory, batch);
        SEEDS_REQUIRE(found == 0 || found == world.own[batch]);
        SEEDS_REQUIRE(!world.batched[batch] || found == world.own[batch]);
        SEEDS_REQUIRE(!world.batch_gone[batch] || found == 0);
        world.batched[batch] = found > 0;
    }
}

static void batch_done(struct edit_batch *batch)
{
    unsigned number = world.batch_count - 1;
    SEEDS_REQUIRE(world.batch_open && batch == &world.batch);
    world.batch_open = false;
    seen.batches[batch->result]++;
    SEEDS_REQUIRE((batch->result == EDIT_DONE) == (batch->text[0] == '\0'));
    SEEDS_REQUIRE(batch->fault_count <= batch->faults_found);
    unsigned found = own_found(world.directory, number);
    bool counts = batch->result == EDIT_DONE && !batch->dry_run;
    SEEDS_REQUIRE(found == (counts ? world.own[number] : 0));
    seen.dry_runs += batch->result == EDIT_DONE && batch->dry_run;
    world.batched[number] = counts;
    /* where the journal stopped the disk may have it all the same */
    world.batch_gone[number] = !counts && batch->result != EDIT_UNAVAILABLE;
    if (!counts)
        return;
    SEEDS_REQUIRE(batch->last_sequence - batch->first_sequence + 1 == batch->count);
    SEEDS_REQUIRE(batch->last_sequence <= journal_committed(world.journal));
    for (size_t i = 0; i < batch->count; i++) {
        struct place place;
        if (world.items[i].kind != EDIT_DEVICE_ADD)
            continue;
        const struct device *device = directory_find(world.directory, "", world.items[i].serial);
        SEEDS_REQUIRE(device != NULL && place_of(world.directory, device, &place));
        SEEDS_REQUIRE(place.project != 0 && place.group != 0 && place.channel != 0);
        seen.came_meanwhile += device->epoch > 0;
    }
}

static bool batch_next(void *context, size_t index, struct edit *edit)
{
    SEEDS_REQUIRE(world.batch_open && index < world.batch.count);
    (void)context;
    *edit = world.items[index];
    return !sim_chance(world.duo.sim, 2);
}

static struct edit *add_item(enum edit_kind kind)
{
    struct edit *item = &world.items[world.batch.count++];
    memset(item, 0, sizeof *item);
    item->kind = kind;
    (void)snprintf(item->name, sizeof item->name, "batch %u", world.batch_count);
    return item;
}

static void add_device(const char *serial)
{
    struct edit *item = add_item(EDIT_DEVICE_ADD);
    item->project = edit_batch_reference(0);
    item->group = edit_batch_reference(1);
    item->channel = edit_batch_reference(2);
    (void)snprintf(item->serial, sizeof item->serial, "%s", serial);
}

static void spoil(void)
{
    struct edit *item = &world.items[below(world.batch.count)];
    switch (below(4)) {
    case 0:
        item->group = edit_batch_reference(world.batch.count); /* not before it */
        break;
    case 1:
        item->kind = EDIT_BINDING_SET;
        break;
    case 2:
        (void)snprintf(item->name, sizeof item->name, "north"); /* may be there */
        break;
    default:
        item = &world.items[world.batch.count - 1];
        *item = world.items[3]; /* the first device twice */
        break;
    }
}

static void batch_one(void)
{
    if (world.batch_open || world.batch_count == BATCHES)
        return;
    unsigned number = world.batch_count;
    char serial[PLUGIN_SERIAL_SIZE];
    world.batch = (struct edit_batch){.next = batch_next, .done = batch_done};
    (void)add_item(EDIT_PROJECT_ADD);
    add_item(EDIT_GROUP_ADD)->project = edit_batch_reference(0);
    struct edit *channel = add_item(EDIT_CHANNEL_ADD);
    channel->settings = (struct channel_settings){.host = "meter.example", .port = 1};
    world.own[number] = 1 + below(8);
    for (unsigned i = 0; i < world.own[number]; i++) {
        own_serial(number, i, serial);
        add_device(serial);
    }
    if (sim_chance(world.duo.sim, 300)) {
        (void)snprintf(serial, sizeof serial, "y%u", below(BATCH_SOME));
        add_device(serial);
    }
    struct device *device = directory_find(world.directory, "", "d1");
    if (device != NULL && sim_chance(world.duo.sim, 300)) {
        struct edit *item = add_item(EDIT_DEVICE_MOVE);
        item->device = device;
        item->project = edit_batch_reference(0);
    }
    if (sim_chance(world.duo.sim, 300)) {
        struct edit *item = add_item(EDIT_CHANNEL_CHANGE);
        item->id = some_id(world.directory->accounts->last_channel);
        item->fields = EDIT_PORT;
        item->settings.port = 1 + (uint16_t)below(5);
    }
    if (sim_chance(world.duo.sim, 300)) {
        struct edit *item = add_item(EDIT_DETAILS_SET);
        item->details_kind = DETAILS_DEVICE;
        item->details = "{}";
        own_serial(number, 0, item->serial);
    }
    if (sim_chance(world.duo.sim, 200))
        spoil();
    world.batch.dry_run = sim_chance(world.duo.sim, 100);
    world.batch_count++;
    world.batch_open = true;
    editor_submit_batch(world.editor, &world.batch);
}

/* ---- devices that come ---- */

static void came(struct journal_entry *entry, enum status status)
{
    struct coming *coming = container_of(entry, struct coming, entry);
    world.comings_open--;
    if (status != STATUS_OK)
        return;
    directory_recorded(world.directory, coming->device);
    if (!world.editor_stopped && directory_needs_place(world.directory, coming->device))
        editor_place(world.editor, coming->device);
}

/* As a shard tells of it. */
static bool tell(struct coming *coming, bool is_new)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__DeviceState state = CENC__V1__DEVICE_STATE__INIT;
    Cenc__V1__DeviceAdded added = CENC__V1__DEVICE_ADDED__INIT;
    Cenc__V1__Connected connected = CENC__V1__CONNECTED__INIT;
    struct device_info info;
    size_t size = 0;
    directory_get(world.directory, coming->device, &info);
    device.serial = proto_string(info.serial);
    state.project_id = info.project_id;
    state.group_id = info.group_id;
    state.channel_id = info.channel_id;
    state.link_epoch = info.epoch;
    state.listener = proto_string(listeners[info.listener].name);
    added.state = &state;
    event.device = &device;
    event.link_epoch = info.epoch;
    event.listener = state.listener;
    event.received_unix_ms = 1700000000000;
    event.body_case = is_new ? CENC__V1__EVENT__BODY_DEVICE_ADDED : CENC__V1__EVENT__BODY_CONNECTED;
    if (is_new)
        event.device_added = &added;
    else
        event.connected = &connected;
    SEEDS_REQUIRE(event_pack(&event, coming->bytes, sizeof coming->bytes, &size) == CODEC_OK);
    coming->entry = (struct journal_entry){
        .data = coming->bytes,
        .size = (uint32_t)size,
        .kind = JOURNAL_EVENT,
        .class = JOURNAL_FIRST,
        .from = world.duo.user,
        .done = came,
    };
    return journal_append(world.journal, &coming->entry) == STATUS_OK;
}

static void come(const char *serial)
{
    struct plugin_identity identity = {.signal_csq = PLUGIN_SIGNAL_UNKNOWN};
    if (world.coming_count == COMINGS)
        return;
    (void)snprintf(identity.serial, sizeof identity.serial, "%s", serial);
    struct registration registration = {
        .scope = "",
        .identity = &identity,
        .link = {.id = ++world.links},
        .listener = below(2),
        .utc_ms = 1700000000000,
    };
    struct coming *coming = &world.comings[world.coming_count++];
    enum registration_result result = directory_register(world.directory, &registration);
    SEEDS_REQUIRE(result == REGISTERED_NEW || result == REGISTERED_AGAIN);
    coming->device = registration.device;
    if (tell(coming, result == REGISTERED_NEW))
        world.comings_open++;
    if (directory_needs_place(world.directory, coming->device))
        editor_place(world.editor, coming->device);
    if (world.edits_open == 0 && serial[0] == 'd')
        world.moved_out[identity.serial[1] - '0'] = false;
    SEEDS_REQUIRE(
        directory_release(world.directory, registration.device, &registration.link, 1700000000000));
}

static void come_one(void)
{
    char serial[] = {'d', (char)('0' + below(DEVICES)), '\0'};
    if (sim_chance(world.duo.sim, 200)) {
        serial[0] = 'y';
        serial[1] = (char)('0' + below(BATCH_SOME));
    }
    come(serial);
}

/* ---- the store's files ---- */

static void copy_store(void)
{
    char former[sizeof world.path];
    char name[16];
    (void)snprintf(former, sizeof former, "%s", strrchr(world.path, '/') + 1);
    (void)snprintf(name, sizeof name, "%u", ++world.stores);
    (void)snprintf(world.path, sizeof world.path, "%s/%s", world.folder, name);
    state_copy_store(world.folder, former, name);
}

/* ---- a round ---- */

#define UNTIL(condition) DUO_UNTIL(&world.duo, condition)

static void load(const char *path, struct directory **directory, struct store **store)
{
    struct load_report report =
        duo_load(&world.duo, world.journal, path, make_directory, directory, store);
    SEEDS_REQUIRE(report.missing == 0);
}

static void check_what_came_back(void)
{
    char fresh[sizeof world.path];
    struct directory *journal_only;
    struct store *store;
    (void)snprintf(fresh, sizeof fresh, "%s/fresh%u", world.folder, ++world.stores);
    load(fresh, &journal_only, &store);
    char *text = directory_text(world.directory);
    char *expected = directory_text(journal_only);
    directory_require_text(text, expected);
    if (world.batch_open) {
        unsigned found = own_found(world.directory, world.batch_count - 1);
        seen.batches_found += found > 0;
        seen.batches_lost += found == 0;
        world.batch_open = false;
    }
    check_batches(world.directory);
    if (world.in_force != NULL && world.in_force_until == journal_committed(world.journal)) {
        directory_require_text(text, world.in_force);
        seen.exact++;
    }
    free(world.in_force);
    world.in_force = NULL;
    free(text);
    free(expected);
    store_close(store);
    directory_free(journal_only);
}

static void round_begin(const struct journal_config *config)
{
    world.journal = duo_open_journal(&world.duo, config);
    load(world.path, &world.directory, &world.store);
    check_what_came_back();
    world.keeper_stopped = world.journal_stopped = world.editor_stopped = false;
    world.edit_count = world.edits_open = world.coming_count = world.comings_open = 0;
    duo_make_reactors(&world.duo);
    SEEDS_REQUIRE(keeper_start(world.journal, world.store, world.directory, world.duo.user,
                               &keeper_pace, &world.keeper) == STATUS_OK);
    journal_start(world.journal, world.duo.writer);
    struct editor_config editor = {.directory = world.directory,
                                   .journal = world.journal,
                                   .reactor = world.duo.user,
                                   .node = "sim"};
    SEEDS_REQUIRE(editor_start(&editor, &world.editor) == STATUS_OK);
}

static void round_run(void)
{
    unsigned steps = below(4000);
    unsigned edits = 20 + below(200);
    unsigned comings = below(100);
    unsigned batches = below(20);
    for (unsigned i = 0; i < steps; i++) {
        if (sim_chance(world.duo.sim, edits))
            edit_one();
        if (sim_chance(world.duo.sim, comings))
            come_one();
        if (sim_chance(world.duo.sim, batches))
            batch_one();
        if (world.batch_open && sim_chance(world.duo.sim, 2))
            editor_cancel_batch(world.editor, &world.batch);
        duo_step(&world.duo);
    }
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void stop_keeper(void)
{
    keeper_stop(world.keeper, set_flag, &world.keeper_stopped);
    UNTIL(world.keeper_stopped);
    store_close(world.store);
}

static void free_rest(void)
{
    journal_free(world.journal);
    directory_free(world.directory);
}

/* A device came while its removal was being recorded: until that is put right by a further record,
 * memory and disk say different things. */
static bool restoring(void)
{
    const struct edit *current = world.editor->current;
    bool found =
        world.editor->restored != NULL || (current != NULL && current->kind == EDIT_DEVICE_REMOVE);
    for (unsigned i = 0; i < SWEEP_SLOTS; i++) {
        const struct sweep_slot *slot = &world.editor->slots[i];
        found |= slot->device != NULL && slot->device->project == slot->place.project;
    }
    return found;
}

static void round_stop(void)
{
    bool exact = !restoring();
    editor_stop(world.editor, set_flag, &world.editor_stopped);
    SEEDS_REQUIRE(!world.editor_stopped);
    stop_keeper();
    journal_stop(world.journal, set_flag, &world.journal_stopped);
    UNTIL(world.journal_stopped && world.comings_open == 0 && world.editor_stopped);
    SEEDS_REQUIRE(world.edits_open == 0 && !world.batch_open); /* each was answered */
    UNTIL(reactor_idle(world.duo.writer) && reactor_idle(world.duo.user));
    if (exact)
        world.in_force = directory_text(world.directory);
    world.in_force_until = journal_committed(world.journal);
    duo_stop(&world.duo);
    free_rest();
}

static bool under_way(void)
{
    return world.editor->current != NULL || world.editor->slots_used > 0 ||
           world.editor->restored != NULL || world.comings_open > 0 || world.batch_open;
}

static void free_editor(void)
{
    timer_stop(&world.editor->timer);
    batch_run_free(world.editor->run);
    free(world.editor->records);
    free(world.editor->arena.memory);
    (void)pthread_mutex_destroy(&world.editor->lock);
    free(world.editor);
}

static void nothing(struct message *message, struct reactor *reactor)
{
    (void)message;
    (void)reactor;
}

/* It does nothing any more. */
static void freeze_batch(void)
{
    struct batch_run *run = world.editor->run;
    if (run == NULL)
        return;
    run->step.deliver = nothing;
    run->journal.message.deliver = nothing;
}

static void round_crash(bool power_too)
{
    copy_store();
    if (!under_way())
        world.in_force = directory_text(world.directory);
    world.in_force_until = journal_committed(world.journal);
    duo_kill(&world.duo.writer);
    world.journal->state = WRITER_STOPPED;
    freeze_batch();
    world.editor->slots_used += SWEEP_SLOTS; /* so that it begins nothing any more */
    stop_keeper();
    free_editor();
    duo_kill(&world.duo.user);
    free_rest();
    if (power_too)
        sim_crash_disk(world.duo.sim);
}

/* ---- properties ---- */

static bool all_quiet(void)
{
    struct binding_info bindings[2];
    size_t count = bindings_list(world.directory, 0, bindings, 2);
    bool sweeping = false;
    for (size_t i = 0; i < count; i++)
        sweeping |= bindings[i].sweeping;
    return !sweeping && world.edits_open == 0 && !world.batch_open && world.comings_open == 0 &&
           world.editor->place_count == 0 && world.editor->slots_used == 0;
}

/* On a good disk: whoever waits on a bound port is moved. */
static void check_the_end(void)
{
    for (unsigned i = 0; i < DEVICES; i++) { /* a restart ends their links */
        char serial[] = {'d', (char)('0' + i), '\0'};
        come(serial);
    }
    UNTIL(all_quiet());
    for (unsigned i = 0; i < DEVICES; i++) {
        char serial[] = {'d', (char)('0' + i), '\0'};
        const struct device *device = directory_find(world.directory, "", serial);
        struct device_info info;
        struct place place;
        if (device == NULL || world.moved_out[i] || !place_of(world.directory, device, &place))
            continue;
        directory_get(world.directory, device, &info);
        SEEDS_REQUIRE(info.project_id != 0 || binding_project(world.directory, info.listener) == 0);
        SEEDS_REQUIRE(info.project_id == 0 || info.project[0] != '\0');
        SEEDS_REQUIRE(info.channel_id == 0 || info.channel[0] != '\0');
        seen.swept += info.project_id != 0;
        seen.on_channel += info.channel_id != 0;
    }
    UNTIL(keeper_counters(world.keeper)->sequence == journal_committed(world.journal));
}

static void run_seed(uint64_t seed)
{
    struct sim_options options;
    duo_choose_faults(&options, seed);
    options.disk_bytes = 0; /* the end is on a good disk */
    memset(&world, 0, sizeof world);
    world.duo.sim = sim_create(&options);
    history_make_folder(world.folder);
    (void)snprintf(world.path, sizeof world.path, "%s/0", world.folder);
    struct journal_config config = {
        .folder = FOLDER,
        .node = "sim",
        .segment_bytes = 500 + sim_below(world.duo.sim, 20000),
        .queue_bytes = sim_chance(world.duo.sim, 200) ? 3000 : 300000,
        .retention_bytes = UINT64_MAX,
    };
    for (unsigned round = 0; round < ROUNDS; round++) {
        round_begin(&config);
        round_run();
        if (sim_chance(world.duo.sim, 300))
            round_stop();
        else
            round_crash(sim_chance(world.duo.sim, 700));
    }
    sim_calm_down(world.duo.sim);
    round_begin(&config);
    check_the_end();
    round_stop();
    free(world.in_force);
    history_remove_folder(world.folder);
    sim_destroy(world.duo.sim);
}

static void edits_outlast_crashes(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seeds_run("editor", 200, run_seed);
    if (!seeds_all())
        return;
    for (enum edit_result result = EDIT_DONE; result <= EDIT_CONFLICT; result++)
        assert_true(seen.results[result] > 0);
    assert_true(seen.swept > 0 && seen.exact > 0 && seen.on_channel > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_outlast_crashes),
    };
    return cmocka_run_group_tests(tests, quiet_log_start, quiet_log_stop);
}
