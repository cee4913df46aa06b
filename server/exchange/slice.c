#include "server/exchange/slice.h"

#include <string.h>

size_t slice_skip_space(const char *text, size_t size, size_t at)
{
    while (at < size &&
           (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t'))
        at++;
    return at;
}

size_t slice_skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size; at++) {
        if (text[at] == '"')
            return at + 1;
        if (text[at] == '\\')
            at++;
    }
    return 0;
}

static bool ends_scalar(char c)
{
    return strchr(" \n\r\t,:]}[{\"", c) != NULL; /* NUL too */
}

static size_t skip_scalar(const char *text, size_t size, size_t at)
{
    size_t begin = at;

    while (at < size && !ends_scalar(text[at]))
        at++;
    return at > begin ? at : 0;
}

static size_t skip_brackets(const char *text, size_t size, size_t at)
{
    unsigned depth = 0;

    while (at < size) {
        char c = text[at];
        if (c == '"') {
            at = slice_skip_string(text, size, at);
            if (at == 0)
                return 0;
            continue;
        }
        if ((c == '{' || c == '[') && ++depth > SLICE_DEPTH_MAX)
            return 0;
        at++;
        if ((c == '}' || c == ']') && --depth == 0)
            return at;
    }
    return 0;
}

size_t slice_skip_value(const char *text, size_t size, size_t at)
{
    if (at >= size)
        return 0;
    if (text[at] == '"')
        return slice_skip_string(text, size, at);
    if (text[at] == '{' || text[at] == '[')
        return skip_brackets(text, size, at);
    return skip_scalar(text, size, at);
}

/* ---- walking ---- */

static enum slice_next bad(struct slice_walk *walk, const char *fault)
{
    walk->fault = fault;
    return SLICE_BAD;
}

static bool peek(struct slice_walk *walk, char c)
{
    walk->at = slice_skip_space(walk->text, walk->size, walk->at);
    return walk->at < walk->size && walk->text[walk->at] == c;
}

bool slice_open(struct slice_walk *walk, char bracket)
{
    if (!peek(walk, bracket)) {
        walk->fault =
            bracket == '{' ? "an object { is expected here" : "an array [ is expected here";
        return false;
    }
    walk->at++;
    return true;
}

static enum slice_next take_value(struct slice_walk *walk, struct slice *value)
{
    walk->at = slice_skip_space(walk->text, walk->size, walk->at);
    size_t end = slice_skip_value(walk->text, walk->size, walk->at);

    if (end == 0)
        return bad(walk, "a value is expected here, which ends, with at most 32 brackets inside of "
                         "one another");
    *value = (struct slice){.text = walk->text + walk->at, .size = end - walk->at};
    walk->at = end;
    return SLICE_ITEM;
}

/* The closing bracket, or what comes before the next item. */
static enum slice_next begin_item(struct slice_walk *walk, bool first, char closing)
{
    if (peek(walk, closing)) {
        walk->at++;
        return SLICE_END;
    }
    if (!first && !peek(walk, ','))
        return bad(walk, closing == '}' ? "a comma or } is expected here"
                                        : "a comma or ] is expected here");
    if (!first)
        walk->at++;
    return SLICE_ITEM;
}

enum slice_next slice_element(struct slice_walk *walk, bool first, struct slice *value)
{
    enum slice_next next = begin_item(walk, first, ']');

    return next == SLICE_ITEM ? take_value(walk, value) : next;
}

enum slice_next slice_member(struct slice_walk *walk, bool first, struct slice *name,
                             struct slice *value)
{
    enum slice_next next = begin_item(walk, first, '}');

    if (next != SLICE_ITEM)
        return next;
    if (!peek(walk, '"'))
        return bad(walk, "a name in quotes is expected here");
    next = take_value(walk, name);
    if (next != SLICE_ITEM)
        return next;
    if (!peek(walk, ':'))
        return bad(walk, "a colon is expected here");
    walk->at++;
    return take_value(walk, value);
}

bool slice_ended(struct slice_walk *walk)
{
    walk->at = slice_skip_space(walk->text, walk->size, walk->at);
    if (walk->at == walk->size)
        return true;
    walk->fault = "nothing is expected behind the end";
    return false;
}
