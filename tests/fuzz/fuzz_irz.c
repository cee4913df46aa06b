/* The iRZ plugin with a hostile modem. Byte 0: options; byte 1: how the rest is cut; then what the
 * modem sends. With OPTION_HELLO a good hello stands in front of it.
 *
 * Promised: no step outside of the memory given; never more out than in; frames, and a stream
 * without pauses, give the same whatever the cuts; a hello is judged the same from any part on;
 * mask changes bytes only to '*'; what send wraps comes back. */
#include <stdlib.h>
#include <string.h>

#include "codec/modem/irz.h"
#include "plugins/plugin.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

#define OPTION_HELLO       0x01u
#define OPTION_ENCAPSULATE 0x02u
#define OPTION_ACKNOWLEDGE 0x04u
#define OPTION_AT_END      0x08u
#define OPTION_PAUSES      0x10u
#define OPTION_GREET       0x20u

#define MAX_INPUT 8192u
#define MAX_HELLO 128u

extern const struct plugin irz_plugin;

struct outcome {
    uint64_t state[(PLUGIN_STATE_SIZE + 7) / 8];
    uint8_t data[MAX_INPUT];
    size_t size;
    size_t received;
    uint32_t notices;
    uint32_t wake_in_ms;
    uint8_t signal_csq;
};

static void receive(void *instance, struct outcome *outcome, const uint8_t *data, size_t size,
                    uint64_t quiet_ms)
{
    uint8_t reply[PLUGIN_REPLY_SIZE];
    uint8_t *memory = malloc(PLUGIN_HEADROOM + size);
    struct plugin_received received = {.data = memory + PLUGIN_HEADROOM,
                                       .size = size,
                                       .quiet_ms = quiet_ms,
                                       .in_session = true,
                                       .reply = reply};

    CHECK(memory != NULL);
    if (size > 0)
        memcpy(received.data, data, size);
    irz_plugin.receive(instance, outcome->state, &received);
    CHECK(received.reply_size <= sizeof(reply));
    CHECK(received.data >= memory);
    CHECK(received.data + received.size <= memory + PLUGIN_HEADROOM + size);
    outcome->received += size;
    CHECK(outcome->size + received.size <= outcome->received);
    memcpy(outcome->data + outcome->size, received.data, received.size);
    outcome->size += received.size;
    outcome->notices |= received.notices;
    if ((received.notices & PLUGIN_NOTICE_SIGNAL) != 0)
        outcome->signal_csq = received.signal_csq;
    outcome->wake_in_ms = received.wake_in_ms;
    free(memory);
}

/* Identifies and gives the rest to receive, cut by a generator with this seed; 0: whole. */
static enum plugin_verdict play(void *instance, struct outcome *outcome, const uint8_t *data,
                                size_t size, uint8_t seed, bool pauses)
{
    uint8_t reply[PLUGIN_REPLY_SIZE];
    struct plugin_greeting greeting = {
        .data = data, .size = size, .quiet_ms = 60000, .reply = reply, .utc_ms = size};
    enum plugin_verdict verdict;
    uint32_t random = seed;
    size_t at;

    memset(outcome, 0, sizeof(*outcome));
    verdict = irz_plugin.identify(instance, outcome->state, &greeting);
    CHECK(verdict != PLUGIN_NOT_MINE || greeting.why != NULL);
    CHECK(greeting.reply_size <= sizeof(reply));
    if (verdict != PLUGIN_IDENTIFIED)
        return verdict;
    CHECK(greeting.consumed <= size);
    CHECK(strlen(greeting.identity.serial) > 0);
    for (at = greeting.consumed; at < size;) {
        size_t piece = size - at;
        uint64_t quiet_ms = 0;

        if (seed != 0) {
            random = random * 1103515245u + 12345u;
            piece = 1 + (random >> 16) % 23 % piece;
            quiet_ms = pauses ? (random >> 24) % 60 : 0;
        }
        if (outcome->wake_in_ms > 0 && quiet_ms > outcome->wake_in_ms)
            receive(instance, outcome, NULL, 0, outcome->wake_in_ms);
        receive(instance, outcome, data + at, piece, quiet_ms);
        at += piece;
    }
    for (int i = 0; outcome->wake_in_ms > 0; i++) {
        CHECK(i < 4); /* a plugin that is never content */
        receive(instance, outcome, NULL, 0, 1000);
    }
    return verdict;
}

/* A part is never declined, nor complete, if the whole is a hello; and what is declined stays
 * declined. */
