#include "server/exchange/scrub.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/check.h"
#include "server/exchange/secret_words.h"

#define FIRST_CAPACITY 1024u

/* ---- the text ---- */

static bool make_room(struct scrubbed *out, size_t size)
{
    size_t capacity = out->capacity == 0 ? FIRST_CAPACITY : out->capacity;

    if (out->failed)
        return false;
    while (capacity - out->size < size)
        capacity *= 2;
    if (capacity == out->capacity)
        return true;
    char *larger = malloc(capacity);
    if (larger == NULL) {
        out->failed = true;
        return false;
    }
    if (out->size > 0) {
        memcpy(larger, out->text, out->size);
        explicit_bzero(out->text, out->size);
    }
    free(out->text);
    out->text = larger;
    out->capacity = capacity;
    return true;
}

void scrubbed_add(struct scrubbed *out, const char *text, size_t size)
{
    if (size == 0 || !make_room(out, size))
        return;
    memcpy(out->text + out->size, text, size);
    out->size += size;
}

void scrubbed_free(struct scrubbed *out)
{
    if (out->text != NULL)
        explicit_bzero(out->text, out->size);
    free(out->text);
    *out = (struct scrubbed){0};
}

/* ---- a copy under way ---- */

struct frame {
    bool is_object;
    bool is_pair;      /* it has a "Value" */
    bool names_secret; /* which is one */
};

/* A text under way: the outer one, or JSON inside of one of its strings. */
struct copy {
    struct scrubbed *out;
    const char *text;
    size_t size;
    size_t at;
    bool inside; /* of a string: spaces are kept */
    struct frame frames[SCRUB_DEPTH_MAX];
    unsigned depth;
};

struct scrubbing {
    struct copy outer;
    struct copy inner;
    bool is_inner;
    json_t *decoded; /* what inner.text is in */
    size_t end;      /* of that string in the outer text */
    struct scrubbed within;
};

static void copy_to(struct copy *copy, size_t end)
{
    scrubbed_add(copy->out, copy->text + copy->at, end - copy->at);
    copy->at = end;
}

static void copy_space(struct copy *copy)
{
    size_t end = slice_skip_space(copy->text, copy->size, copy->at);

    if (copy->inside)
        copy_to(copy, end);
    copy->at = end;
}

static void leave_out(struct copy *copy, size_t end)
{
    if (end - copy->at <= 2 && copy->text[copy->at] == '"') {
        copy_to(copy, end); /* it is empty as it is */
        return;
    }
    scrubbed_add(copy->out, "\"\"", 2);
    copy->out->secrets++;
    copy->at = end;
}

static void wipe(json_t *string)
{
    if (string != NULL)
        explicit_bzero((char *)json_string_value(string), json_string_length(string));
    json_decref(string);
}

/* ---- strings ---- */

static json_t *decode(const char *text, size_t size)
{
    return json_loadb(text, size, JSON_DECODE_ANY, NULL);
}

/* A name without escapes is compared as it is. */
static bool is_secret_name(const char *text, size_t size)
{
    if (memchr(text, '\\', size) == NULL)
        return secret_name(text + 1, size - 2);
    json_t *name = decode(text, size);
    bool secret = name == NULL || secret_name(json_string_value(name), json_string_length(name));
    json_decref(name);
    return secret;
}

/* A letter that stands for c behind a backslash; 0: there is none. */
static char short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return '\0';
    }
}

static void add_escaped(struct scrubbed *out, const char *text, size_t size)
{
    char escaped[8];

    scrubbed_add(out, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        char letter = short_escape(text[i]);
        if (letter != '\0') {
            scrubbed_add(out, (const char[]){'\\', letter}, 2);
        } else if ((unsigned char)text[i] < ' ') {
            (void)snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)text[i]);
            scrubbed_add(out, escaped, 6);
        } else {
            scrubbed_add(out, text + i, 1);
        }
    }
    scrubbed_add(out, "\"", 1);
}

static bool is_json(const char *text, size_t size)
{
    size_t begin = slice_skip_space(text, size, 0);

    if (begin == size || (text[begin] != '{' && text[begin] != '['))
        return false;
    size_t stop = slice_skip_value(text, size, begin);
    if (stop == 0 || slice_skip_space(text, size, stop) != size)
        return false;
    json_t *parsed = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    json_decref(parsed);
    return parsed != NULL;
}

/* The end of the inner text. */
static void close_inner(struct scrubbing *all)
{
    all->outer.out->secrets += all->within.secrets;
    all->outer.out->failed |= all->within.failed;
    if (all->within.secrets == 0)
        copy_to(&all->outer, all->end);
    else
        add_escaped(all->outer.out, all->within.text, all->within.size);
    all->outer.at = all->end;
    scrubbed_free(&all->within);
    wipe(all->decoded);
    all->decoded = NULL;
    all->is_inner = false;
}

static void open_inner(struct scrubbing *all, json_t *decoded, size_t end)
{
    all->decoded = decoded;
    all->end = end;
    all->is_inner = true;
    all->inner = (struct copy){.out = &all->within,
                               .text = json_string_value(decoded),
                               .size = json_string_length(decoded),
                               .inside = true};
}

