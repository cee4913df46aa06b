#include "tests/frames/vector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/hex.h"

#define MAX_KEYS 32

/* ---- reading ---- */

struct vector_reader {
    const char *path;
    int line;
    struct vector *vector;
    struct plugin_value values[MAX_KEYS];
    uint64_t quiet_ms;
    bool new_run;
    bool idle;
    char *texts[MAX_KEYS]; /* settings of type TEXT */
};

static _Noreturn void stop(const struct vector_reader *reader, const char *what)
{
    (void)fprintf(stderr, "%s:%d: %s\n", reader->path, reader->line, what);
    abort();
}

static int64_t number_of(const struct vector_reader *reader, const char *text)
{
    char *end = NULL;
    long long number = strtoll(text, &end, 10);

    if (end == text || *end != '\0')
        stop(reader, "a number is missing");
    return number;
}

/* The place of a word in "auto|always|never". */
static int64_t choice_of(const struct vector_reader *reader, const char *choices, const char *text)
{
    size_t size = strlen(text);

    for (int64_t index = 0;; index++) {
        const char *end = strchrnul(choices, '|');

        if ((size_t)(end - choices) == size && memcmp(choices, text, size) == 0)
            return index;
        if (*end == '\0')
            stop(reader, "no such choice");
        choices = end + 1;
    }
}

static int64_t value_of(const struct vector_reader *reader, const struct plugin_key *key,
                        const char *text)
{
    switch (key->type) {
    case PLUGIN_KEY_BOOL:
        return choice_of(reader, "false|true", text);
    case PLUGIN_KEY_CHOICE:
        return choice_of(reader, key->choices, text);
    case PLUGIN_KEY_INTEGER:
        return number_of(reader, text);
    default:
        stop(reader, "settings of this type are not supported");
    }
}

static void set_value(struct vector_reader *reader, size_t index, const char *text)
{
    const struct plugin_key *key = &reader->vector->plugin->keys[index];

    if (key->type != PLUGIN_KEY_TEXT) {
        reader->values[index].integer = value_of(reader, key, text);
        return;
    }
    free(reader->texts[index]);
    reader->texts[index] = strdup(text);
    if (reader->texts[index] == NULL)
        stop(reader, "out of memory");
    reader->values[index].text = reader->texts[index];
}

static void read_setting(struct vector_reader *reader, char *text)
{
    char *value = strchr(text, ' ');

    if (value == NULL)
        stop(reader, "set KEY VALUE");
    *value++ = '\0';
    for (size_t i = 0; reader->vector->plugin->keys[i].name != NULL; i++) {
        if (strcmp(reader->vector->plugin->keys[i].name, text) == 0) {
            set_value(reader, i, value);
            return;
        }
    }
    stop(reader, "no such setting");
}

static size_t bytes_of(const struct vector_reader *reader, const char *text, uint8_t *out,
                       size_t capacity)
{
    size_t size = 0;

    if (*text != '"')
        return hex_bytes(text, out, capacity);
    for (text++; *text != '"'; text++) {
        char character = *text;

        if (character == '\\') {
            text++;
            character = *text == 'r' ? '\r' : '\n';
        }
        if (*text == '\0' || size == capacity)
            stop(reader, "text without end, or too long");
        out[size++] = (uint8_t)character;
    }
    return size;
}

static void read_input(struct vector_reader *reader, const char *text)
{
    struct vector *vector = reader->vector;
    size_t size =
        bytes_of(reader, text, vector->bytes + vector->size, sizeof(vector->bytes) - vector->size);

    if (reader->new_run) {
        if (vector->run_count == VECTOR_MAX_RUNS)
            stop(reader, "too many runs");
        vector->runs[vector->run_count++] = (struct vector_run){
            .quiet_ms = reader->quiet_ms, .start = vector->size, .idle = reader->idle};
        reader->new_run = false;
        reader->quiet_ms = 0;
    }
    vector->runs[vector->run_count - 1].size += size;
    vector->size += size;
}

static void copy_text(const struct vector_reader *reader, char *to, size_t size, const char *text)
{
    if (strlen(text) >= size)
        stop(reader, "too long");
    memcpy(to, text, strlen(text) + 1);
}

