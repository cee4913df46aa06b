/* iRZ ATM modems: recognised by their hello; keepalives taken out of the stream; data wrapped and
 * unwrapped when the modem encapsulates (COLPROT). The formats are in codec/modem/irz.h and
 * irz_frame.h.
 *
 * How a keepalive is told from a meter's data
 *
 * With encapsulation a keepalive is a frame of its own and nothing is left to chance. Without it
 * the five bytes B5BCBDBEBF simply stand in the stream. They are taken for a keepalive
 *   - at the start of a read, when the line was quiet before (keepalive_gap_ms), or when what came
 *     before on the line was the hello or another keepalive;
 *   - at the end of a read, when the line is quiet afterwards (keepalive_at_end): a network that
 *     repeats a lost segment delivers a fragment of an answer and the keepalive after it as one.
 *     They are held for the gap; if bytes come sooner they go on as data;
 * and are data inside a continuous run. If all of a read (after a quiet line) is the beginning of
 * a keepalive, it is held for at most HOLD_MS, and is data if the rest doesn't follow.
 *
 * Left to chance:
 *   - a meter whose answer, or a fragment of it after a pause, begins or ends with exactly these
 *     five bytes loses them: 1 in 2^40 for random data;
 *   - a keepalive that came in one read with the fragments on both sides of it, or cut in two right
 *     after a fragment, goes through as data; the reading software's checksum finds it;
 *   - a server so late that it reads what was sent apart as one run, or with a gap where there was
 *     none, errs accordingly.
 *
 * The password (PSW) is skipped by the parser and blanked by mask. A hello that pauses after a
 * comma before its PSW has come is given more time, so that the rest isn't taken for data. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/modem/irz.h"
#include "plugins/plugin.h"

#define HOLD_MS              200u
#define QUIET_WITHOUT_SECRET 3u /* times hello_quiet_ms while PSW has not come */

enum greeting_mode {
    GREETING_AUTO,
    GREETING_ALWAYS,
    GREETING_NEVER,
};

struct irz_instance {
    enum greeting_mode greeting;
    bool acknowledge_keepalive;
    uint32_t keepalive_gap_ms;
    bool keepalive_at_end;
    uint32_t hello_quiet_ms;
};

struct irz_state {
    struct irz_decoder decoder;
    bool encapsulated;
    bool at_boundary; /* hello or keepalive came last: no data run is going on */
    bool held_idle;   /* held came outside of a session */
    uint8_t held;     /* first bytes of a keepalive held back; all five: it ended a read */
};

_Static_assert(sizeof(struct irz_state) <= PLUGIN_STATE_SIZE, "a link's state has a fixed size");
_Static_assert(IRZ_KEEPALIVE_SIZE <= PLUGIN_HEADROOM, "held bytes go in front of the next ones");
_Static_assert(IRZ_GREETING_SIZE <= PLUGIN_REPLY_SIZE, "the greeting is one reply");
_Static_assert(IRZ_IMEI_SIZE <= PLUGIN_SERIAL_SIZE, "an IMEI is a serial");

enum {
    KEY_GREETING,
    KEY_ACKNOWLEDGE,
    KEY_GAP,
    KEY_AT_END,
    KEY_HELLO_QUIET,
};

static const struct plugin_key irz_keys[] = {
    [KEY_GREETING] = {.name = "greeting",
                      .type = PLUGIN_KEY_CHOICE,
                      .fallback = "auto",
                      .choices = "auto|always|never",
                      .help = "answer the hello with date and data mode; auto: modems with "
                              "COLPROT, which need it"},
    [KEY_ACKNOWLEDGE] = {.name = "acknowledge_keepalive",
                         .type = PLUGIN_KEY_BOOL,
                         .fallback = "false",
                         .help = "answer each keepalive with the same bytes"},
    [KEY_GAP] = {.name = "keepalive_gap_ms",
                 .type = PLUGIN_KEY_INTEGER,
                 .fallback = "20",
                 .minimum = 0,
                 .maximum = 10000,
                 .help = "ms of quiet line that set a keepalive apart from a meter's data"},
    [KEY_AT_END] = {.name = "keepalive_at_end",
                    .type = PLUGIN_KEY_BOOL,
                    .fallback = "true",
                    .help = "take a keepalive also from the end of data, when quiet follows"},
    [KEY_HELLO_QUIET] = {.name = "hello_quiet_ms",
                         .type = PLUGIN_KEY_INTEGER,
                         .fallback = "1000",
                         .minimum = 100,
                         .maximum = 10000,
                         .help = "ms of quiet line that end a hello after a comma"},
    {0},
};

