#include "codec/modem/pattern.h"

#include <stdio.h>
#include <string.h>

#define MAX_SKIP 255

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_within(uint8_t byte, char first, char last)
{
    return byte >= (uint8_t)first && byte <= (uint8_t)last;
}

static bool is_of_class(uint8_t byte, enum pattern_class class)
{
    switch (class) {
    case PATTERN_DIGIT:
        return is_digit(byte);
    case PATTERN_HEX:
        return is_digit(byte) || is_within(byte, 'a', 'f') || is_within(byte, 'A', 'F');
    case PATTERN_ALNUM:
        return is_digit(byte) || is_within(byte, 'a', 'z') || is_within(byte, 'A', 'Z');
    case PATTERN_PRINT:
        return byte > ' ' && byte <= '~';
    case PATTERN_ANY:
        return true;
    case PATTERN_LITERAL:
        break;
    }
    return false;
}

/* ---- reading the text ---- */

struct pattern_reader {
    const char *at;
    struct pattern *pattern;
    char *error;
    size_t error_size;
};

static bool fail(const struct pattern_reader *reader, const char *what)
{
    (void)snprintf(reader->error, reader->error_size, "at \"%.24s\": %s", reader->at, what);
    return false;
}

static int hex_value(char character)
{
    static const char digits[] = "0123456789abcdef";
    const char *found;

    if (character >= 'A' && character <= 'F') {
        character = (char)(character - 'A' + 'a');
    }
    found = character == '\0' ? NULL : strchr(digits, character);
    return found == NULL ? -1 : (int)(found - digits);
}

static bool read_hex(struct pattern_reader *reader, uint8_t *byte)
{
    int high = hex_value(reader->at[1]);
    int low = high < 0 ? -1 : hex_value(reader->at[2]);

    if (low < 0) {
        return fail(reader, "\\x wants two hexadecimal digits");
    }
    *byte = (uint8_t)(high * 16 + low);
    reader->at += 3;
    return true;
}

/* at stands behind the backslash */
static bool read_escape(struct pattern_reader *reader, uint8_t *byte)
{
    static const char names[] = "rnt\\()";
    static const char bytes[] = "\r\n\t\\()";
    const char *found;

    if (*reader->at == 'x') {
        return read_hex(reader, byte);
    }
    found = *reader->at == '\0' ? NULL : strchr(names, *reader->at);
    if (found == NULL) {
        return fail(reader, "unknown escape; expected \\xNN, \\r, \\n, \\t, \\\\, \\( or \\)");
    }
    *byte = (uint8_t)bytes[found - names];
    reader->at++;
    return true;
}

static bool read_number(struct pattern_reader *reader, unsigned *number)
{
    size_t digits = strspn(reader->at, "0123456789");

    *number = 0;
    if (digits < 1 || digits > 3) {
        return false;
    }
    for (; digits > 0; digits--) {
        *number = *number * 10 + (unsigned)(*reader->at++ - '0');
    }
    return true;
}

static bool read_count(struct pattern_reader *reader, struct pattern_item *item)
{
    unsigned highest = item->is_id ? PATTERN_MAX_ID : MAX_SKIP;
    unsigned minimum;
    unsigned maximum;

    if (!read_number(reader, &minimum)) {
        return fail(reader, "a count such as 15 or 1..31 expected");
    }
    maximum = minimum;
    if (strncmp(reader->at, "..", 2) == 0) {
        reader->at += 2;
        if (!read_number(reader, &maximum)) {
            return fail(reader, "a number expected after \"..\"");
        }
    }
    if (minimum < 1 || minimum > maximum || maximum > highest) {
        return fail(reader, item->is_id ? "an id has 1 to 31 bytes" : "skip takes 1 to 255 bytes");
    }
    item->minimum = (uint8_t)minimum;
    item->maximum = (uint8_t)maximum;
    return true;
}

static bool read_class(struct pattern_reader *reader, struct pattern_item *item)
{
    static const char *const names[] = {
        [PATTERN_DIGIT] = "digit", [PATTERN_HEX] = "hex", [PATTERN_ALNUM] = "alnum",
        [PATTERN_PRINT] = "print", [PATTERN_ANY] = "any",
    };
    size_t size = strcspn(reader->at, ")");

    for (size_t i = PATTERN_DIGIT; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == size && memcmp(names[i], reader->at, size) == 0) {
            item->class = (uint8_t)i;
            reader->at += size;
            return !item->is_id || i != PATTERN_ANY ||
                   fail(reader, "an id can't be of the class any");
        }
    }
    return fail(reader, "one of the classes digit, hex, alnum, print, any expected");
}