/* Words of the connection; false if it is none of them. */
static bool read_connection(struct vector_reader *reader, const char *word, char *value)
{
    struct vector *vector = reader->vector;

    if (strcmp(word, "set") == 0) {
        read_setting(reader, value);
    } else if (strcmp(word, "quiet") == 0) {
        reader->quiet_ms += (uint64_t)number_of(reader, value);
        reader->new_run = true;
    } else if (strcmp(word, "in") == 0) {
        read_input(reader, value);
    } else if (strcmp(word, "idle") == 0 || strcmp(word, "session") == 0) {
        reader->idle = strcmp(word, "idle") == 0;
        reader->new_run = true;
    } else if (strcmp(word, "timeless") == 0) {
        vector->timeless = true;
    } else if (strcmp(word, "uncut") == 0) {
        vector->uncut = true;
    } else if (strcmp(word, "datagram") == 0) {
        vector->datagram = true;
    } else if (strcmp(word, "host-late") == 0) {
        vector->host_late_ms = (uint32_t)number_of(reader, value);
    } else {
        return false;
    }
    return true;
}

static bool read_identity(struct vector_reader *reader, const char *word, const char *value)
{
    struct vector *vector = reader->vector;
    struct plugin_identity *identity = &vector->identity;

    if (strcmp(word, "serial") == 0)
        copy_text(reader, identity->serial, sizeof(identity->serial), value);
    else if (strcmp(word, "model") == 0)
        copy_text(reader, identity->model, sizeof(identity->model), value);
    else if (strcmp(word, "firmware") == 0)
        copy_text(reader, identity->firmware, sizeof(identity->firmware), value);
    else if (strcmp(word, "hardware") == 0)
        copy_text(reader, identity->hardware, sizeof(identity->hardware), value);
    else if (strcmp(word, "signal") == 0)
        identity->signal_csq = (uint8_t)number_of(reader, value);
    else if (strcmp(word, "flags") == 0)
        vector->link_flags = choice_of(reader, "receive|both", value) == 0
                                 ? PLUGIN_LINK_RECEIVE
                                 : PLUGIN_LINK_RECEIVE | PLUGIN_LINK_SEND;
    else
        return false;
    return true;
}

static bool read_outcome(struct vector_reader *reader, const char *word, const char *value)
{
    struct vector *vector = reader->vector;

    if (strcmp(word, "not-mine") == 0) {
        copy_text(reader, vector->not_mine, sizeof(vector->not_mine), value);
    } else if (strcmp(word, "waiting") == 0) {
        vector->waiting = true;
    } else if (strcmp(word, "reply") == 0) {
        vector->reply_size += bytes_of(reader, value, vector->reply + vector->reply_size,
                                       sizeof(vector->reply) - vector->reply_size);
    } else if (strcmp(word, "data") == 0) {
        vector->data_size += bytes_of(reader, value, vector->data + vector->data_size,
                                      sizeof(vector->data) - vector->data_size);
    } else if (strcmp(word, "keepalives") == 0) {
        vector->keepalives = (uint32_t)number_of(reader, value);
    } else if (strcmp(word, "malformed") == 0) {
        vector->malformed = true;
    } else if (strcmp(word, "new-signal") == 0) {
        vector->has_new_signal = true;
        vector->new_signal = (uint8_t)number_of(reader, value);
    } else if (strcmp(word, "late") == 0) {
        vector->late = (size_t)number_of(reader, value);
    } else {
        return false;
    }
    return true;
}

static void begin_push(struct vector_reader *reader, const char *kind)
{
    struct vector *vector = reader->vector;

    if (vector->push_count == VECTOR_MAX_PUSHES)
        stop(reader, "too many pushes");
    vector->pushes[vector->push_count++].push.kind =
        (enum plugin_push_kind)choice_of(reader, "data|alarm|last-gasp|test|restored", kind);
}

