#include "codec/cosem/push_rules.h"

#include <stdio.h>
#include <string.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* ---- reading ---- */

struct rules_reader {
    const char *at;
    struct push_rules *rules;
    char *error;
    size_t error_size;
};

static bool fail(const struct rules_reader *reader, const char *expected)
{
    (void)snprintf(reader->error, reader->error_size, "rule %zu, at \"%.24s\": %s expected",
                   reader->rules->count + 1, reader->at, expected);
    return false;
}

static void skip_blanks(struct rules_reader *reader)
{
    while (*reader->at == ' ') {
        reader->at++;
    }
}

static size_t word_size(const struct rules_reader *reader)
{
    return strspn(reader->at, NAME_CHARACTERS "*");
}

/* Takes the word if it comes next, all of it. */
static bool take_word(struct rules_reader *reader, const char *word)
{
    size_t size = strlen(word);

    skip_blanks(reader);
    if (word_size(reader) != size || memcmp(reader->at, word, size) != 0) {
        return false;
    }
    reader->at += size;
    return true;
}

static bool take_sign(struct rules_reader *reader, const char *sign)
{
    size_t size = strlen(sign);

    skip_blanks(reader);
    if (strncmp(reader->at, sign, size) != 0) {
        return false;
    }
    reader->at += size;
    return true;
}

/* Up to three digits, at most `highest`. */
static bool take_number(struct rules_reader *reader, unsigned lowest, unsigned highest,
                        uint8_t *number)
{
    unsigned value = 0;
    size_t digits = strspn(reader->at, "0123456789");

    if (digits < 1 || digits > 3) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (unsigned)(reader->at[i] - '0');
    }
    if (value < lowest || value > highest) {
        return false;
    }
    *number = (uint8_t)value;
    reader->at += digits;
    return true;
}

static bool read_name_part(struct rules_reader *reader, struct push_rule *rule, size_t index)
{
    if (index > 0 && *reader->at++ != '.') {
        return false;
    }
    if (*reader->at == '*') {
        rule->any[index] = true;
        reader->at++;
        return true;
    }
    return take_number(reader, 0, 255, &rule->logical_name[index]);
}

static bool read_logical_name(struct rules_reader *reader, struct push_rule *rule)
{
    const char *start;

    skip_blanks(reader);
    if (take_word(reader, "*")) {
        rule->any_name = true;
        return true;
    }
    start = reader->at;
    for (size_t i = 0; i < COSEM_PUSH_LN_SIZE; i++) {
        if (!read_name_part(reader, rule, i)) {
            reader->at = start;
            return fail(reader, "a logical name such as 0.3.25.9.0.255");
        }
    }
    if (word_size(reader) > 0) {
        reader->at = start;
        return fail(reader, "a logical name of six numbers");
    }
    return true;
}

static bool read_register_and_bit(struct rules_reader *reader, struct push_rule *rule)
{
    uint8_t number = 1;

    if (take_word(reader, "register")) {
        skip_blanks(reader);
        if (!take_number(reader, 1, COSEM_PUSH_MAX_NUMBERS, &number)) {
            return fail(reader, "the number of a register, 1 to 4,");
        }
    }
    rule->number = (uint8_t)(number - 1);
    if (!take_word(reader, "bit")) {
        return fail(reader, "\"bit\"");
    }
    skip_blanks(reader);
    return take_number(reader, 0, 31, &rule->bit) || fail(reader, "the number of a bit, 0 to 31,");
}

static bool read_condition(struct rules_reader *reader, struct push_rule *rule)
{
    static const char *const words[] = {
        [PUSH_IF_EVENT] = "event", [PUSH_IF_PUSH] = "push", [PUSH_IF_ALARM] = "alarm"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!take_word(reader, words[i])) {
            continue;
        }
        rule->condition = (enum push_condition)i;
        return read_logical_name(reader, rule) &&
               (rule->condition != PUSH_IF_ALARM || read_register_and_bit(reader, rule));
    }
    return fail(reader, "\"event\", \"push\" or \"alarm\"");
}

