/* The host of registration plugins under many seeds, with threads that are simulated: they answer
 * at once, after a while, with "later", with a refusal, or not at all; the server stops and is
 * killed at any time and comes back with other plugins; retention is faster than some of them. What
 * holds:
 *
 *  - Each plugin is told of every device at least once, and of every event in order, from one to
 * the next; what it wasn't told of, it was told by a list of all devices that came after.
 *  - Trouble of one delays neither another plugin nor others who read the journal.
 *  - A stop takes some seconds, whoever hangs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proto/event.h"
#include "server/base/check.h"
#include "server/northbound/internal.h"
#include "server/northbound/plugin_thread.h"
#include "server/reactor/sim/world.h"
#include "tests/history/history.h"
#include "tests/sim/duo.h"
#include "tests/sim/quiet_log.h"
#include "tests/sim/state_site.h"

#define FOLDER      "/journal"
#define LEDGER      "northbound.sqlite"
#define MAX_RECORDS 5000u
#define DEVICES     12u
#define PLUGINS     4u
#define THREADS     64u

enum { GOOD, FICKLE, SLOW, STUCK }; /* what plugins are like */

/* What a plugin heard. */
struct ear {
    uint64_t through; /* it took all up to there */
    uint64_t last;    /* in this run: the last event, or the end of a list; 0: none */
    uint64_t listed;  /* in this run: of the list that it is told */
    bool in_list;
    bool again; /* it said "later" */
    uint32_t what;
    uint64_t sequence;
    unsigned device;
    bool heard[DEVICES]; /* in this list */
    bool ever[DEVICES];
};

struct plugin_thread {
    struct plugin_telling telling;
    void (*answered)(void *context);
    void *context;
    unsigned index; /* of the plugin */
    uint64_t due_ms;
    struct plugin_reply reply;
    bool asked;
    bool stop;
    bool left;
    bool gone; /* joined */
};

static struct {
    struct sim *sim;
    struct reactor *writer;
    struct reactor *reactor;
    struct config config;
    struct plugin plugins[PLUGINS];
    struct journal *journal;
    struct directory *directory;
    struct northbound *northbound;
    char folder[64];
    char ledger[96];
    int socket;
    struct device *devices[DEVICES];
    struct journal_entry entries[MAX_RECORDS + 1]; /* by sequence */
    uint8_t payloads[MAX_RECORDS + 1][128];
    uint32_t facts[MAX_RECORDS + 1]; /* enum plugin_fact, 0: none of theirs */
    unsigned about[MAX_RECORDS + 1]; /* which device */
    uint64_t added[DEVICES];         /* record that says so */
    uint64_t kinds;                  /* of events, of which two are told */
    uint64_t appended;
    uint64_t committed;
    struct ear ears[PLUGINS];
    struct plugin_thread *threads[THREADS];
    unsigned thread_count;
    bool calm; /* nobody is in trouble but who hangs */
    bool released;
    bool northbound_stopped;
    bool journal_stopped;
    struct follower other; /* who reads the journal, too */
    uint64_t other_has;
} world;

static struct {
    uint64_t lists;
    uint64_t completed;
    uint64_t gaps;
    uint64_t left;
    uint64_t retries;
    uint64_t repeats;
} seen;

/* ---- what plugins hear ---- */

static unsigned device_of(const char *serial)
{
    unsigned number = (unsigned)strtoul(serial, NULL, 10) - 1000;
    SEEDS_REQUIRE(number < DEVICES);
    return number;
}

static uint64_t next_fact(uint64_t after)
{
    for (uint64_t i = after + 1; i <= world.appended; i++)
        if (world.facts[i] != 0)
            return i;
    return UINT64_MAX;
}

/* All that the journal had told up to there. */
static bool is_whole(const struct ear *ear)
{
    for (unsigned i = 0; i < DEVICES; i++)
        if (world.added[i] != 0 && world.added[i] <= ear->listed && !ear->heard[i])
            return false;
    return true;
}

static void hear_listed(struct ear *ear, const struct plugin_facts *facts)
{
    unsigned device = device_of(facts->serial);
    if (!ear->in_list || ear->listed != facts->sequence) {
        if (ear->in_list)
            SEEDS_REQUIRE(is_whole(ear));
        memset(ear->heard, 0, sizeof ear->heard);
        seen.lists++;
    }
    SEEDS_REQUIRE(facts->sequence <= world.committed && world.devices[device] != NULL);
    /* one whose record isn't on the disk may never have been; else it is told as new, later */
    SEEDS_REQUIRE(world.added[device] <= world.committed);
    SEEDS_REQUIRE(!ear->heard[device]);
    ear->in_list = true;
    ear->listed = facts->sequence;
    ear->last = 0;
}

