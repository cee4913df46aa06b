/* The pattern plugin: a hostile modem, and patterns from a hostile configuration. Byte 0: options;
 * byte 1: how the rest is cut; then what the modem sends or, with OPTION_TEXT, a pattern's text, a
 * NUL, and what it is matched against.
 *
 * Promised: no step outside of the memory given; never more out than in; what is pushed lies inside
 * the input; the plugin asks to be woken a few times and no more; a pattern that is matched stays
 * matched with more bytes, and one that isn't stays so. */
#include <stdlib.h>
#include <string.h>

#include "codec/modem/pattern.h"
#include "plugins/plugin.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

#define OPTION_TEXT     0x01u
#define OPTION_DATAGRAM 0x02u
#define OPTION_PREFIX   0x04u
#define OPTION_IDLE     0x08u
#define OPTION_PAUSES   0x10u
#define OPTION_LOGIN    0x20u

#define MAX_INPUT 4096u
#define MAX_KEYS  16u

extern const struct plugin pattern_plugin;

/* ---- the language ---- */

static void check_match(const struct pattern *pattern, const uint8_t *data, size_t size,
                        size_t part)
{
    struct pattern_match whole;
    struct pattern_match half;
    enum pattern_result of_whole = pattern_match(pattern, data, size, &whole);
    enum pattern_result of_half = pattern_match(pattern, data, part, &half);

    CHECK(whole.size <= size && half.size <= part);
    CHECK(whole.id_size <= PATTERN_MAX_ID);
    if (of_half == PATTERN_NO)
        CHECK(of_whole == PATTERN_NO);
    if (of_half == PATTERN_YES)
        CHECK(of_whole == PATTERN_YES && whole.size == half.size);
    if (of_half == PATTERN_MAYBE)
        CHECK((of_whole == PATTERN_YES || of_whole == PATTERN_MAYBE) && whole.size >= half.size);
}

static void run_text(uint8_t cut, const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\0', size);
    size_t text_size = end == NULL ? size : (size_t)(end - data);
    size_t rest = size - text_size - (end != NULL);
    char *text = malloc(text_size + 1);
    uint8_t bytes[PATTERN_MAX_ITEMS];
    struct pattern pattern;
    char error[32];
    size_t fixed;

    CHECK(text != NULL);
    memcpy(text, data, text_size);
    text[text_size] = '\0';
    if (pattern_parse(text, &pattern, error, sizeof(error))) {
        check_match(&pattern, data + size - rest, rest, (size_t)cut * rest / 256);
        if (pattern_bytes(&pattern, bytes, sizeof(bytes), &fixed) && fixed > 0) {
            struct pattern_match match;

            CHECK(pattern_match(&pattern, bytes, fixed, &match) == PATTERN_YES);
            CHECK(match.size == fixed);
        }
    }
    free(text);
}

/* ---- the plugin ---- */

struct link {
    uint64_t state[(PLUGIN_STATE_SIZE + 7) / 8];
    uint32_t wake_in_ms;
    size_t in;
    size_t out;
    bool idle;
};

static void check_pushes(const struct plugin_push *pushes, size_t count, const uint8_t *memory,
                         size_t size)
{
    CHECK(count <= PLUGIN_MAX_PUSHES);
    for (size_t i = 0; i < count; i++) {
        CHECK(pushes[i].raw >= memory && pushes[i].raw + pushes[i].raw_size <= memory + size);
        CHECK(memchr(pushes[i].serial, '\0', sizeof(pushes[i].serial)) != NULL);
        CHECK(pushes[i].ack_size <= PLUGIN_ACK_SIZE);
    }
}

static void receive(void *instance, struct link *link, const uint8_t *data, size_t size,
                    uint64_t quiet_ms)
{
    uint8_t reply[PLUGIN_REPLY_SIZE];
    struct plugin_push pushes[PLUGIN_MAX_PUSHES];
    uint8_t *memory = malloc(PLUGIN_HEADROOM + size);
    struct plugin_received received = {.data = memory + PLUGIN_HEADROOM,
                                       .size = size,
                                       .quiet_ms = quiet_ms,
                                       .in_session = !link->idle,
                                       .reply = reply,
                                       .pushes = pushes};

    CHECK(memory != NULL);
    memset(pushes, 0, sizeof(pushes));
    if (size > 0)
        memcpy(received.data, data, size);
    pattern_plugin.receive(instance, link->state, &received);
    CHECK(received.reply_size <= sizeof(reply));
    CHECK(received.size == 0 || (received.data >= memory &&
                                 received.data + received.size <= memory + PLUGIN_HEADROOM + size));
    CHECK((received.push_count > 0) == ((received.notices & PLUGIN_NOTICE_PUSH) != 0));
    check_pushes(pushes, received.push_count, memory, PLUGIN_HEADROOM + size);
    link->in += size;
    link->out += received.size;
    CHECK(link->out <= link->in);
    link->wake_in_ms = received.wake_in_ms;
    free(memory);
}

