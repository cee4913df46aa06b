#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/frames/vector.h"

/* 2026-10-15 12:30:00 UTC: the date in greetings of vectors */
#define UTC_MS 1792067400000u

/* The server's side of one link, and all that came out of it. */
struct player {
    const struct vector *vector;
    const char *how;
    const struct vector_piece *pieces;
    size_t piece_count;

    uint64_t state[(PLUGIN_STATE_SIZE + 7) / 8];
    bool declined;
    bool identified;
    bool idle;
    size_t greeting_start; /* behind the last push */
    size_t greeting_size;  /* bytes received before it was identified */
    size_t pushes;
    uint32_t wake_in_ms; /* 0: none asked for */
    uint64_t now_ms;

    struct plugin_identity identity;
    uint32_t link_flags;
    char why[128];
    uint8_t reply[4096];
    size_t reply_size;
    uint8_t data[2 * VECTOR_MAX_BYTES];
    size_t data_size;
    size_t received; /* bytes given to receive */
    size_t late;
    uint32_t keepalives;
    bool malformed;
    bool has_new_signal;
    uint8_t new_signal;
};

static void print_bytes(const char *what, const uint8_t *data, size_t size)
{
    (void)fprintf(stderr, "  %s ", what);
    for (size_t i = 0; i < size; i++)
        (void)fprintf(stderr, "%02X", data[i]);
    (void)fprintf(stderr, "\n");
}

static void expect(const struct player *player, bool truth, const char *what)
{
    if (truth)
        return;
    (void)fprintf(stderr, "%s, %s: %s\n", player->vector->name, player->how, what);
    for (size_t i = 0; i < player->piece_count; i++) {
        (void)fprintf(stderr, "  quiet %llu", (unsigned long long)player->pieces[i].quiet_ms);
        print_bytes("in", player->vector->bytes + player->pieces[i].start, player->pieces[i].size);
    }
    (void)fprintf(stderr, "  serial \"%s\" why \"%s\" keepalives %u late %zu\n",
                  player->identity.serial, player->why, player->keepalives, player->late);
    print_bytes("reply", player->reply, player->reply_size);
    print_bytes("data", player->data, player->data_size);
    abort();
}

static void *allocate(size_t size)
{
    void *memory = malloc(size);

    if (memory == NULL)
        abort();
    return memory;
}

static void take_reply(struct player *player, const uint8_t *reply, size_t size)
{
    expect(player, size <= PLUGIN_REPLY_SIZE, "too long a reply");
    expect(player, player->reply_size + size <= sizeof(player->reply), "endless replies");
    memcpy(player->reply + player->reply_size, reply, size);
    player->reply_size += size;
}

static void take_push(struct player *player, const struct plugin_push *push, const uint8_t *data,
                      size_t size)
{
    expect(player, push->raw >= data && push->raw + push->raw_size <= data + size,
           "a push's bytes are not in the input");
    expect(player, memchr(push->serial, '\0', sizeof(push->serial)) != NULL, "endless serial");
    expect(player, player->pushes < player->vector->push_count, "a push too many");
    expect(player, vector_push_equal(&player->vector->pushes[player->pushes], push),
           "another push");
    player->pushes++;
}

/* Gives bytes to receive in memory of their exact size with the headroom in front, so that a
 * sanitizer sees every step outside. */