static void hear_event(struct ear *ear, const struct plugin_facts *facts)
{
    uint64_t sequence = facts->sequence;
    SEEDS_REQUIRE(sequence <= world.committed && world.facts[sequence] == facts->what);
    SEEDS_REQUIRE(world.about[sequence] == device_of(facts->serial));
    SEEDS_REQUIRE(!ear->in_list); /* it was told that these were all */
    if (ear->last != 0)
        SEEDS_REQUIRE(sequence == next_fact(ear->last));
    else
        SEEDS_REQUIRE(sequence <= next_fact(ear->through));
    seen.repeats += sequence <= ear->through;
}

/* The end of a list, which may be the only thing in it. */
static void hear_complete(struct ear *ear, const struct plugin_facts *facts)
{
    SEEDS_REQUIRE(facts->serial[0] == '\0' && facts->scope[0] == '\0');
    SEEDS_REQUIRE(facts->sequence <= world.committed);
    if (!ear->in_list)
        memset(ear->heard, 0, sizeof ear->heard);
    else
        SEEDS_REQUIRE(ear->listed == facts->sequence);
    ear->in_list = true;
    ear->listed = facts->sequence;
    ear->last = 0;
    SEEDS_REQUIRE(is_whole(ear));
    seen.completed++;
}

static void hear(struct ear *ear, const struct plugin_facts *facts)
{
    bool complete = facts->what == PLUGIN_FACT_COMPLETE;
    unsigned device = complete ? DEVICES : device_of(facts->serial);
    if (ear->again) {
        SEEDS_REQUIRE(ear->what == facts->what && ear->sequence == facts->sequence);
        SEEDS_REQUIRE(ear->device == device);
    } else if (complete) {
        hear_complete(ear, facts);
    } else if (facts->what == PLUGIN_FACT_LISTED) {
        hear_listed(ear, facts);
    } else {
        hear_event(ear, facts);
    }
    ear->what = facts->what;
    ear->sequence = facts->sequence;
    ear->device = device;
}

static void took(struct ear *ear)
{
    if (ear->what == PLUGIN_FACT_COMPLETE) {
        ear->in_list = false;
        ear->last = ear->listed;
        if (ear->through < ear->listed)
            ear->through = ear->listed;
        return;
    }
    ear->ever[ear->device] = true;
    if (ear->what == PLUGIN_FACT_LISTED) {
        ear->heard[ear->device] = true;
        return;
    }
    ear->last = ear->sequence;
    if (ear->through < ear->sequence)
        ear->through = ear->sequence;
}

/* ---- their threads ---- */

enum status plugin_thread_start(const struct config_plugin *plugin, void (*answered)(void *context),
                                void *context, struct plugin_thread **started)
{
    struct plugin_thread *thread = calloc(1, sizeof *thread);
    SEEDS_REQUIRE(thread != NULL && world.thread_count < THREADS);
    thread->answered = answered;
    thread->context = context;
    thread->index = (unsigned)(plugin->plugin - world.plugins);
    thread->reply.why = "a matter of luck";
    world.threads[world.thread_count++] = thread;
    struct ear *ear = &world.ears[thread->index];
    ear->last = 0;
    ear->in_list = ear->again = false;
    *started = thread;
    return STATUS_OK;
}

struct plugin_telling *plugin_thread_telling(struct plugin_thread *thread)
{
    SEEDS_REQUIRE(!thread->asked && !thread->gone);
    return &thread->telling;
}

/* From now on, in ms. */
static uint64_t takes_ms(unsigned index)
{
    bool trouble = !world.calm;
    switch (index) {
    case SLOW:
        return trouble ? sim_below(world.sim, 40000) : 0;
    case STUCK:
        return !world.released && sim_chance(world.sim, 300) ? UINT64_MAX / 2 : 0;
    default:
        return 0;
    }
}

void plugin_thread_ask(struct plugin_thread *thread)
{
    SEEDS_REQUIRE(!thread->asked && !thread->stop && !thread->gone);
    thread->asked = true;
    thread->due_ms = sim_now_ms(world.sim) + takes_ms(thread->index);
    hear(&world.ears[thread->index], &thread->telling.facts);
}

struct plugin_reply plugin_thread_reply(struct plugin_thread *thread)
{
    SEEDS_REQUIRE(!thread->asked);
    return thread->reply;
}