static void check_parts(const uint8_t *data, size_t size, size_t part)
{
    struct irz_hello hello;
    struct irz_hello part_hello;
    const char *why = NULL;
    size_t consumed = 0;
    size_t part_consumed = 0;
    enum irz_hello_result whole = irz_hello_parse(data, size, &hello, &consumed, &why);
    enum irz_hello_result half = irz_hello_parse(data, part, &part_hello, &part_consumed, &why);

    CHECK(half != IRZ_HELLO_NOT_MINE || whole == IRZ_HELLO_NOT_MINE);
    if (whole == IRZ_HELLO_COMPLETE && part < consumed)
        CHECK(half == IRZ_HELLO_NEED_MORE || half == IRZ_HELLO_MAYBE);
    if (half == IRZ_HELLO_COMPLETE)
        CHECK(whole == IRZ_HELLO_COMPLETE && consumed == part_consumed);
}

static void check_mask(const uint8_t *data, size_t size)
{
    uint8_t *masked = malloc(size + 1);

    CHECK(masked != NULL);
    memcpy(masked, data, size);
    irz_plugin.mask(masked, size);
    for (size_t i = 0; i < size; i++)
        CHECK(masked[i] == data[i] || masked[i] == '*');
    free(masked);
}

/* What send makes of data is the same data to a modem. */
static void check_send(void *instance, const struct outcome *outcome, const uint8_t *data,
                       size_t size, bool encapsulated)
{
    uint64_t state[(PLUGIN_STATE_SIZE + 7) / 8];
    struct irz_decoder decoder = {0};
    size_t at = 0;

    memcpy(state, outcome->state, sizeof(state));
    while (at < size) {
        uint8_t out[2048];
        struct plugin_sent sent = {
            .data = data + at, .size = size - at, .out = out, .out_capacity = sizeof(out)};
        struct irz_decoded decoded = {0};

        irz_plugin.send(instance, state, &sent);
        CHECK(sent.consumed > 0 && sent.consumed <= size - at && sent.out_size <= sizeof(out));
        if (encapsulated) {
            irz_decode(&decoder, out, sent.out_size, &decoded);
            CHECK(decoded.dropped_bytes == 0 && decoded.broken_frames == 0);
            sent.out_size = decoded.data_size;
        }
        CHECK(sent.out_size == sent.consumed);
        CHECK(memcmp(out, data + at, sent.consumed) == 0);
        at += sent.consumed;
    }
}

static void run(void *instance, uint8_t options, uint8_t cut, const uint8_t *data, size_t size)
{
    static struct outcome whole;
    static struct outcome pieces;
    bool pauses = (options & OPTION_PAUSES) != 0;
    bool encapsulated = (options & OPTION_ENCAPSULATE) != 0;

    check_mask(data, size);
    check_parts(data, size, size > 0 ? (size_t)cut * size / 256 : 0);
    if (play(instance, &whole, data, size, 0, false) != PLUGIN_IDENTIFIED ||
        play(instance, &pieces, data, size, cut, pauses) != PLUGIN_IDENTIFIED)
        return;
    if ((options & OPTION_HELLO) == 0)
        return;
    if (encapsulated || (!pauses && (options & OPTION_AT_END) == 0)) {
        CHECK(whole.size == pieces.size && memcmp(whole.data, pieces.data, whole.size) == 0);
        CHECK(whole.notices == pieces.notices && whole.signal_csq == pieces.signal_csq);
    }
    check_send(instance, &whole, data, size, encapsulated);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char plain[] = "AT$IMEI=1,PSW=a,\n";
    static const char encapsulating[] = "AT$IMEI=1,PSW=a,COLPROT=1.3,\n";
    struct plugin_value values[8] = {{0}};
    void *instance = NULL;
    char error[128];
    uint8_t *input;
    size_t hello_size = 0;
    const char *hello;

    if (size < 2 || size > MAX_INPUT - MAX_HELLO)
        return 0;
    values[0].integer = (data[0] & OPTION_GREET) != 0 ? 1 : 0;
    values[1].integer = (data[0] & OPTION_ACKNOWLEDGE) != 0;
    values[2].integer = 20;
    values[3].integer = (data[0] & OPTION_AT_END) != 0;
    values[4].integer = 1000;
    CHECK(irz_plugin.configure(values, &instance, error, sizeof(error)));
    hello = (data[0] & OPTION_ENCAPSULATE) != 0 ? encapsulating : plain;
    if ((data[0] & OPTION_HELLO) != 0)
        hello_size = strlen(hello);
    input = malloc(hello_size + size - 2 + 1);
    CHECK(input != NULL);
    memcpy(input, hello, hello_size);
    memcpy(input + hello_size, data + 2, size - 2);
    run(instance, data[0], data[1], input, hello_size + size - 2);
    free(input);
    irz_plugin.destroy(instance);
    return 0;
}