static void copy_string(struct scrubbing *all, struct copy *copy)
{
    size_t end = slice_skip_string(copy->text, copy->size, copy->at);

    CHECK(end != 0);
    const char *raw = copy->text + copy->at + 1;
    size_t size = end - copy->at - 2;
    /* what is JSON has quotes, or nothing that could have a name */
    if (memchr(raw, '\\', size) == NULL) {
        if (secret_text(raw, size))
            leave_out(copy, end);
        else
            copy_to(copy, end);
        return;
    }
    json_t *decoded = decode(raw - 1, size + 2);
    if (decoded == NULL) {
        copy->out->failed = true; /* a parser took it: no memory */
        return;
    }
    raw = json_string_value(decoded);
    size = json_string_length(decoded);
    if (!copy->inside && is_json(raw, size)) {
        open_inner(all, decoded, end);
        return;
    }
    if (secret_text(raw, size))
        leave_out(copy, end);
    else
        copy_to(copy, end);
    wipe(decoded);
}

/* ---- objects ---- */

static bool is_word(const struct slice *name, const char *word)
{
    return name->size == strlen(word) + 2 && strncasecmp(name->text + 1, word, strlen(word)) == 0;
}

static bool is_name_field(const struct slice *name)
{
    return is_word(name, "name") || is_word(name, "key") || is_word(name, "code") ||
           is_word(name, "type") || is_word(name, "parameter") || is_word(name, "id");
}

/* {"Name": "DLMS_PASSWORD", "Value": ...} */
static void look_for_pair(const struct copy *copy, struct frame *frame)
{
    struct slice_walk walk = {.text = copy->text, .size = copy->size, .at = copy->at};
    struct slice name;
    struct slice value;

    if (!slice_open(&walk, '{'))
        return;
    for (bool first = true; slice_member(&walk, first, &name, &value) == SLICE_ITEM;
         first = false) {
        frame->is_pair |= is_word(&name, "value");
        frame->names_secret |=
            is_name_field(&name) && value.text[0] == '"' && is_secret_name(value.text, value.size);
    }
}

static bool is_kept(char c)
{
    return c == 't' || c == 'f' || c == 'n'; /* true, false, null */
}

static bool is_secret(const struct frame *frame, const struct slice *name)
{
    if (frame->is_pair && is_word(name, "value") && frame->names_secret)
        return true;
    return is_secret_name(name->text, name->size) && !(frame->is_pair && is_name_field(name));
}

/* The name, what is between, and the value if it is to be left out. */
static void copy_member(struct copy *copy)
{
    size_t end = slice_skip_string(copy->text, copy->size, copy->at);

    CHECK(end != 0);
    struct slice name = {.text = copy->text + copy->at, .size = end - copy->at};
    bool secret = is_secret(&copy->frames[copy->depth - 1], &name);
    copy_to(copy, end);
    copy_space(copy);
    copy_to(copy, copy->at + 1); /* the colon */
    copy_space(copy);
    if (!secret || is_kept(copy->text[copy->at]))
        return;
    end = slice_skip_value(copy->text, copy->size, copy->at);
    CHECK(end != 0);
    leave_out(copy, end);
}

static void open_bracket(struct copy *copy)
{
    struct frame frame = {.is_object = copy->text[copy->at] == '{'};

    CHECK(copy->depth < SCRUB_DEPTH_MAX);
    if (frame.is_object)
        look_for_pair(copy, &frame);
    copy->frames[copy->depth++] = frame;
    copy_to(copy, copy->at + 1);
}

static bool expects_name(const struct copy *copy)
{
    size_t at = copy->at;

    if (copy->depth == 0 || !copy->frames[copy->depth - 1].is_object)
        return false;
    do
        at--;
    while (strchr(" \n\r\t", copy->text[at]) != NULL);
    return copy->text[at] == '{' || copy->text[at] == ',';
}

static void copy_token(struct scrubbing *all, struct copy *copy)
{
    size_t end;

    switch (copy->text[copy->at]) {
    case '{':
    case '[':
        open_bracket(copy);
        break;
    case '}':
    case ']':
        CHECK(copy->depth > 0);
        copy->depth--;
        copy_to(copy, copy->at + 1);
        break;
    case ',':
    case ':':
        copy_to(copy, copy->at + 1);
        break;
    case '"':
        if (expects_name(copy))
            copy_member(copy);
        else
            copy_string(all, copy);
        break;
    default:
        end = slice_skip_value(copy->text, copy->size, copy->at);
        CHECK(end != 0);
        copy_to(copy, end);
        break;
    }
}

void scrub(struct scrubbed *out, const char *text, size_t size)
{
    struct scrubbing all = {.outer = {.out = out, .text = text, .size = size}};

    while (!out->failed) {
        struct copy *copy = all.is_inner ? &all.inner : &all.outer;
        copy_space(copy);
        if (copy->at < copy->size)
            copy_token(&all, copy);
        else if (all.is_inner)
            close_inner(&all);
        else
            break;
    }
    scrubbed_free(&all.within);
    wipe(all.decoded);
}