/* Words about the last push. */
static bool read_push(struct vector_reader *reader, const char *word, const char *value)
{
    struct vector *vector = reader->vector;
    struct vector_push *last = &vector->pushes[vector->push_count - (vector->push_count > 0)];
    struct plugin_push *push = &last->push;

    if (strcmp(word, "push") == 0) {
        begin_push(reader, value);
    } else if (strcmp(word, "push-serial") == 0) {
        copy_text(reader, push->serial, sizeof(push->serial), value);
    } else if (strcmp(word, "push-rule") == 0) {
        copy_text(reader, push->rule, sizeof(push->rule), value);
    } else if (strcmp(word, "push-raw") == 0) {
        push->raw_size = bytes_of(reader, value, last->raw, sizeof(last->raw));
    } else if (strcmp(word, "push-time") == 0) {
        push->has_device_time = true;
        push->device_offset_known = true;
        push->device_time_ms = number_of(reader, value);
    } else if (strcmp(word, "push-zone-unknown") == 0) {
        push->device_offset_known = false;
    } else if (strcmp(word, "push-alarm") == 0) {
        push->has_alarm_bits = true;
        push->alarm_bits = (uint32_t)number_of(reader, value);
    } else if (strcmp(word, "push-name") == 0) {
        (void)bytes_of(reader, value, push->logical_name, sizeof(push->logical_name));
    } else if (strcmp(word, "push-ack") == 0) {
        push->ack_size = (uint8_t)bytes_of(reader, value, push->ack, sizeof(push->ack));
    } else {
        return false;
    }
    return true;
}

bool vector_push_equal(const struct vector_push *expected, const struct plugin_push *push)
{
    const struct plugin_push *wanted = &expected->push;

    return push->kind == wanted->kind && strcmp(push->serial, wanted->serial) == 0 &&
           strcmp(push->rule, wanted->rule) == 0 && push->raw_size == wanted->raw_size &&
           memcmp(push->raw, expected->raw, push->raw_size) == 0 &&
           push->has_device_time == wanted->has_device_time &&
           push->device_time_ms == wanted->device_time_ms &&
           push->device_offset_known == wanted->device_offset_known &&
           push->has_alarm_bits == wanted->has_alarm_bits &&
           push->alarm_bits == wanted->alarm_bits &&
           memcmp(push->logical_name, wanted->logical_name, sizeof(push->logical_name)) == 0 &&
           push->ack_size == wanted->ack_size &&
           memcmp(push->ack, wanted->ack, push->ack_size) == 0;
}

static void read_line(struct vector_reader *reader, char *line)
{
    char *value;

    line[strcspn(line, "\n")] = '\0';
    line += strspn(line, " ");
    if (*line == '\0' || *line == '#')
        return;
    value = strchrnul(line, ' ');
    if (*value != '\0')
        *value++ = '\0';
    if (!read_connection(reader, line, value) && !read_identity(reader, line, value) &&
        !read_outcome(reader, line, value) && !read_push(reader, line, value))
        stop(reader, "unknown word");
}

static void set_defaults(struct vector_reader *reader)
{
    const struct plugin_key *keys = reader->vector->plugin->keys;

    for (size_t i = 0; keys != NULL && keys[i].name != NULL; i++) {
        if (i == MAX_KEYS)
            stop(reader, "too many settings");
        set_value(reader, i, keys[i].fallback);
    }
}

struct vector *vector_read(const char *path, const struct plugin *plugin)
{
    struct vector_reader reader = {.path = path, .vector = calloc(1, sizeof(struct vector))};
    const char *name = strrchr(path, '/');
    FILE *file = fopen(path, "r");
    char error[128];
    char line[4096];

    if (file == NULL || reader.vector == NULL)
        stop(&reader, "can't be read");
    (void)snprintf(reader.vector->name, sizeof(reader.vector->name), "%s",
                   name == NULL ? path : name + 1);
    reader.vector->plugin = plugin;
    reader.vector->identity.signal_csq = PLUGIN_SIGNAL_UNKNOWN;
    reader.new_run = true;
    set_defaults(&reader);
    while (fgets(line, sizeof(line), file) != NULL) {
        reader.line++;
        read_line(&reader, line);
    }
    (void)fclose(file);
    reader.vector->quiet_after_ms = reader.quiet_ms;
    if (!plugin->configure(reader.values, &reader.vector->instance, error, sizeof(error)))
        stop(&reader, error);
    for (size_t i = 0; i < MAX_KEYS; i++)
        free(reader.texts[i]);
    return reader.vector;
}

void vector_free(struct vector *vector)
{
    vector->plugin->destroy(vector->instance);
    free(vector);
}
