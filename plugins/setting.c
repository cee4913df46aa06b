#include "plugins/setting.h"

#include <stdio.h>
#include <string.h>

bool setting_bool(const char *text, bool *value)
{
    *value = strcmp(text, "true") == 0;
    return *value || strcmp(text, "false") == 0;
}

bool setting_integer(const char *text, int64_t *value)
{
    bool negative = text[0] == '-';
    const char *digits = text + negative;
    int64_t number = 0;

    if (digits[0] == '\0' || (digits[0] == '0' && (digits[1] != '\0' || negative)))
        return false;
    for (; *digits != '\0'; digits++) {
        if (*digits < '0' || *digits > '9')
            return false;
        int digit = *digits - '0';
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, digit, &number))
            return false; /* counted downwards: INT64_MIN has no positive twin */
    }
    if (!negative && number == INT64_MIN)
        return false;
    *value = negative ? number : -number;
    return true;
}

static bool parse_choice(const char *choices, const char *text, int64_t *index)
{
    size_t size = strlen(text);

    *index = 0;
    for (const char *choice = choices;; (*index)++) {
        size_t choice_size = strcspn(choice, "|");
        if (size > 0 && choice_size == size && memcmp(choice, text, size) == 0)
            return true;
        if (choice[choice_size] == '\0')
            return false;
        choice += choice_size + 1;
    }
}

enum status setting_parse(const struct plugin_key *key, const char *text,
                          struct plugin_value *value)
{
    bool valid = false;
    bool flag;

    *value = (struct plugin_value){0};
    switch (key->type) {
    case PLUGIN_KEY_BOOL:
        valid = setting_bool(text, &flag);
        value->integer = flag;
        break;
    case PLUGIN_KEY_INTEGER:
        valid = setting_integer(text, &value->integer) && value->integer >= key->minimum &&
                value->integer <= key->maximum;
        break;
    case PLUGIN_KEY_TEXT:
        valid = strlen(text) <= (size_t)key->maximum;
        value->text = text;
        break;
    case PLUGIN_KEY_CHOICE:
        valid = parse_choice(key->choices, text, &value->integer);
        break;
    }
    return valid ? STATUS_OK : STATUS_INVALID;
}

char *setting_expected(const struct plugin_key *key, char out[static SETTING_EXPECTED_SIZE])
{
    switch (key->type) {
    case PLUGIN_KEY_BOOL:
        (void)snprintf(out, SETTING_EXPECTED_SIZE, "true or false");
        break;
    case PLUGIN_KEY_INTEGER:
        (void)snprintf(out, SETTING_EXPECTED_SIZE, "an integer %lld..%lld", (long long)key->minimum,
                       (long long)key->maximum);
        break;
    case PLUGIN_KEY_TEXT:
        (void)snprintf(out, SETTING_EXPECTED_SIZE, "a text of at most %lld bytes",
                       (long long)key->maximum);
        break;
    case PLUGIN_KEY_CHOICE:
        (void)snprintf(out, SETTING_EXPECTED_SIZE, "one of %s", key->choices);
        break;
    }
    return out;
}