static void receive(struct player *player, const uint8_t *data, size_t size, uint64_t quiet_ms)
{
    uint8_t *memory = allocate(PLUGIN_HEADROOM + size);
    uint8_t *reply = allocate(PLUGIN_REPLY_SIZE);
    struct plugin_push *pushes = calloc(PLUGIN_MAX_PUSHES, sizeof(*pushes));
    struct plugin_received received = {
        .pushes = pushes,
        .data = memory + PLUGIN_HEADROOM,
        .size = size,
        .now_ms = player->now_ms,
        .quiet_ms = quiet_ms,
        .in_session = !player->idle,
        .reply = reply,
    };

    if (size > 0)
        memcpy(received.data, data, size);
    player->vector->plugin->receive(player->vector->instance, player->state, &received);
    expect(player,
           received.size == 0 || (received.data >= memory &&
                                  received.data + received.size <= memory + PLUGIN_HEADROOM + size),
           "data outside of its memory");
    expect(player, received.push_count <= PLUGIN_MAX_PUSHES, "too many pushes");
    expect(player, (received.push_count > 0) == ((received.notices & PLUGIN_NOTICE_PUSH) != 0),
           "pushes without notice");
    for (size_t i = 0; i < received.push_count; i++)
        take_push(player, &pushes[i], memory, PLUGIN_HEADROOM + size);
    player->received += size;
    expect(player, player->data_size + received.size <= player->received, "more out than in");
    if (!player->idle) {
        memcpy(player->data + player->data_size, received.data, received.size);
        player->data_size += received.size;
        player->late += size == 0 ? received.size : 0;
    }
    take_reply(player, reply, received.reply_size);
    player->keepalives += (received.notices & PLUGIN_NOTICE_KEEPALIVE) != 0;
    player->malformed |= (received.notices & PLUGIN_NOTICE_MALFORMED) != 0;
    if ((received.notices & PLUGIN_NOTICE_SIGNAL) != 0) {
        player->has_new_signal = true;
        player->new_signal = received.signal_csq;
    }
    player->wake_in_ms = player->idle ? 0 : received.wake_in_ms;
    free(memory);
    free(reply);
    free(pushes);
}

/* True if the plugin is to be asked again at once. */
static bool ask(struct player *player, size_t end, uint64_t quiet_ms)
{
    const struct plugin *plugin = player->vector->plugin;
    size_t received = end - player->greeting_start;
    uint8_t *data = allocate(received > 0 ? received : 1);
    uint8_t *reply = allocate(PLUGIN_REPLY_SIZE);
    struct plugin_push push = {.serial = ""};
    struct plugin_greeting greeting = {
        .input_flags = player->vector->datagram ? PLUGIN_GREETING_DATAGRAM : 0,
        .push = &push,
        .data = data,
        .size = received,
        .now_ms = player->now_ms,
        .quiet_ms = quiet_ms,
        .utc_ms = UTC_MS,
        .reply = reply,
    };
    enum plugin_verdict verdict;

    memcpy(data, player->vector->bytes + player->greeting_start, received);
    verdict = plugin->identify(player->vector->instance, player->state, &greeting);
    player->wake_in_ms = greeting.wake_in_ms;
    player->greeting_size = end;
    if (verdict == PLUGIN_NOT_MINE) {
        player->declined = true;
        expect(player, greeting.why != NULL, "declined without saying why");
        (void)snprintf(player->why, sizeof(player->why), "%s", greeting.why);
    }
    if (verdict == PLUGIN_IDENTIFIED) {
        player->identified = true;
        player->identity = greeting.identity;
        player->link_flags = greeting.link_flags;
        expect(player, greeting.consumed <= received, "consumed more than there is");
        take_reply(player, reply, greeting.reply_size);
        if (greeting.consumed < received)
            receive(player, data + greeting.consumed, received - greeting.consumed, quiet_ms);
    }
    if (verdict == PLUGIN_PUSHED) {
        expect(player, (plugin->flags & PLUGIN_PUSHES) != 0, "a push from who has none");
        expect(player, greeting.consumed > 0 && greeting.consumed <= received, "consumed how many");
        take_push(player, &push, data, received);
        player->greeting_start += greeting.consumed;
        memset(player->state, 0, sizeof(player->state));
    }
    free(data);
    free(reply);
    return verdict == PLUGIN_PUSHED;
}

static void identify(struct player *player, size_t end, uint64_t quiet_ms)
{
    while (ask(player, end, quiet_ms))
        continue;
}

