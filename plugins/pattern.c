/* Simple modems of many makers: a registration packet that holds the id, once or before every
 * packet, a heartbeat of fixed bytes, and perhaps a text when power fails or returns. What they
 * look like is told by settings in the language of codec/modem/pattern.h; a setting left empty
 * means that the modem has no such thing.
 *
 * On a link whose device is known these packets are told from a meter's data by where they stand:
 * at the start of a read, after a quiet line (gap_ms) or after another of them. A read that is no
 * more than the beginning of one is held back, up to HOLD_SIZE bytes and for HOLD_MS, and is data
 * if the rest doesn't follow. Left to chance:
 *   - a meter's answer, or a fragment of it after a pause, that begins like one of these packets;
 *   - a packet that arrives in two reads with more than HOLD_SIZE bytes in the first goes through
 *     as data, as does one that ends a read of data;
 *   - a text that ends with a part of variable length is taken to end with its read.
 * The first packets of a connection have none of these limits: there everything is looked at anew
 * until it is complete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/modem/pattern.h"
#include "plugins/plugin.h"

#define HOLD_MS   200u
#define HOLD_SIZE 20u
#define MAX_FIXED 64u /* bytes of a heartbeat, an answer, an acknowledgement */

struct fixed_bytes {
    uint8_t data[MAX_FIXED];
    size_t size;
};

struct pattern_instance {
    struct pattern registration;
    struct pattern heartbeat;
    struct pattern last_gasp;
    struct pattern power_restored;
    struct fixed_bytes registration_answer;
    struct fixed_bytes heartbeat_answer;
    struct fixed_bytes push_answer;
    char kind[16];
    uint32_t quiet_ms;
    uint32_t gap_ms;
    bool prefix;
};

struct pattern_state {
    uint8_t held[HOLD_SIZE];
    uint8_t held_size;
    bool at_boundary; /* a packet of the modem's own came last */
    bool held_idle;   /* held is from before the session */
};

_Static_assert(sizeof(struct pattern_state) <= PLUGIN_STATE_SIZE,
               "a link's state has a fixed size");
_Static_assert(HOLD_SIZE <= PLUGIN_HEADROOM, "held bytes go in front of the next ones");
_Static_assert(PATTERN_MAX_ID < PLUGIN_SERIAL_SIZE, "an id is a serial");
_Static_assert(MAX_FIXED <= PLUGIN_ACK_SIZE && MAX_FIXED <= PLUGIN_REPLY_SIZE, "answers fit");

/* ---- settings ---- */

enum {
    KEY_REGISTRATION,
    KEY_REGISTRATION_ANSWER,
    KEY_PREFIX,
    KEY_HEARTBEAT,
    KEY_HEARTBEAT_ANSWER,
    KEY_LAST_GASP,
    KEY_POWER_RESTORED,
    KEY_PUSH_ANSWER,
    KEY_KIND,
    KEY_QUIET,
    KEY_GAP,
};

#define TEXT_KEY(key_name, key_fallback, longest, key_help)                                        \
    {                                                                                              \
        .name = (key_name), .type = PLUGIN_KEY_TEXT, .fallback = (key_fallback),                   \
        .maximum = (longest), .help = (key_help)                                                   \
    }

static const struct plugin_key pattern_keys[] = {
    [KEY_REGISTRATION] =
        TEXT_KEY("registration", "", 256,
                 "the packet that holds the id, such as LOGIN:(id); see docs/plugins.md"),
    [KEY_REGISTRATION_ANSWER] =
        TEXT_KEY("registration_answer", "", 256, "bytes to answer it with; empty: none"),
    [KEY_PREFIX] = {.name = "prefix",
                    .type = PLUGIN_KEY_BOOL,
                    .fallback = "false",
                    .help = "the registration packet comes in front of every packet"},
    [KEY_HEARTBEAT] = TEXT_KEY("heartbeat", "", 256, "bytes of the packet that means: still here"),
    [KEY_HEARTBEAT_ANSWER] =
        TEXT_KEY("heartbeat_answer", "", 256, "bytes to answer it with; empty: none"),
    [KEY_LAST_GASP] =
        TEXT_KEY("last_gasp", "", 256, "the packet that means: power failed, such as PWRFAIL,(id)"),
    [KEY_POWER_RESTORED] =
        TEXT_KEY("power_restored", "", 256, "the packet that means: power is back"),
    [KEY_PUSH_ANSWER] = TEXT_KEY("push_answer", "", 256,
                                 "bytes to answer these two with, once they are on disk; empty: "
                                 "none"),
    [KEY_KIND] = TEXT_KEY("kind", "modem", 15, "what to call such a device"),
    [KEY_QUIET] = {.name = "quiet_ms",
                   .type = PLUGIN_KEY_INTEGER,
                   .fallback = "500",
                   .minimum = 10,
                   .maximum = 10000,
                   .help = "ms of quiet line that end a first packet whose end can't be seen"},
    [KEY_GAP] = {.name = "gap_ms",
                 .type = PLUGIN_KEY_INTEGER,
                 .fallback = "20",
                 .minimum = 0,
                 .maximum = 10000,
                 .help = "ms of quiet line that set the modem's packets apart from a meter's data"},
    {0},
};

