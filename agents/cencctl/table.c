#include "agents/cencctl/table.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "codec/proto/text.h"

#define CELL_SIZE 4096u
#define GAP       2u
#define NARROWEST 10u /* less says nothing */

/* ---- cells ---- */

struct cell {
    char text[CELL_SIZE]; /* UTF-8, nothing that a terminal would obey */
    size_t size;
    size_t places; /* as a terminal shows it */
};

static bool put_character(struct cell *cell, const char *bytes, size_t size, size_t places)
{
    if (cell->size + size >= sizeof(cell->text))
        return false;
    memcpy(cell->text + cell->size, bytes, size);
    cell->size += size;
    cell->places += places;
    return true;
}

/* What isn't printable becomes a question mark. */
static void put_text(struct cell *cell, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        uint32_t character = 0;
        size_t size = proto_utf8_decode((const uint8_t *)text, left, &character);
        int places = size > 0 ? wcwidth((wchar_t)character) : -1;
        size = size > 0 ? size : 1;
        if (!put_character(cell, places < 0 ? "?" : text, places < 0 ? 1 : size,
                           places < 0 ? 1 : (size_t)places))
            return;
        text += size;
        left -= size;
    }
}

/* "2026-11-21T02:28:27.991Z": people need no milliseconds. */
static bool is_time(const char *text)
{
    return strlen(text) == 24 && text[4] == '-' && text[10] == 'T' && text[19] == '.' &&
           text[23] == 'Z';
}

static void put_field(struct cell *cell, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    put_text(cell, text != NULL ? text : "");
}

static void put_plain(struct cell *cell, const json_t *value)
{
    char text[64];

    if (json_is_string(value) && is_time(json_string_value(value))) {
        (void)snprintf(text, sizeof(text), "%.19sZ", json_string_value(value));
        put_text(cell, text);
    } else if (json_is_string(value)) {
        put_text(cell, json_string_value(value));
    } else if (json_is_integer(value)) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
        put_text(cell, text);
    } else if (json_is_boolean(value)) {
        put_text(cell, json_is_true(value) ? "yes" : "no");
    } else if (json_is_object(value)) { /* of a group */
        put_field(cell, value, "project");
        put_text(cell, "/");
        put_field(cell, value, "name");
    } else {
        put_text(cell, "-");
    }
}

/* Lists are joined by commas. */
static void fill_cell(struct cell *cell, const json_t *value)
{
    size_t i;
    const json_t *entry;

    cell->size = 0;
    cell->places = 0;
    if (!json_is_array(value))
        put_plain(cell, value);
    json_array_foreach((json_t *)value, i, entry)
    {
        if (i > 0)
            put_text(cell, ",");
        put_plain(cell, entry);
    }
    cell->text[cell->size] = '\0';
}

/* ---- how wide ---- */

static bool is_whole(const struct table *table, size_t column)
{
    return table->columns[column][0] == '=';
}

static const char *key_of(const struct table *table, size_t column)
{
    return table->columns[column] + (is_whole(table, column) ? 1 : 0);
}

static size_t count_columns(const struct table *table)
{
    size_t count = 0;

    while (count < TABLE_COLUMNS && table->columns[count] != NULL)
        count++;
    return count;
}

size_t table_room(void)
{
    const char *given = getenv("COLUMNS"); // NOLINT(concurrency-mt-unsafe): one thread
    struct winsize size;
    char *end = NULL;

    errno = 0;
    unsigned long columns = given != NULL ? strtoul(given, &end, 10) : 0;
    if (given != NULL && *end == '\0' && errno == 0 && columns > 0)
        return columns;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return SIZE_MAX;
}

static void measure(struct table *table, const json_t *items, size_t count)
{
    struct cell cell;
    size_t i;
    const json_t *item;

    for (size_t column = 0; column < count; column++) {
        size_t heading = strlen(key_of(table, column));
        if (table->widths[column] < heading)
            table->widths[column] = heading;
        json_array_foreach((json_t *)items, i, item)
        {
            fill_cell(&cell, json_object_get(item, key_of(table, column)));
            if (table->widths[column] < cell.places)
                table->widths[column] = cell.places;
        }
    }
}

static size_t total_of(const size_t *widths, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += widths[i] + (i > 0 ? GAP : 0);
    return total;
}

/* The widest of those that may be cut gives way first. Returns how many columns are left. */
static size_t fit(const struct table *table, size_t *widths, size_t count)
{
    while (count > 1 && total_of(widths, count) > table->room) {
        size_t widest = count;
        for (size_t i = 0; i < count; i++)
            if (!is_whole(table, i) && widths[i] > NARROWEST &&
                (widest == count || widths[i] > widths[widest]))
                widest = i;
        if (widest < count)
            widths[widest]--;
        else
            count--;
    }
    return count;
}

/* ---- printing ---- */

/* The bytes of at most so many places; *places becomes how many they are. */
static size_t bytes_of(const struct cell *cell, size_t *places)
{
    size_t at = 0;
    size_t seen = 0;

    while (at < cell->size) {
        uint32_t character = 0;
        size_t size =
            proto_utf8_decode((const uint8_t *)cell->text + at, cell->size - at, &character);
        int wide = wcwidth((wchar_t)character);
        size_t width = wide > 0 ? (size_t)wide : 0;
        if (size == 0 || seen + width > *places)
            break;
        seen += width;
        at += size;
    }
    *places = seen;
    return at;
}

static void print_cell(FILE *out, const struct cell *cell, size_t width, bool is_last)
{
    bool is_cut = cell->places > width;
    size_t places = is_cut ? width - 1 : cell->places;
    size_t bytes = is_cut ? bytes_of(cell, &places) : cell->size;

    (void)fwrite(cell->text, 1, bytes, out);
    if (is_cut)
        (void)fputc('~', out);
    for (size_t i = places + is_cut; !is_last && i < width + GAP; i++)
        (void)fputc(' ', out);
}

static void print_heading(const struct table *table, const size_t *widths, size_t count)
{
    struct cell cell;

    for (size_t column = 0; column < count; column++) {
        cell = (struct cell){.size = 0};
        put_text(&cell, key_of(table, column));
        for (size_t i = 0; i < cell.size; i++)
            cell.text[i] = cell.text[i] == '_' ? ' ' : (char)toupper((unsigned char)cell.text[i]);
        print_cell(table->out, &cell, widths[column], column + 1 == count);
    }
    (void)fputc('\n', table->out);
}

void table_rows(struct table *table, const json_t *items)
{
    size_t widths[TABLE_COLUMNS];
    struct cell cell;
    size_t i;
    const json_t *item;
    size_t count = count_columns(table);

    measure(table, items, count);
    memcpy(widths, table->widths, sizeof(widths));
    count = fit(table, widths, count);
    if (!table->has_heading)
        print_heading(table, widths, count);
    table->has_heading = true;
    json_array_foreach((json_t *)items, i, item)
    {
        for (size_t column = 0; column < count; column++) {
            fill_cell(&cell, json_object_get(item, key_of(table, column)));
            print_cell(table->out, &cell, widths[column], column + 1 == count);
        }
        (void)fputc('\n', table->out);
    }
}

void table_one(FILE *out, const json_t *object)
{
    const char *key;
    json_t *value;
    size_t widest = 0;
    struct cell cell;

    json_object_foreach((json_t *)object, key, value)
    {
        if (strlen(key) > widest)
            widest = strlen(key);
    }
    json_object_foreach((json_t *)object, key, value)
    {
        fill_cell(&cell, value);
        (void)fprintf(out, "%-*s  %s\n", (int)widest, key, cell.text);
    }
}
