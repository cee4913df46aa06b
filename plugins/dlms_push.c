/* DLMS/COSEM devices that push over the wrapper of IEC 62056-47, in a datagram or on a connection
 * of their own: EventNotification and DataNotification without ciphering. Every push is handed on;
 * which of them means a last gasp is said by the setting last_gasp, in the language of
 * codec/cosem/push_rules.h.
 *
 * The device is who the push's identifier says (codec/cosem/push.h); a push without one is handed
 * on without a serial. Nothing is answered: neither service has an answer in this form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/cosem/push.h"
#include "codec/cosem/push_rules.h"
#include "codec/cosem/wrapper.h"
#include "plugins/plugin.h"

struct dlms_push_instance {
    struct push_rules rules;
};

_Static_assert(COSEM_PUSH_MAX_IDENTIFIER < PLUGIN_SERIAL_SIZE, "an identifier is a serial");
_Static_assert(PUSH_RULES_NAME_SIZE <= PLUGIN_RULE_SIZE, "a rule's name is kept whole");

enum {
    KEY_LAST_GASP,
};

static const struct plugin_key dlms_push_keys[] = {
    [KEY_LAST_GASP] = {.name = "last_gasp",
                       .type = PLUGIN_KEY_TEXT,
                       .fallback = PUSH_RULES_DEFAULT,
                       .maximum = 2000,
                       .help = "which push means a last gasp: rules with \";\" between, see "
                               "docs/plugins.md; \"default\" stands for these, none for no rule"},
    {0},
};

static bool dlms_push_configure(const struct plugin_value *values, void **instance, char *error,
                                size_t error_size)
{
    struct dlms_push_instance *made = calloc(1, sizeof(*made));
    char sentence[160];

    if (made == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    if (!push_rules_parse(values[KEY_LAST_GASP].text, &made->rules, sentence, sizeof(sentence))) {
        (void)snprintf(error, error_size, "last_gasp: %s", sentence);
        free(made);
        return false;
    }
    *instance = made;
    return true;
}

static void dlms_push_destroy(void *instance)
{
    free(instance);
}

/* ---- what it means ---- */

static enum plugin_push_kind kind_of(const struct push_rule *rule)
{
    static const enum plugin_push_kind kinds[] = {
        [PUSH_MEANS_LAST_GASP] = PLUGIN_PUSH_LAST_GASP,
        [PUSH_MEANS_TEST] = PLUGIN_PUSH_LAST_GASP_TEST,
        [PUSH_MEANS_RESTORED] = PLUGIN_PUSH_POWER_RESTORED,
        [PUSH_MEANS_ALARM] = PLUGIN_PUSH_ALARM,
        [PUSH_MEANS_DATA] = PLUGIN_PUSH_DATA,
    };

    return kinds[rule->meaning];
}

static void fill(const struct dlms_push_instance *instance, const struct cosem_push *from,
                 struct plugin_push *push)
{
    const struct push_rule *rule = push_rules_find(&instance->rules, from);

    if (from->identifier != NULL) {
        memcpy(push->serial, from->identifier, from->identifier_size);
    }
    if (from->has_logical_name) {
        memcpy(push->logical_name, from->logical_name, sizeof(push->logical_name));
    }
    if (from->has_time) {
        push->has_device_time =
            cosem_date_time_to_utc(&from->time, &push->device_time_ms, &push->device_offset_known);
    }
    /* numbers beside other values are readings */
    push->has_alarm_bits = from->number_count > 0 && from->only_numbers;
    push->kind = push->has_alarm_bits && !from->is_event ? PLUGIN_PUSH_ALARM : PLUGIN_PUSH_DATA;
    if (rule != NULL) {
        push->kind = kind_of(rule);
        push->has_alarm_bits |= rule->condition == PUSH_IF_ALARM;
        memcpy(push->rule, rule->name, sizeof(rule->name));
    }
    if (push->has_alarm_bits) {
        push->alarm_bits = from->numbers[rule != NULL ? rule->number : 0];
    }
}

static enum plugin_verdict dlms_push_identify(void *instance, void *state,
                                              struct plugin_greeting *greeting)
{
    struct wrapper_message message;
    struct cosem_push push;
    size_t consumed = 0;
    bool is_whole = (greeting->input_flags & PLUGIN_GREETING_DATAGRAM) != 0;

    (void)state;
    greeting->why = "a COSEM wrapper expected";
    switch (wrapper_decode(greeting->data, greeting->size, &message, &consumed)) {
    case CODEC_OK:
        break;
    case CODEC_NEED_MORE:
        if (greeting->size > WRAPPER_HEADER_SIZE) {
            uint8_t tag = greeting->data[WRAPPER_HEADER_SIZE];

            greeting->why = "an EventNotification or DataNotification expected";
            if (tag != COSEM_TAG_EVENT_NOTIFICATION && tag != COSEM_TAG_DATA_NOTIFICATION) {
                return PLUGIN_NOT_MINE;
            }
        }
        if (is_whole) {
            greeting->why = "the datagram ends before its wrapper's length";
            return PLUGIN_NOT_MINE;
        }
        return PLUGIN_NEED_MORE;
    default:
        return PLUGIN_NOT_MINE;
    }
    greeting->why = "an EventNotification or DataNotification expected";
    if (cosem_get_push(message.apdu, message.apdu_size, &push) != CODEC_OK) {
        return PLUGIN_NOT_MINE;
    }
    fill(instance, &push, greeting->push);
    greeting->push->raw = greeting->data;
    greeting->push->raw_size = consumed;
    greeting->consumed = consumed;
    return PLUGIN_PUSHED;
}

extern const struct plugin dlms_push_plugin;

const struct plugin dlms_push_plugin = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin),
    .name = "dlms-push",
    .version = "1.0",
    .summary = "DLMS/COSEM pushes over the wrapper: last gasps, alarms, data",
    .flags = PLUGIN_PUSHES,
    .keys = dlms_push_keys,
    .configure = dlms_push_configure,
    .destroy = dlms_push_destroy,
    .identify = dlms_push_identify,
};