static bool read_pattern(const struct plugin_value *values, int key, struct pattern *pattern,
                         char *error, size_t error_size)
{
    char sentence[140];

    if (pattern_parse(values[key].text, pattern, sentence, sizeof(sentence))) {
        return true;
    }
    (void)snprintf(error, error_size, "%s: %s", pattern_keys[key].name, sentence);
    return false;
}

static bool read_fixed(const struct plugin_value *values, int key, struct fixed_bytes *fixed,
                       char *error, size_t error_size)
{
    struct pattern pattern;

    if (!read_pattern(values, key, &pattern, error, error_size)) {
        return false;
    }
    if (!pattern_bytes(&pattern, fixed->data, sizeof(fixed->data), &fixed->size)) {
        (void)snprintf(error, error_size, "%s: fixed bytes, no parts in brackets",
                       pattern_keys[key].name);
        return false;
    }
    return true;
}

static bool fits_together(const struct pattern_instance *instance, char *error, size_t error_size)
{
    struct fixed_bytes heartbeat;
    const char *fault = NULL;

    if (instance->registration.count == 0 && instance->last_gasp.count == 0 &&
        instance->power_restored.count == 0) {
        fault = "registration, last_gasp or power_restored must be set";
    } else if (instance->registration.count > 0 && !instance->registration.has_id) {
        fault = "registration: a part (id) is missing";
    } else if (instance->registration.count == 0 &&
               ((instance->last_gasp.count > 0 && !instance->last_gasp.has_id) ||
                (instance->power_restored.count > 0 && !instance->power_restored.has_id))) {
        fault = "without registration, last_gasp and power_restored must have a part (id)";
    } else if (instance->prefix && instance->registration.count == 0) {
        fault = "prefix needs registration";
    } else if (!pattern_bytes(&instance->heartbeat, heartbeat.data, sizeof(heartbeat.data),
                              &heartbeat.size)) {
        fault = "heartbeat: fixed bytes, no parts in brackets";
    }
    if (fault != NULL) {
        (void)snprintf(error, error_size, "%s", fault);
    }
    return fault == NULL;
}

static bool read_all(const struct plugin_value *values, struct pattern_instance *instance,
                     char *error, size_t error_size)
{
    instance->prefix = values[KEY_PREFIX].integer != 0;
    instance->quiet_ms = (uint32_t)values[KEY_QUIET].integer;
    instance->gap_ms = (uint32_t)values[KEY_GAP].integer;
    (void)snprintf(instance->kind, sizeof(instance->kind), "%s", values[KEY_KIND].text);
    return read_pattern(values, KEY_REGISTRATION, &instance->registration, error, error_size) &&
           read_pattern(values, KEY_HEARTBEAT, &instance->heartbeat, error, error_size) &&
           read_pattern(values, KEY_LAST_GASP, &instance->last_gasp, error, error_size) &&
           read_pattern(values, KEY_POWER_RESTORED, &instance->power_restored, error, error_size) &&
           read_fixed(values, KEY_REGISTRATION_ANSWER, &instance->registration_answer, error,
                      error_size) &&
           read_fixed(values, KEY_HEARTBEAT_ANSWER, &instance->heartbeat_answer, error,
                      error_size) &&
           read_fixed(values, KEY_PUSH_ANSWER, &instance->push_answer, error, error_size) &&
           fits_together(instance, error, error_size);
}