static bool read_meaning(struct rules_reader *reader, struct push_rule *rule)
{
    static const char *const words[] = {
        [PUSH_MEANS_LAST_GASP] = "last-gasp", [PUSH_MEANS_TEST] = "test",
        [PUSH_MEANS_RESTORED] = "restored",   [PUSH_MEANS_ALARM] = "alarm",
        [PUSH_MEANS_DATA] = "data",
    };

    if (!take_sign(reader, "->")) {
        return true;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (take_word(reader, words[i])) {
            rule->meaning = (enum push_meaning)i;
            return true;
        }
    }
    return fail(reader, "last-gasp, test, restored, alarm or data");
}

static bool read_name(struct rules_reader *reader, struct push_rule *rule)
{
    size_t size;
    const char *after;

    skip_blanks(reader);
    size = strspn(reader->at, NAME_CHARACTERS);
    after = reader->at + size + strspn(reader->at + size, " ");
    if (*after != ':') {
        (void)snprintf(rule->name, sizeof(rule->name), "rule-%zu", reader->rules->count + 1);
        return true;
    }
    if (size < 1 || size >= sizeof(rule->name)) {
        return fail(reader, "a name of 1 to 31 letters, digits, dots, dashes");
    }
    memcpy(rule->name, reader->at, size);
    reader->at = after + 1;
    return true;
}

static bool is_new_name(const struct rules_reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->rules->count; i++) {
        if (strcmp(reader->rules->rules[i].name, name) == 0) {
            (void)snprintf(reader->error, reader->error_size, "two rules are named %s", name);
            return false;
        }
    }
    return true;
}

static bool read_rule(struct rules_reader *reader)
{
    struct push_rule rule;

    memset(&rule, 0, sizeof(rule));
    if (!read_name(reader, &rule) || !read_condition(reader, &rule) ||
        !read_meaning(reader, &rule)) {
        return false;
    }
    if (!is_new_name(reader, rule.name)) {
        return false;
    }
    if (reader->rules->count == PUSH_RULES_MAX) {
        (void)snprintf(reader->error, reader->error_size, "more than %d rules", PUSH_RULES_MAX);
        return false;
    }
    reader->rules->rules[reader->rules->count++] = rule;
    return true;
}

static bool read_shipped(const struct rules_reader *reader)
{
    struct rules_reader shipped = *reader;

    shipped.at = PUSH_RULES_DEFAULT;
    do {
        if (!read_rule(&shipped)) {
            return false;
        }
    } while (take_sign(&shipped, ";"));
    return true;
}

static bool read_list(struct rules_reader *reader)
{
    do {
        if (!(take_word(reader, "default") ? read_shipped(reader) : read_rule(reader))) {
            return false;
        }
    } while (take_sign(reader, ";"));
    skip_blanks(reader);
    return *reader->at == '\0' || fail(reader, "\";\" or the end");
}

bool push_rules_parse(const char *text, struct push_rules *rules, char *error, size_t error_size)
{
    struct rules_reader reader = {
        .at = text, .rules = rules, .error = error, .error_size = error_size};

    rules->count = 0;
    error[0] = '\0';
    if (take_word(&reader, "none")) {
        skip_blanks(&reader);
        return *reader.at == '\0' || fail(&reader, "nothing after \"none\"");
    }
    return read_list(&reader);
}

/* ---- deciding ---- */

static bool name_matches(const struct push_rule *rule, const struct cosem_push *push)
{
    if (rule->any_name) {
        return true;
    }
    if (!push->has_logical_name) {
        return false;
    }
    for (size_t i = 0; i < COSEM_PUSH_LN_SIZE; i++) {
        if (!rule->any[i] && rule->logical_name[i] != push->logical_name[i]) {
            return false;
        }
    }
    return true;
}

static bool rule_matches(const struct push_rule *rule, const struct cosem_push *push)
{
    if (!name_matches(rule, push)) {
        return false;
    }
    switch (rule->condition) {
    case PUSH_IF_EVENT:
        return push->is_event;
    case PUSH_IF_PUSH:
        return !push->is_event;
    case PUSH_IF_ALARM:
        return rule->number < push->number_count &&
               (push->numbers[rule->number] >> rule->bit & 1) != 0;
    }
    return false;
}

const struct push_rule *push_rules_find(const struct push_rules *rules,
                                        const struct cosem_push *push)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rule_matches(&rules->rules[i], push)) {
            return &rules->rules[i];
        }
    }
    return NULL;
}