static bool irz_configure(const struct plugin_value *values, void **instance, char *error,
                          size_t error_size)
{
    struct irz_instance *irz = calloc(1, sizeof(*irz));

    if (irz == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    irz->greeting = (enum greeting_mode)values[KEY_GREETING].integer;
    irz->acknowledge_keepalive = values[KEY_ACKNOWLEDGE].integer != 0;
    irz->keepalive_gap_ms = (uint32_t)values[KEY_GAP].integer;
    irz->keepalive_at_end = values[KEY_AT_END].integer != 0;
    irz->hello_quiet_ms = (uint32_t)values[KEY_HELLO_QUIET].integer;
    *instance = irz;
    return true;
}

static void irz_destroy(void *instance)
{
    free(instance);
}

/* ---- identification ---- */

/* Puts text behind what is in `to`, as far as it fits. */
static void append(char *to, size_t to_size, const char *text)
{
    size_t used = strlen(to);
    size_t size = strlen(text);

    if (size > to_size - 1 - used) {
        size = to_size - 1 - used;
    }
    memcpy(to + used, text, size);
    to[used + size] = '\0';
}

static void describe(const struct irz_hello *hello, struct plugin_identity *identity)
{
    memset(identity, 0, sizeof(*identity));
    append(identity->serial, sizeof(identity->serial), hello->imei);
    append(identity->kind, sizeof(identity->kind), "irz-modem");
    append(identity->model, sizeof(identity->model), hello->device);
    append(identity->hardware, sizeof(identity->hardware), hello->hardware);
    /* "01.03 016.353": version, revision, build */
    append(identity->firmware, sizeof(identity->firmware), hello->version);
    if (hello->revision[0] != '\0') {
        append(identity->firmware, sizeof(identity->firmware), ".");
        append(identity->firmware, sizeof(identity->firmware), hello->revision);
    }
    if (hello->build[0] != '\0') {
        append(identity->firmware, sizeof(identity->firmware),
               identity->firmware[0] != '\0' ? " " : "");
        append(identity->firmware, sizeof(identity->firmware), hello->build);
    }
    identity->signal_csq =
        hello->csq == IRZ_CSQ_UNKNOWN ? (uint8_t)PLUGIN_SIGNAL_UNKNOWN : hello->csq;
}

static void welcome(const struct irz_instance *irz, struct irz_state *state,
                    const struct irz_hello *hello, struct plugin_greeting *greeting)
{
    describe(hello, &greeting->identity);
    state->encapsulated = hello->has_colprot;
    state->at_boundary = true;
    greeting->link_flags = PLUGIN_LINK_RECEIVE | (state->encapsulated ? PLUGIN_LINK_SEND : 0u);
    if (irz->greeting == GREETING_ALWAYS ||
        (irz->greeting == GREETING_AUTO && hello->has_colprot)) {
        irz_greeting(greeting->utc_ms, greeting->reply);
        greeting->reply_size = IRZ_GREETING_SIZE;
    }
}

static enum plugin_verdict irz_identify(void *instance, void *state,
                                        struct plugin_greeting *greeting)
{
    const struct irz_instance *irz = instance;
    struct irz_hello hello;
    size_t consumed = 0;
    uint64_t quiet_wanted_ms;

    switch (irz_hello_parse(greeting->data, greeting->size, &hello, &consumed, &greeting->why)) {
    case IRZ_HELLO_NEED_MORE:
        return PLUGIN_NEED_MORE;
    case IRZ_HELLO_NOT_MINE:
        return PLUGIN_NOT_MINE;
    case IRZ_HELLO_MAYBE:
        quiet_wanted_ms =
            (uint64_t)irz->hello_quiet_ms * (hello.has_password ? 1u : QUIET_WITHOUT_SECRET);
        if (greeting->quiet_ms < quiet_wanted_ms) {
            greeting->wake_in_ms = (uint32_t)(quiet_wanted_ms - greeting->quiet_ms);
            return PLUGIN_NEED_MORE;
        }
        break;
    case IRZ_HELLO_COMPLETE:
        break;
    }
    greeting->consumed = consumed;
    welcome(irz, state, &hello, greeting);
    return PLUGIN_IDENTIFIED;
}

/* ---- device to server ---- */

static void acknowledge(const struct irz_instance *irz, const struct irz_state *state,
                        uint32_t keepalives, struct plugin_received *received)
{
    if (keepalives == 0) {
        return;
    }
    received->notices |= PLUGIN_NOTICE_KEEPALIVE;
    if (!irz->acknowledge_keepalive) {
        return;
    }
    for (uint32_t i = 0; i < keepalives; i++) {
        uint8_t *to = received->reply + received->reply_size;
        size_t room = PLUGIN_REPLY_SIZE - received->reply_size;
        size_t size = IRZ_KEEPALIVE_SIZE;

        if (state->encapsulated) {
            if (irz_frame_encode(IRZ_TYPE_KEEPALIVE, irz_keepalive, IRZ_KEEPALIVE_SIZE, to, room,
                                 &size) != CODEC_OK) {
                return;
            }
        } else if (room >= size) {
            memcpy(to, irz_keepalive, size);
        } else {
            return;
        }
        received->reply_size += size;
    }
}

static void receive_encapsulated(const struct irz_instance *irz, struct irz_state *state,
                                 struct plugin_received *received)
{
    struct irz_decoded decoded;

    irz_decode(&state->decoder, received->data, received->size, &decoded);
    received->size = decoded.data_size;
    if (decoded.has_signal) {
        received->notices |= PLUGIN_NOTICE_SIGNAL;
        received->signal_csq =
            decoded.csq == IRZ_CSQ_UNKNOWN ? (uint8_t)PLUGIN_SIGNAL_UNKNOWN : decoded.csq;
    }
    if (decoded.dropped_bytes > 0 || decoded.broken_frames > 0) {
        received->notices |= PLUGIN_NOTICE_MALFORMED;
    }
    acknowledge(irz, state, decoded.keepalives, received);
}

/* Puts held bytes, which are the first of a keepalive, in front of the others. */
static void give_back(struct irz_state *state, struct plugin_received *received)
{
    received->data -= state->held;
    received->size += state->held;
    memcpy(received->data, irz_keepalive, state->held);
    state->held = 0;
}

/* Takes all keepalives from the front; returns how many. */
static uint32_t take_from_start(struct plugin_received *received)
{
    uint32_t count = 0;
    size_t at = 0;

    while (received->size - at >= IRZ_KEEPALIVE_SIZE &&
           memcmp(received->data + at, irz_keepalive, IRZ_KEEPALIVE_SIZE) == 0) {
        at += IRZ_KEEPALIVE_SIZE;
        count++;
    }
    if (at > 0) {
        received->size -= at;
        memmove(received->data, received->data + at, received->size);
    }
    return count;
}

static void hold(struct irz_state *state, struct plugin_received *received, size_t size,
                 uint32_t wake_in_ms)
{
    state->held = (uint8_t)size;
    state->held_idle = !received->in_session;
    received->size -= size;
    received->wake_in_ms = wake_in_ms > 0 ? wake_in_ms : 1;
}

/* What to do with bytes that were held, now that more bytes or quiet came. Returns the number of
 * keepalives that they turned out to be. */
static uint32_t settle_held(const struct irz_instance *irz, struct irz_state *state,
                            struct plugin_received *received)
{
    bool ended_a_read = state->held == IRZ_KEEPALIVE_SIZE;

    if (ended_a_read && (received->size == 0 || received->quiet_ms >= irz->keepalive_gap_ms)) {
        state->held = 0;
        state->at_boundary = true;
        return 1;
    }
    if (state->held_idle && received->in_session && received->quiet_ms >= HOLD_MS) {
        state->held = 0; /* from before the session: not the new reader's */
        state->at_boundary = true;
        return 0;
    }
    state->at_boundary = !ended_a_read && received->size > 0;
    give_back(state, received);
    return 0;
}

static bool ends_with_keepalive(const struct plugin_received *received)
{
    return received->size >= IRZ_KEEPALIVE_SIZE &&
           memcmp(received->data + received->size - IRZ_KEEPALIVE_SIZE, irz_keepalive,
                  IRZ_KEEPALIVE_SIZE) == 0;
}

static void receive_plain(const struct irz_instance *irz, struct irz_state *state,
                          struct plugin_received *received)
{
    bool is_wake = received->size == 0;
    uint32_t keepalives = 0;

    if (!is_wake && state->held == 0 && received->quiet_ms >= irz->keepalive_gap_ms) {
        state->at_boundary = true;
    }
    if (state->held > 0) {
        keepalives = settle_held(irz, state, received);
    }
    if (!is_wake) {
        if (state->at_boundary) {
            keepalives += take_from_start(received);
        }
        if (state->at_boundary && received->size < IRZ_KEEPALIVE_SIZE &&
            memcmp(received->data, irz_keepalive, received->size) == 0) {
            if (received->size > 0) {
                hold(state, received, received->size, HOLD_MS);
            }
        } else {
            state->at_boundary = false;
            if (irz->keepalive_at_end && ends_with_keepalive(received)) {
                hold(state, received, IRZ_KEEPALIVE_SIZE, irz->keepalive_gap_ms);
            }
        }
    }
    acknowledge(irz, state, keepalives, received);
}

static void irz_receive(void *instance, void *state, struct plugin_received *received)
{
    struct irz_state *irz_state = state;

    if (irz_state->encapsulated) {
        receive_encapsulated(instance, irz_state, received);
    } else {
        receive_plain(instance, irz_state, received);
    }
}

/* ---- reading software to device ---- */

static void irz_send(void *instance, void *state, struct plugin_sent *sent)
{
    const struct irz_state *irz_state = state;
    size_t overhead = irz_state->encapsulated ? IRZ_FRAME_OVERHEAD : 0;
    size_t size = sent->size;

    (void)instance;
    sent->consumed = 0;
    sent->out_size = 0;
    if (size == 0 || sent->out_capacity <= overhead) {
        return;
    }
    if (size > sent->out_capacity - overhead) {
        size = sent->out_capacity - overhead;
    }
    if (!irz_state->encapsulated) {
        memcpy(sent->out, sent->data, size);
        sent->out_size = size;
    } else {
        if (size > IRZ_MAX_PAYLOAD) {
            size = IRZ_MAX_PAYLOAD;
        }
        if (irz_frame_encode(IRZ_TYPE_DATA, sent->data, size, sent->out, sent->out_capacity,
                             &sent->out_size) != CODEC_OK) {
            return;
        }
    }
    sent->consumed = size;
}

extern const struct plugin irz_plugin;

const struct plugin irz_plugin = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin),
    .name = "irz",
    .version = "1.0",
    .summary = "iRZ ATM modems: hello, keepalive, encapsulation (COLPROT)",
    .state_size = sizeof(struct irz_state),
    .keys = irz_keys,
    .configure = irz_configure,
    .destroy = irz_destroy,
    .identify = irz_identify,
    .receive = irz_receive,
    .send = irz_send,
    .mask = irz_mask,
};
