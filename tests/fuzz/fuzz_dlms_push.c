/* DLMS pushes from hostile devices, and rules from a hostile configuration. Byte 0: options; byte
 * 1: where a stream is cut; then what the device sends or, with OPTION_RULES, the text of the
 * rules.
 *
 * Promised: no step outside of the memory given; what is pushed lies inside the input and names a
 * printable serial; a part is never declined if the whole is a push, nor is it another push; rules
 * that are accepted decide any push without harm. */
#include <stdlib.h>
#include <string.h>

#include "codec/cosem/push_rules.h"
#include "plugins/plugin.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

#define OPTION_DATAGRAM 0x01u
#define OPTION_RULES    0x02u

extern const struct plugin dlms_push_plugin;

struct outcome {
    enum plugin_verdict verdict;
    struct plugin_push push;
    size_t consumed;
};

static void check_push(const struct outcome *outcome, const uint8_t *data, size_t size)
{
    const struct plugin_push *push = &outcome->push;

    CHECK(outcome->consumed > 0 && outcome->consumed <= size);
    CHECK(push->raw == data && push->raw_size == outcome->consumed);
    CHECK((unsigned)push->kind <= PLUGIN_PUSH_POWER_RESTORED);
    CHECK(memchr(push->serial, '\0', sizeof(push->serial)) != NULL);
    for (const char *at = push->serial; *at != '\0'; at++)
        CHECK(*at > ' ' && *at <= '~');
    CHECK(memchr(push->rule, '\0', sizeof(push->rule)) != NULL);
    CHECK(push->ack_size == 0);
    CHECK(push->has_device_time || !push->device_offset_known);
}

static struct outcome identify(void *instance, const uint8_t *data, size_t size, bool datagram)
{
    uint8_t reply[PLUGIN_REPLY_SIZE];
    uint64_t state[(PLUGIN_STATE_SIZE + 7) / 8] = {0};
    struct outcome outcome;
    uint8_t *exact = malloc(size > 0 ? size : 1);
    struct plugin_greeting greeting = {.data = exact,
                                       .size = size,
                                       .quiet_ms = 60000,
                                       .reply = reply,
                                       .push = &outcome.push,
                                       .input_flags = datagram ? PLUGIN_GREETING_DATAGRAM : 0};

    CHECK(exact != NULL);
    memcpy(exact, data, size);
    memset(&outcome, 0, sizeof(outcome));
    outcome.verdict = dlms_push_plugin.identify(instance, state, &greeting);
    outcome.consumed = greeting.consumed;
    if (outcome.verdict == PLUGIN_PUSHED) {
        check_push(&outcome, exact, size);
        outcome.push.raw = NULL;
    } else {
        CHECK(outcome.verdict == PLUGIN_NOT_MINE ||
              (outcome.verdict == PLUGIN_NEED_MORE && !datagram));
        CHECK(greeting.why != NULL);
    }
    free(exact);
    return outcome;
}

static void run_device(void *instance, uint8_t options, uint8_t cut, const uint8_t *data,
                       size_t size)
{
    bool datagram = (options & OPTION_DATAGRAM) != 0;
    struct outcome whole = identify(instance, data, size, datagram);

    if (datagram)
        return;
    struct outcome part = identify(instance, data, (size_t)cut * size / 256, false);
    if (part.verdict == PLUGIN_NOT_MINE)
        CHECK(whole.verdict == PLUGIN_NOT_MINE);
    if (part.verdict == PLUGIN_PUSHED)
        CHECK(whole.verdict == PLUGIN_PUSHED && part.consumed == whole.consumed &&
              part.push.kind == whole.push.kind &&
              strcmp(part.push.serial, whole.push.serial) == 0 &&
              part.push.device_time_ms == whole.push.device_time_ms &&
              part.push.alarm_bits == whole.push.alarm_bits);
}

static void run_rules(const uint8_t *data, size_t size)
{
    static const struct cosem_push pushes[] = {
        {.is_event = true, .has_logical_name = true, .logical_name = {0, 3, 25, 9, 0, 255}},
        {.number_count = 4, .numbers = {0xffffffff, 1, 2, 3}},
        {.has_logical_name = true, .number_count = 1, .numbers = {0x80000000}},
    };
    static struct push_rules rules;
    char *text = malloc(size + 1);
    char error[32]; /* short, so that cutting a sentence is tried */

    CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (push_rules_parse(text, &rules, error, sizeof(error))) {
        CHECK(rules.count <= PUSH_RULES_MAX);
        for (size_t i = 0; i < sizeof(pushes) / sizeof(pushes[0]); i++)
            (void)push_rules_find(&rules, &pushes[i]);
        for (size_t i = 0; i < rules.count; i++)
            CHECK(strlen(rules.rules[i].name) > 0);
    } else {
        CHECK(strlen(error) > 0);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct plugin_value value = {.text =
                                           "default; any: alarm * register 2 bit 0 -> restored"};
    void *instance = NULL;
    char error[128];

    if (size < 2)
        return 0;
    if ((data[0] & OPTION_RULES) != 0) {
        run_rules(data + 2, size - 2);
        return 0;
    }
    CHECK(dlms_push_plugin.configure(&value, &instance, error, sizeof(error)));
    run_device(instance, data[0], data[1], data + 2, size - 2);
    dlms_push_plugin.destroy(instance);
    return 0;
}