static bool pattern_configure(const struct plugin_value *values, void **instance, char *error,
                              size_t error_size)
{
    struct pattern_instance *made = calloc(1, sizeof(*made));

    if (made == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    if (!read_all(values, made, error, error_size)) {
        free(made);
        return false;
    }
    *instance = made;
    return true;
}

static void pattern_destroy(void *instance)
{
    free(instance);
}

/* ---- what a packet is ---- */

enum packet {
    PACKET_NONE,
    PACKET_HEARTBEAT,
    PACKET_LAST_GASP,
    PACKET_POWER_RESTORED,
    PACKET_REGISTRATION,
};

struct found {
    enum packet packet;
    struct pattern_match match;
    bool may_grow;  /* it might be longer than what is there */
    bool may_begin; /* what is there may be the beginning of a packet, perhaps of another one */
};

static void look_for(const struct pattern *pattern, enum packet packet, const uint8_t *data,
                     size_t size, struct found *found)
{
    struct pattern_match match;
    enum pattern_result result = pattern_match(pattern, data, size, &match);

    if (result == PATTERN_MORE) {
        found->may_begin = true;
    } else if (result != PATTERN_NO && found->packet == PACKET_NONE) {
        found->packet = packet;
        found->match = match;
        found->may_grow = result == PATTERN_MAYBE;
    }
}

/* The first of these in this order: a heartbeat is fixed, an alarm may look like a registration
 * with more to it. anonymous: the link's device is not known yet, so that only a packet that names
 * one is of use. */
static struct found look(const struct pattern_instance *instance, const uint8_t *data, size_t size,
                         bool anonymous)
{
    struct found found = {.packet = PACKET_NONE};

    look_for(&instance->heartbeat, PACKET_HEARTBEAT, data, size, &found);
    if (!anonymous || instance->last_gasp.has_id) {
        look_for(&instance->last_gasp, PACKET_LAST_GASP, data, size, &found);
    }
    if (!anonymous || instance->power_restored.has_id) {
        look_for(&instance->power_restored, PACKET_POWER_RESTORED, data, size, &found);
    }
    if (anonymous || instance->prefix) {
        look_for(&instance->registration, PACKET_REGISTRATION, data, size, &found);
    }
    return found;
}

static bool is_push(enum packet packet)
{
    return packet == PACKET_LAST_GASP || packet == PACKET_POWER_RESTORED;
}

static void fill_push(const struct pattern_instance *instance, const struct found *found,
                      const uint8_t *raw, struct plugin_push *push)
{
    bool is_gasp = found->packet == PACKET_LAST_GASP;

    push->kind = is_gasp ? PLUGIN_PUSH_LAST_GASP : PLUGIN_PUSH_POWER_RESTORED;
    if (found->match.id_size > 0) {
        memcpy(push->serial, found->match.id, found->match.id_size);
    }
    push->raw = raw;
    push->raw_size = found->match.size;
    (void)snprintf(push->rule, sizeof(push->rule), "%s",
                   pattern_keys[is_gasp ? KEY_LAST_GASP : KEY_POWER_RESTORED].name);
    memcpy(push->ack, instance->push_answer.data, instance->push_answer.size);
    push->ack_size = (uint8_t)instance->push_answer.size;
}

/* ---- identification ---- */

static void welcome(const struct pattern_instance *instance, struct pattern_state *state,
                    const struct found *found, struct plugin_greeting *greeting)
{
    struct plugin_identity *identity = &greeting->identity;
    bool has_own_packets = instance->prefix || instance->heartbeat.count > 0 ||
                           instance->last_gasp.count > 0 || instance->power_restored.count > 0;

    memset(identity, 0, sizeof(*identity));
    memcpy(identity->serial, found->match.id, found->match.id_size);
    memcpy(identity->kind, instance->kind, sizeof(identity->kind));
    identity->signal_csq = PLUGIN_SIGNAL_UNKNOWN;
    greeting->link_flags = has_own_packets ? PLUGIN_LINK_RECEIVE : 0u;
    greeting->reply_size = instance->registration_answer.size;
    if (greeting->reply_size > 0) {
        memcpy(greeting->reply, instance->registration_answer.data, greeting->reply_size);
    }
    state->at_boundary = !instance->prefix;
}

/* What the packet at `at` makes of the link; NEED_MORE for a heartbeat, which is passed over. */
static enum plugin_verdict conclude(const struct pattern_instance *instance,
                                    struct pattern_state *state, const struct found *found,
                                    size_t at, struct plugin_greeting *greeting)
{
    greeting->consumed = at + found->match.size;
    if (is_push(found->packet)) {
        fill_push(instance, found, greeting->data + at, greeting->push);
        return PLUGIN_PUSHED;
    }
    if (found->packet == PACKET_REGISTRATION) {
        welcome(instance, state, found, greeting);
        return PLUGIN_IDENTIFIED;
    }
    return PLUGIN_NEED_MORE;
}

static enum plugin_verdict pattern_identify(void *instance, void *state,
                                            struct plugin_greeting *greeting)
{
    const struct pattern_instance *pattern = instance;
    bool is_whole =
        (greeting->input_flags & (PLUGIN_GREETING_DATAGRAM | PLUGIN_GREETING_ENDED)) != 0;
    bool is_quiet = is_whole || greeting->quiet_ms >= pattern->quiet_ms;
    size_t at = 0;

    greeting->why = "none of the packets in the plugin's settings";
    if (greeting->size == 0) {
        return PLUGIN_NEED_MORE;
    }
    for (;;) {
        struct found found = look(pattern, greeting->data + at, greeting->size - at, true);

        if (found.packet == PACKET_NONE && !found.may_begin) {
            return PLUGIN_NOT_MINE;
        }
        if (found.packet == PACKET_NONE || ((found.may_grow || found.may_begin) && !is_quiet)) {
            if (is_whole) {
                return PLUGIN_NOT_MINE;
            }
            if (found.packet != PACKET_NONE) {
                greeting->wake_in_ms = (uint32_t)(pattern->quiet_ms - greeting->quiet_ms);
            }
            return PLUGIN_NEED_MORE;
        }
        if (found.packet != PACKET_HEARTBEAT) {
            return conclude(pattern, state, &found, at, greeting);
        }
        at += found.match.size;
        if (at == greeting->size) {
            return is_whole ? PLUGIN_NOT_MINE : PLUGIN_NEED_MORE;
        }
    }
}

/* ---- bytes of a known device ---- */

static void answer_heartbeat(const struct pattern_instance *instance,
                             struct plugin_received *received)
{
    const struct fixed_bytes *answer = &instance->heartbeat_answer;

    received->notices |= PLUGIN_NOTICE_KEEPALIVE;
    if (answer->size == 0 || received->reply_size + answer->size > PLUGIN_REPLY_SIZE) {
        return;
    }
    memcpy(received->reply + received->reply_size, answer->data, answer->size);
    received->reply_size += answer->size;
}

/* Takes a packet from the front of the data; false: it stays, since there is no room to tell. */
static bool take(const struct pattern_instance *instance, struct pattern_state *state,
                 const struct found *found, struct plugin_received *received)
{
    if (is_push(found->packet)) {
        if (received->push_count == PLUGIN_MAX_PUSHES) {
            return false;
        }
        received->notices |= PLUGIN_NOTICE_PUSH;
        fill_push(instance, found, received->data, &received->pushes[received->push_count++]);
    } else if (found->packet == PACKET_HEARTBEAT) {
        answer_heartbeat(instance, received);
    }
    /* behind a prefix stands data */
    state->at_boundary = found->packet != PACKET_REGISTRATION;
    received->data += found->match.size;
    received->size -= found->match.size;
    return true;
}

static void hold(struct pattern_state *state, struct plugin_received *received, uint32_t wake_in_ms)
{
    memcpy(state->held, received->data, received->size);
    state->held_size = (uint8_t)received->size;
    state->held_idle = !received->in_session;
    received->size = 0;
    received->wake_in_ms = wake_in_ms > 0 ? wake_in_ms : 1;
}

/* Puts held bytes in front of the others. What was held before a session is not its reader's,
 * unless it turns out to be part of a packet. */
static void give_back(struct pattern_state *state, struct plugin_received *received)
{
    received->data -= state->held_size;
    received->size += state->held_size;
    memcpy(received->data, state->held, state->held_size);
    state->held_size = 0;
}

static void drop(struct plugin_received *received, size_t size)
{
    received->data += size;
    received->size -= size;
}

static void pattern_receive(void *instance, void *state, struct plugin_received *received)
{
    const struct pattern_instance *pattern = instance;
    struct pattern_state *own = state;
    bool is_wake = received->size == 0;
    size_t not_the_readers = own->held_idle && received->in_session ? own->held_size : 0;
    bool took = false;

    own->at_boundary |= own->held_size > 0 || received->quiet_ms >= pattern->gap_ms;
    give_back(own, received);
    while (own->at_boundary && received->size > 0) {
        struct found found = look(pattern, received->data, received->size, false);
        bool waits = !is_wake && received->size <= HOLD_SIZE;

        if (waits && (found.may_begin || (found.may_grow && received->in_session))) {
            hold(own, received, found.may_begin ? HOLD_MS : pattern->gap_ms);
            own->held_idle |= not_the_readers > 0 && !took;
            return;
        }
        own->at_boundary = false;
        if (found.packet == PACKET_NONE || !take(pattern, own, &found, received)) {
            break;
        }
        took = true;
    }
    if (!took && not_the_readers > 0) {
        drop(received, not_the_readers);
    }
}

extern const struct plugin pattern_plugin;

const struct plugin pattern_plugin = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin),
    .name = "pattern",
    .version = "1.0",
    .summary = "modems with a registration packet, a heartbeat, a last-gasp text",
    .flags = PLUGIN_PUSHES,
    .state_size = sizeof(struct pattern_state),
    .keys = pattern_keys,
    .configure = pattern_configure,
    .destroy = pattern_destroy,
    .identify = pattern_identify,
    .receive = pattern_receive,
};
