#include "tests/unit/exposition.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Where the reader stands in the text. */
struct reader {
    struct exposition *exposition;
    const char *at;
    char family[96];
    bool is_counter;
    bool is_histogram;
};

static void expect(struct reader *reader, const char *text)
{
    size_t size = strlen(text);

    if (strncmp(reader->at, text, size) != 0)
        fail_msg("expected \"%s\" at \"%.60s\"", text, reader->at);
    reader->at += size;
}

static void read_name(struct reader *reader, char *name, size_t size)
{
    size_t length = 0;

    while (isalpha((unsigned char)reader->at[length]) || reader->at[length] == '_' ||
           (length > 0 && isdigit((unsigned char)reader->at[length])))
        length++;
    if (length == 0 || length >= size)
        fail_msg("expected a name at \"%.60s\"", reader->at);
    memcpy(name, reader->at, length);
    name[length] = '\0';
    reader->at += length;
}

static void read_label(struct reader *reader)
{
    char name[64];

    read_name(reader, name, sizeof(name));
    if (strncmp(name, "__", 2) == 0)
        fail_msg("label names with two underscores are reserved: %s", name);
    expect(reader, "=\"");
    while (*reader->at != '"') {
        if (*reader->at == '\n' || *reader->at == '\0')
            fail_msg("a label value without end at \"%.60s\"", reader->at);
        if (*reader->at == '\\') {
            reader->at++;
            if (*reader->at == '\0' || strchr("\\\"n", *reader->at) == NULL)
                fail_msg("unknown escape at \"%.60s\"", reader->at);
        }
        reader->at++;
    }
    reader->at++;
}

static void read_labels(struct reader *reader)
{
    if (*reader->at != '{')
        return;
    reader->at++;
    for (;;) {
        read_label(reader);
        if (*reader->at == '}')
            break;
        expect(reader, ",");
    }
    reader->at++;
}

/* A sample carries its family's name; those of a histogram one of three endings. */
static void check_name(const struct reader *reader, const char *name)
{
    size_t length = strlen(reader->family);
    const char *ending = name + length;

    if (strncmp(name, reader->family, length) != 0)
        fail_msg("a sample of %s in the stretch of %s", name, reader->family);
    if (reader->is_histogram ? strcmp(ending, "_bucket") != 0 && strcmp(ending, "_sum") != 0 &&
                                   strcmp(ending, "_count") != 0
                             : *ending != '\0')
        fail_msg("a sample of %s in the stretch of %s", name, reader->family);
}

static void read_sample(struct reader *reader)
{
    struct exposition *exposition = reader->exposition;
    struct exposition_sample *sample = &exposition->samples[exposition->count];
    const char *begin = reader->at;
    char name[96] = "";
    char *end;

    assert_true(exposition->count < EXPOSITION_MAX_SAMPLES);
    read_name(reader, name, sizeof(name));
    check_name(reader, name);
    read_labels(reader);
    size_t size = (size_t)(reader->at - begin);
    assert_true(size < sizeof(sample->series));
    memcpy(sample->series, begin, size);
    sample->series[size] = '\0';
    memcpy(sample->family, reader->family, sizeof(sample->family));
    expect(reader, " ");
    sample->value = strtod(reader->at, &end);
    if (end == reader->at || isspace((unsigned char)*reader->at) || !isfinite(sample->value))
        fail_msg("expected a number at \"%.60s\"", reader->at);
    reader->at = end;
    expect(reader, "\n");
    if (reader->is_counter && sample->value < 0)
        fail_msg("%s is negative", sample->series);
    for (size_t i = 0; i < exposition->count; i++) {
        if (strcmp(exposition->samples[i].series, sample->series) == 0)
            fail_msg("%s comes twice", sample->series);
    }
    exposition->count++;
}

static void check_family(const struct reader *reader)
{
    size_t length = strlen(reader->family);
    bool is_total = length > 6 && strcmp(reader->family + length - 6, "_total") == 0;

    if (is_total != reader->is_counter)
        fail_msg("%s: counters, and only they, end in _total", reader->family);
    for (size_t i = 0; i < reader->exposition->count; i++) {
        if (strcmp(reader->exposition->samples[i].family, reader->family) == 0)
            fail_msg("%s has two stretches", reader->family);
    }
}

static void read_family(struct reader *reader)
{
    char name[96];
    char type[16];
    size_t count = reader->exposition->count;

    expect(reader, "# HELP ");
    read_name(reader, reader->family, sizeof(reader->family));
    expect(reader, " ");
    size_t help = strcspn(reader->at, "\n");
    if (help < 5 || memchr(reader->at, '\\', help) != NULL)
        fail_msg("%s has no readable help", reader->family);
    reader->at += help;
    expect(reader, "\n# TYPE ");
    read_name(reader, name, sizeof(name));
    assert_string_equal(name, reader->family);
    expect(reader, " ");
    read_name(reader, type, sizeof(type));
    reader->is_counter = strcmp(type, "counter") == 0;
    reader->is_histogram = strcmp(type, "histogram") == 0;
    if (!reader->is_counter && !reader->is_histogram && strcmp(type, "gauge") != 0)
        fail_msg("%s has the unknown type %s", reader->family, type);
    expect(reader, "\n");
    check_family(reader);
    while (*reader->at != '#' && *reader->at != '\0')
        read_sample(reader);
    if (reader->exposition->count == count)
        fail_msg("%s has no sample", reader->family);
    reader->exposition->families++;
}

void exposition_read(struct exposition *exposition, const char *text)
{
    struct reader reader = {.exposition = exposition, .at = text};

    memset(exposition, 0, sizeof(*exposition));
    while (*reader.at != '\0')
        read_family(&reader);
}

double exposition_value(const struct exposition *exposition, const char *series)
{
    for (size_t i = 0; i < exposition->count; i++) {
        if (strcmp(exposition->samples[i].series, series) == 0)
            return exposition->samples[i].value;
    }
    fail_msg("no sample %s", series);
    return 0;
}