void plugin_thread_stop(struct plugin_thread *thread)
{
    thread->stop = true;
}

void plugin_thread_join(struct plugin_thread *thread)
{
    SEEDS_REQUIRE(thread->stop && !thread->asked && !thread->gone);
    thread->gone = true;
}

bool plugin_thread_leave(struct plugin_thread *thread)
{
    SEEDS_REQUIRE(thread->stop && !thread->gone);
    thread->left = thread->asked;
    seen.left += thread->left;
    return thread->left;
}

static void answer(struct plugin_thread *thread)
{
    struct ear *ear = &world.ears[thread->index];
    bool fickle = thread->index == FICKLE && !world.calm;
    thread->asked = false;
    thread->reply.answer = PLUGIN_DONE;
    if (fickle && sim_chance(world.sim, 300))
        thread->reply.answer = PLUGIN_LATER;
    else if (fickle && sim_chance(world.sim, 100))
        thread->reply.answer = PLUGIN_REFUSED;
    ear->again = thread->reply.answer == PLUGIN_LATER;
    if (ear->again)
        seen.retries++;
    else
        took(ear);
    thread->answered(thread->context);
}

static void threads_step(void)
{
    for (unsigned i = 0; i < world.thread_count; i++) {
        struct plugin_thread *thread = world.threads[i];
        bool due =
            thread->due_ms <= sim_now_ms(world.sim) || (world.released && thread->index == STUCK);
        if (thread->asked && !thread->left && due)
            answer(thread);
    }
}

static void threads_free(void)
{
    for (unsigned i = 0; i < world.thread_count; i++)
        free(world.threads[i]);
    world.thread_count = 0;
}

/* ---- events ---- */

static void recorded(struct journal_entry *entry, enum status status)
{
    SEEDS_REQUIRE(status == STATUS_OK && entry == &world.entries[entry->sequence]);
    world.committed = entry->sequence;
    if (world.facts[entry->sequence] == PLUGIN_FACT_NEW)
        directory_recorded(world.directory, world.devices[world.about[entry->sequence]]);
}

static struct device *register_device(const char *serial)
{
    struct plugin_identity identity = {0};
    (void)snprintf(identity.serial, sizeof identity.serial, "%s", serial);
    struct registration registration = {
        .scope = "default", .identity = &identity, .link = {.id = 1}, .utc_ms = 1};
    SEEDS_REQUIRE(directory_register(world.directory, &registration) == REGISTERED_NEW);
    return registration.device;
}

/* What happens to the device, as an event. 0: nothing of a plugin's. */
static uint32_t choose_body(Cenc__V1__Event *event, unsigned device)
{
    static Cenc__V1__DeviceAdded added = CENC__V1__DEVICE_ADDED__INIT;
    static Cenc__V1__Connected connected = CENC__V1__CONNECTED__INIT;
    static Cenc__V1__Disconnected disconnected = CENC__V1__DISCONNECTED__INIT;
    static Cenc__V1__ServerStarted started = CENC__V1__SERVER_STARTED__INIT;
    if (world.devices[device] == NULL) {
        event->body_case = CENC__V1__EVENT__BODY_DEVICE_ADDED;
        event->device_added = &added;
        return PLUGIN_FACT_NEW;
    }
    switch (sim_below(world.sim, world.kinds)) {
    case 0:
        event->body_case = CENC__V1__EVENT__BODY_CONNECTED;
        event->connected = &connected;
        return PLUGIN_FACT_CONNECTED;
    case 1:
        event->body_case = CENC__V1__EVENT__BODY_DISCONNECTED;
        event->disconnected = &disconnected;
        return PLUGIN_FACT_DISCONNECTED;
    default:
        event->body_case = CENC__V1__EVENT__BODY_SERVER_STARTED;
        event->server_started = &started;
        return 0;
    }
}

static void append_one(void)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device about = CENC__V1__DEVICE__INIT;
    unsigned device = (unsigned)sim_below(world.sim, DEVICES);
    char serial[8];
    char scope[] = "default";
    size_t size;
    if (world.appended == MAX_RECORDS)
        return;
    uint64_t sequence = ++world.appended;
    (void)snprintf(serial, sizeof serial, "%u", 1000 + device);
    about.scope = scope;
    about.serial = serial;
    event.device = &about;
    world.about[sequence] = device;
    world.facts[sequence] = choose_body(&event, device);
    if (world.facts[sequence] == PLUGIN_FACT_NEW) {
        world.devices[device] = register_device(serial);
        world.added[device] = sequence;
    }
    SEEDS_REQUIRE(event_pack(&event, world.payloads[sequence], sizeof world.payloads[0], &size) ==
                  CODEC_OK);
    world.entries[sequence] = (struct journal_entry){
        .data = world.payloads[sequence],
        .size = (uint32_t)size,
        .kind = JOURNAL_EVENT,
        .class = JOURNAL_FIRST,
        .from = world.reactor,
        .done = recorded,
    };
    SEEDS_REQUIRE(journal_append(world.journal, &world.entries[sequence]) == STATUS_OK);
}