/* at stands behind the opening bracket */
static bool read_part(struct pattern_reader *reader, struct pattern_item *item)
{
    item->is_id = strncmp(reader->at, "id", 2) == 0;
    if (!item->is_id && strncmp(reader->at, "skip", 4) != 0) {
        return fail(reader, "(id ...) or (skip ...) expected; a bracket itself is \\(");
    }
    if (item->is_id && reader->pattern->has_id) {
        return fail(reader, "a second (id)");
    }
    reader->pattern->has_id |= item->is_id;
    reader->at += item->is_id ? 2 : 4;
    item->class = PATTERN_ALNUM;
    item->minimum = 1;
    item->maximum = PATTERN_MAX_ID;
    if (*reader->at == ':') {
        reader->at++;
        if (!read_count(reader, item)) {
            return false;
        }
        if (*reader->at == ' ') {
            reader->at++;
            if (!read_class(reader, item)) {
                return false;
            }
        }
    }
    if (*reader->at != ')') {
        return fail(reader, "\")\" expected");
    }
    reader->at++;
    return true;
}

static bool read_item(struct pattern_reader *reader, struct pattern_item *item)
{
    memset(item, 0, sizeof(*item));
    item->minimum = 1;
    item->maximum = 1;
    switch (*reader->at) {
    case '(':
        reader->at++;
        return read_part(reader, item);
    case ')':
        return fail(reader, "a bracket itself is \\)");
    case '\\':
        reader->at++;
        return read_escape(reader, &item->byte);
    default:
        item->byte = (uint8_t)*reader->at++;
        return true;
    }
}

/* What follows a part of variable length must tell where it ends. */
static bool ends_are_clear(const struct pattern_reader *reader)
{
    const struct pattern *pattern = reader->pattern;

    for (size_t i = 0; i + 1 < pattern->count; i++) {
        const struct pattern_item *item = &pattern->items[i];
        const struct pattern_item *next = &pattern->items[i + 1];

        if (item->minimum < item->maximum &&
            (next->class != PATTERN_LITERAL ||
             is_of_class(next->byte, (enum pattern_class)item->class))) {
            (void)snprintf(reader->error, reader->error_size,
                           "what follows a part of variable length must begin with a byte that "
                           "can't belong to it");
            return false;
        }
    }
    return true;
}

bool pattern_parse(const char *text, struct pattern *pattern, char *error, size_t error_size)
{
    struct pattern_reader reader = {
        .at = text, .pattern = pattern, .error = error, .error_size = error_size};

    memset(pattern, 0, sizeof(*pattern));
    while (*reader.at != '\0') {
        struct pattern_item item;

        if (!read_item(&reader, &item)) {
            return false;
        }
        if (pattern->count == PATTERN_MAX_ITEMS) {
            (void)snprintf(error, error_size, "more than %d bytes and parts", PATTERN_MAX_ITEMS);
            return false;
        }
        pattern->items[pattern->count++] = item;
    }
    return ends_are_clear(&reader);
}

bool pattern_bytes(const struct pattern *pattern, uint8_t *bytes, size_t capacity, size_t *size)
{
    if (pattern->count > capacity) {
        return false;
    }
    for (size_t i = 0; i < pattern->count; i++) {
        if (pattern->items[i].class != PATTERN_LITERAL) {
            return false;
        }
        bytes[i] = pattern->items[i].byte;
    }
    *size = pattern->count;
    return true;
}

/* ---- matching ---- */

static size_t run_of(const struct pattern_item *item, const uint8_t *data, size_t size)
{
    size_t run = 0;

    if (item->class == PATTERN_LITERAL) {
        return size > 0 && data[0] == item->byte;
    }
    while (run < size && run < item->maximum &&
           is_of_class(data[run], (enum pattern_class)item->class)) {
        run++;
    }
    return run;
}

enum pattern_result pattern_match(const struct pattern *pattern, const uint8_t *data, size_t size,
                                  struct pattern_match *match)
{
    size_t at = 0;
    bool open = false;

    memset(match, 0, sizeof(*match));
    for (size_t i = 0; i < pattern->count; i++) {
        const struct pattern_item *item = &pattern->items[i];
        size_t run = run_of(item, data + at, size - at);

        if (run < item->minimum) {
            return at + run == size ? PATTERN_MORE : PATTERN_NO;
        }
        if (item->is_id) {
            match->id = data + at;
            match->id_size = run;
        }
        at += run;
        open = run < item->maximum && at == size;
    }
    if (pattern->count == 0) {
        return PATTERN_NO;
    }
    match->size = at;
    return open ? PATTERN_MAYBE : PATTERN_YES;
}