static void receive_all(void *instance, struct link *link, const uint8_t *data, size_t size,
                        uint8_t cut, bool pauses)
{
    uint32_t random = cut;

    for (size_t at = 0; at < size;) {
        random = random * 1103515245u + 12345u;
        size_t piece = cut == 0 ? size - at : 1 + (random >> 16) % 23 % (size - at);
        uint64_t quiet_ms = pauses ? (random >> 24) % 300 : 0;

        if (link->wake_in_ms > 0 && quiet_ms > link->wake_in_ms)
            receive(instance, link, NULL, 0, link->wake_in_ms);
        receive(instance, link, data + at, piece, quiet_ms);
        at += piece;
    }
    for (int i = 0; link->wake_in_ms > 0 && !link->idle; i++) {
        CHECK(i < 4); /* a plugin that is never content */
        receive(instance, link, NULL, 0, 1000);
    }
}

static void *configure(bool prefix)
{
    static const struct {
        const char *name;
        const char *text;
    } settings[] = {{"registration", "LOGIN:(id)"}, {"registration_answer", "OK"},
                    {"heartbeat", "www.usr.cn"},    {"heartbeat_answer", "."},
                    {"last_gasp", "BYE,(id)"},      {"power_restored", "HI\\n"},
                    {"push_answer", "ACK"}};
    struct plugin_value values[MAX_KEYS] = {{0}};
    void *instance = NULL;
    char error[160];

    for (size_t i = 0; pattern_plugin.keys[i].name != NULL; i++) {
        const struct plugin_key *key = &pattern_plugin.keys[i];

        values[i].text = key->fallback;
        values[i].integer = strtoll(key->fallback, NULL, 10);
        for (size_t k = 0; k < sizeof(settings) / sizeof(settings[0]); k++)
            if (strcmp(settings[k].name, key->name) == 0)
                values[i].text = settings[k].text;
        if (strcmp(key->name, "prefix") == 0)
            values[i].integer = prefix;
    }
    CHECK(pattern_plugin.configure(values, &instance, error, sizeof(error)));
    return instance;
}

static void run_modem(void *instance, uint8_t options, uint8_t cut, const uint8_t *data,
                      size_t size)
{
    uint8_t reply[PLUGIN_REPLY_SIZE];
    struct link link = {.idle = (options & OPTION_IDLE) != 0};
    size_t at = 0;

    for (;;) {
        struct plugin_push push;
        struct plugin_greeting greeting = {
            .data = data + at,
            .size = size - at,
            .quiet_ms = (options & OPTION_PAUSES) != 0 ? 60000 : 0,
            .reply = reply,
            .push = &push,
            .input_flags = (options & OPTION_DATAGRAM) != 0 ? PLUGIN_GREETING_DATAGRAM : 0};

        memset(&push, 0, sizeof(push));
        enum plugin_verdict verdict = pattern_plugin.identify(instance, link.state, &greeting);
        CHECK(greeting.reply_size <= sizeof(reply));
        if (verdict != PLUGIN_PUSHED && verdict != PLUGIN_IDENTIFIED) {
            CHECK(verdict == PLUGIN_NEED_MORE || verdict == PLUGIN_NOT_MINE);
            return;
        }
        CHECK(greeting.consumed > 0 && greeting.consumed <= size - at);
        if (verdict == PLUGIN_PUSHED) {
            check_pushes(&push, 1, data + at, size - at);
            CHECK(push.serial[0] != '\0');
        }
        at += greeting.consumed;
        if (verdict == PLUGIN_IDENTIFIED) {
            CHECK(greeting.identity.serial[0] != '\0');
            break;
        }
        memset(link.state, 0, sizeof(link.state));
    }
    receive_all(instance, &link, data + at, size - at, cut, (options & OPTION_PAUSES) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char login[] = "LOGIN:1001\r";

    if (size < 2 || size > MAX_INPUT)
        return 0;
    if ((data[0] & OPTION_TEXT) != 0) {
        run_text(data[1], data + 2, size - 2);
        return 0;
    }
    size_t login_size = (data[0] & OPTION_LOGIN) != 0 ? strlen(login) : 0;
    uint8_t *input = malloc(login_size + size - 2 + 1);
    void *instance = configure((data[0] & OPTION_PREFIX) != 0);
    CHECK(input != NULL);
    memcpy(input, login, login_size); // NOLINT(bugprone-not-null-terminated-result): bytes
    memcpy(input + login_size, data + 2, size - 2);
    run_modem(instance, data[0], data[1], input, login_size + size - 2);
    pattern_plugin.destroy(instance);
    free(input);
    return 0;
}