/* ---- somebody else who reads ---- */

static size_t other_takes(struct follower *follower, const struct journal_record *records,
                          size_t count)
{
    (void)follower;
    world.other_has = records[count - 1].sequence;
    return count;
}

static void other_is_gone(struct follower *follower)
{
    follower->next = journal_oldest(world.journal);
    feed_add(world.northbound->feed, follower);
}

static const struct follower_ops other_ops = {.take = other_takes, .gone = other_is_gone};

/* ---- the run ---- */

static void step(void)
{
    sim_step(world.sim);
    struct kernel *kernel = sim_pick_due(world.sim);
    if (kernel != NULL)
        reactor_turn(kernel == reactor_kernel(world.writer) ? world.writer : world.reactor, -1);
    threads_step();
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        unsigned steps_left = DUO_MAX_STEPS;                                                       \
        while (!(condition)) {                                                                     \
            SEEDS_REQUIRE(steps_left-- > 0);                                                       \
            step();                                                                                \
        }                                                                                          \
    } while (0)

static struct reactor *make_reactor(void)
{
    struct reactor *reactor;
    struct kernel_error error;
    struct reactor_config config = {
        .limits = {
            .slots = 8, .reserved_slots = 1, .buffer_count = {8, 2}, .buffer_size = {512, 4096}}};
    SEEDS_REQUIRE(reactor_create(&config, &reactor, &error) == STATUS_OK);
    return reactor;
}

static void open_world(uint64_t seed)
{
    struct sim_options options;
    struct journal_recovery recovery;
    struct journal_error error;
    memset(&world, 0, sizeof world);
    sim_options_random(&options, seed);
    /* the disk's faults are another property's business */
    options.file_error = options.file_full = 0;
    options.disk_bytes = 0;
    world.sim = sim_create(&options);
    world.kinds = 3 + sim_below(world.sim, 20);
    struct journal_config journal_config = {
        .folder = FOLDER,
        .node = "sim",
        .segment_bytes = 300 + sim_below(world.sim, 1500),
        .queue_bytes = 1000000,
        .retention_bytes =
            sim_chance(world.sim, 500) ? 1500 + sim_below(world.sim, 6000) : UINT64_MAX,
    };
    struct directory_config directory_config = {.max_devices = DEVICES, .recorded = true};
    SEEDS_REQUIRE(journal_open(&journal_config, &world.journal, &recovery, &error) == STATUS_OK);
    SEEDS_REQUIRE(directory_create(&directory_config, &world.directory) == STATUS_OK);
    world.writer = make_reactor();
    world.reactor = make_reactor();
    journal_start(world.journal, world.writer);
    history_make_folder(world.folder);
    (void)snprintf(world.ledger, sizeof world.ledger, "%s/%s", world.folder, LEDGER);
    static const char *const names[PLUGINS] = {"good", "fickle", "slow", "stuck"};
    for (unsigned i = 0; i < PLUGINS; i++)
        world.plugins[i].name = names[i];
    world.config.northbound.max_connections = 2;
}

static void start(bool all)
{
    static const struct listen_options listen_options = {.backlog = 16};
    struct address address = {.ip = {10, 0, 0, 2}, .port = 9192, .family = 4};
    struct kernel_error error;
    world.config.registration.plugin_count = 0;
    for (unsigned i = 0; i < PLUGINS; i++)
        if (all || i == GOOD || sim_chance(world.sim, 700))
            world.config.registration.plugins[world.config.registration.plugin_count++].plugin =
                &world.plugins[i];
    world.socket = kernel_listen(&address, &listen_options);
    SEEDS_REQUIRE(world.socket >= 0);
    struct northbound_settings settings = {
        .config = &world.config,
        .journal = world.journal,
        .directory = world.directory,
        .reactor = world.reactor,
        .ledger_path = world.ledger,
        .socket = world.socket,
    };
    SEEDS_REQUIRE(northbound_create(&settings, &world.northbound, &error) == STATUS_OK);
    world.other = (struct follower){.ops = &other_ops, .next = world.other_has + 1};
    feed_add(world.northbound->feed, &world.other);
}

