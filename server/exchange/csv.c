#include "server/exchange/csv.h"

#include <string.h>

#include "codec/proto/text.h"

void csv_open(struct csv *csv, const char *text, size_t size)
{
    csv->text = text;
    csv->size = size;
    csv->at = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    csv->next_line = 1;
    csv->count = 0;
    csv->separator = ',';
    for (size_t i = csv->at; i < size && text[i] != '\n' && text[i] != ','; i++) {
        if (text[i] == ';' || text[i] == '\t') {
            csv->separator = text[i];
            break;
        }
    }
}

static bool at_end_of_line(const struct csv *csv)
{
    const char *text = csv->text + csv->at;
    size_t left = csv->size - csv->at;

    return left == 0 || text[0] == '\n' || (text[0] == '\r' && (left == 1 || text[1] == '\n'));
}

static void skip_line_end(struct csv *csv)
{
    if (csv->at < csv->size && csv->text[csv->at] == '\r')
        csv->at++;
    if (csv->at < csv->size && csv->text[csv->at] == '\n')
        csv->at++;
    csv->next_line++;
}

static enum csv_next bad(struct csv *csv, const char *text, const char **fault)
{
    *fault = text;
    while (csv->at < csv->size && csv->text[csv->at] != '\n')
        csv->at++;
    skip_line_end(csv);
    return CSV_BAD;
}

/* Appends a character; false: there is no room. */
static bool put(char *field, size_t *size, char c)
{
    if (*size + 1 >= CSV_FIELD_SIZE)
        return false;
    field[(*size)++] = c;
    return true;
}

/* Returns what is wrong, or NULL. */
static const char *read_quoted(struct csv *csv, char *field, size_t *size)
{
    for (csv->at++; csv->at < csv->size; csv->at++) {
        char c = csv->text[csv->at];
        if (c == '"' && (csv->at + 1 == csv->size || csv->text[csv->at + 1] != '"')) {
            csv->at++;
            return NULL;
        }
        if (c == '"')
            csv->at++;
        if (c == '\n')
            csv->next_line++;
        if (!put(field, size, c))
            return "a field has more than 1024 bytes";
    }
    return "the quotes of a field have no end";
}

static const char *read_plain(struct csv *csv, char *field, size_t *size)
{
    for (; !at_end_of_line(csv) && csv->text[csv->at] != csv->separator; csv->at++) {
        if (csv->text[csv->at] == '"')
            return "quotes are around a field or nowhere";
        if (!put(field, size, csv->text[csv->at]))
            return "a field has more than 1024 bytes";
    }
    return NULL;
}

static const char *read_field(struct csv *csv)
{
    char *field = csv->fields[csv->count++];
    size_t size = 0;
    bool quoted = csv->at < csv->size && csv->text[csv->at] == '"';
    const char *wrong = quoted ? read_quoted(csv, field, &size) : read_plain(csv, field, &size);

    field[size] = '\0';
    if (wrong != NULL)
        return wrong;
    if (!at_end_of_line(csv) && csv->text[csv->at] != csv->separator)
        return "something follows the quotes of a field";
    if (!proto_utf8_valid(field, size))
        return "a field is no UTF-8";
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)field[i] < ' ' || field[i] == '\x7f')
            return "a field has a control character";
    return NULL;
}

enum csv_next csv_next(struct csv *csv, const char **fault)
{
    while (csv->at < csv->size && at_end_of_line(csv))
        skip_line_end(csv);
    if (csv->at >= csv->size)
        return CSV_END;
    csv->line = csv->next_line;
    csv->count = 0;
    for (;;) {
        const char *wrong =
            csv->count == CSV_FIELDS_MAX ? "there are more than 32 fields" : read_field(csv);
        if (wrong != NULL)
            return bad(csv, wrong, fault);
        if (at_end_of_line(csv))
            break;
        csv->at++; /* the separator */
    }
    skip_line_end(csv);
    return CSV_ROW;
}