/* Every run for itself, in a state of its own. */
static void play_datagrams(struct player *player)
{
    const struct vector *vector = player->vector;

    for (size_t i = 0; i < vector->run_count; i++) {
        size_t end = vector->runs[i].start + vector->runs[i].size;
        size_t before = player->pushes;

        memset(player->state, 0, sizeof(player->state));
        player->greeting_start = vector->runs[i].start;
        while (player->greeting_start < end && ask(player, end, 0))
            player->declined = false;
        expect(player, !player->identified, "identified by a datagram");
        expect(player, player->pushes > before || player->declined, "a datagram left open");
    }
}

/* Lets time pass without bytes; wakes the plugin as often as it asks. */
static void pass(struct player *player, uint64_t quiet_ms)
{
    uint64_t passed_ms = 0;

    while (player->wake_in_ms > 0 && !player->declined) {
        uint64_t wake_ms = player->wake_in_ms + player->vector->host_late_ms;

        if (passed_ms + wake_ms > quiet_ms)
            break;
        passed_ms += wake_ms;
        player->now_ms += wake_ms;
        player->wake_in_ms = 0;
        if (player->identified)
            receive(player, NULL, 0, passed_ms);
        else
            identify(player, player->greeting_size, passed_ms);
    }
    player->now_ms += quiet_ms - passed_ms;
}

static void compare_identity(const struct player *player)
{
    const struct plugin_identity *expected = &player->vector->identity;
    const struct plugin_identity *found = &player->identity;

    expect(player, strcmp(found->serial, expected->serial) == 0, "another serial");
    expect(player, strcmp(found->model, expected->model) == 0, "another model");
    expect(player, strcmp(found->firmware, expected->firmware) == 0, "another firmware");
    expect(player, strcmp(found->hardware, expected->hardware) == 0, "another hardware");
    expect(player, found->kind[0] != '\0', "no kind");
    expect(player, found->signal_csq == expected->signal_csq, "another signal");
    expect(player, player->link_flags == player->vector->link_flags, "other flags");
}

static void compare(const struct player *player)
{
    const struct vector *vector = player->vector;

    if (vector->not_mine[0] != '\0') {
        expect(player, player->declined, "not declined");
        expect(player, strstr(player->why, vector->not_mine) != NULL, "another reason");
    } else if (vector->waiting) {
        expect(player, !player->declined && !player->identified, "not waiting");
    } else {
        expect(player, player->identified, "not identified");
        compare_identity(player);
    }
    expect(player,
           player->reply_size == vector->reply_size &&
               memcmp(player->reply, vector->reply, vector->reply_size) == 0,
           "another reply");
    expect(player,
           player->data_size == vector->data_size &&
               memcmp(player->data, vector->data, vector->data_size) == 0,
           "other data");
    expect(player,
           player->keepalives <= vector->keepalives &&
               (player->keepalives > 0) == (vector->keepalives > 0),
           "other keepalives");
    expect(player, player->malformed == vector->malformed, "malformed or not");
    expect(player,
           player->has_new_signal == vector->has_new_signal &&
               player->new_signal == vector->new_signal,
           "another new signal");
    expect(player, player->late == vector->late, "another number of late bytes");
    expect(player, player->pushes == vector->push_count, "another number of pushes");
}

void vector_play(const struct vector *vector, const struct vector_piece *pieces, size_t count,
                 const char *how)
{
    struct player *player = calloc(1, sizeof(*player));

    if (player == NULL)
        abort();
    player->vector = vector;
    player->how = how;
    player->pieces = pieces;
    player->piece_count = count;
    if (vector->datagram) {
        play_datagrams(player);
        expect(player, player->pushes == vector->push_count, "another number of pushes");
        free(player);
        return;
    }
    for (size_t i = 0; i < count && !player->declined; i++) {
        pass(player, pieces[i].quiet_ms);
        player->idle = pieces[i].idle;
        if (player->identified)
            receive(player, vector->bytes + pieces[i].start, pieces[i].size, pieces[i].quiet_ms);
        else
            identify(player, pieces[i].start + pieces[i].size, 0);
    }
    pass(player, vector->quiet_after_ms);
    compare(player);
    free(player);
}