static void northbound_gone(void *context)
{
    (void)context;
    world.northbound_stopped = true;
}

/* killed: what it writes from now on is undone. */
static void stop(bool killed)
{
    uint64_t began_ms = sim_now_ms(world.sim);
    if (killed)
        state_copy_store(world.folder, LEDGER, "kept.sqlite");
    for (size_t i = 0; i < world.northbound->plugins.count; i++)
        seen.gaps += atomic_load(&world.northbound->plugins.all[i].counters.gaps);
    world.northbound_stopped = false;
    feed_remove(&world.other);
    northbound_stop(world.northbound, northbound_gone, NULL);
    UNTIL(world.northbound_stopped && reactor_idle(world.reactor));
    SEEDS_REQUIRE(sim_now_ms(world.sim) - began_ms < 8000);
    kernel_listen_close(world.socket);
    threads_free();
    if (killed)
        state_copy_store(world.folder, "kept.sqlite", LEDGER);
}

static void journal_gone(void *context)
{
    (void)context;
    world.journal_stopped = true;
}

static void close_world(void)
{
    journal_stop(world.journal, journal_gone, NULL);
    UNTIL(world.journal_stopped && reactor_idle(world.writer) && reactor_idle(world.reactor));
    reactor_destroy(world.writer);
    reactor_destroy(world.reactor);
    journal_free(world.journal);
    directory_free(world.directory);
    history_remove_folder(world.folder);
    sim_destroy(world.sim);
}

static void live(void)
{
    unsigned appends = (unsigned)sim_below(world.sim, 400);
    for (uint64_t steps = sim_below(world.sim, 3000); steps > 0; steps--) {
        if (sim_chance(world.sim, appends))
            append_one();
        step();
    }
}

/* ---- the end ---- */

static struct told_plugin *told_of(unsigned index)
{
    for (size_t i = 0; i < world.northbound->plugins.count; i++)
        if (world.northbound->plugins.all[i].plugin->plugin == &world.plugins[index])
            return &world.northbound->plugins.all[i];
    SEEDS_REQUIRE(false);
    return NULL;
}

static bool has_all(unsigned index)
{
    const struct told_plugin *told = told_of(index);
    const struct ear *ear = &world.ears[index];
    for (unsigned i = 0; i < DEVICES; i++)
        if (world.added[i] != 0 && !ear->ever[i])
            return false;
    return told->consumer->position == world.appended && !told->listing;
}

static bool is_hanging(unsigned index)
{
    const struct plugin_thread *thread = told_of(index)->thread;
    return thread->asked && thread->due_ms > sim_now_ms(world.sim) + 100000;
}

/* Those who are well have all of it at once, whatever the others do. */
static void check_the_well(void)
{
    sim_calm_down(world.sim);
    append_one();
    UNTIL(world.committed == world.appended);
    uint64_t now_ms = sim_now_ms(world.sim);
    UNTIL(has_all(GOOD) && world.other_has == world.appended);
    SEEDS_REQUIRE(sim_now_ms(world.sim) - now_ms < 5000);
    SEEDS_REQUIRE(strcmp(told_state(told_of(GOOD)), "running") == 0);
}

static void run_seed(uint64_t seed)
{
    open_world(seed);
    for (uint64_t rounds = sim_below(world.sim, 4); rounds > 0; rounds--) {
        start(false);
        live();
        stop(sim_chance(world.sim, 500));
    }
    start(true);
    live();
    check_the_well();
    if (is_hanging(STUCK)) {
        uint64_t now_ms = sim_now_ms(world.sim);
        UNTIL(sim_now_ms(world.sim) > now_ms + 31000);
        SEEDS_REQUIRE(strcmp(told_state(told_of(STUCK)), "hung") == 0);
    }
    world.calm = world.released = true;
    UNTIL(has_all(FICKLE) && has_all(SLOW) && has_all(STUCK));
    stop(false);
    close_world();
}

static void every_plugin_is_told_of_every_device(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seeds_run("plugin-host", 200, run_seed);
    if (seeds_all())
        assert_true(seen.lists > 0 && seen.gaps > 0 && seen.left > 0 && seen.retries > 0 &&
                    seen.repeats > 0 && seen.completed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_plugin_is_told_of_every_device),
    };
    return cmocka_run_group_tests(tests, quiet_log_start, quiet_log_stop);
}
