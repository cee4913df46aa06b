#include "agents/cencctl/table.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MAX 16u
#define CELL_MAX    512u
#define GAP         2u
#define NARROWEST   6u

/* What a value is in a cell: lists are joined by commas, {"project", "name"} by a slash. */
static void write_value(const json_t *value, char *out, size_t size)
{
    size_t i;
    const json_t *entry;

    out[0] = '\0';
    if (json_is_string(value)) {
        (void)snprintf(out, size, "%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        (void)snprintf(out, size, "%lld", (long long)json_integer_value(value));
    } else if (json_is_boolean(value)) {
        (void)snprintf(out, size, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_object(value)) {
        const char *project = json_string_value(json_object_get(value, "project"));
        const char *name = json_string_value(json_object_get(value, "name"));
        (void)snprintf(out, size, "%s/%s", project != NULL ? project : "",
                       name != NULL ? name : "");
    } else if (json_is_array(value)) {
        json_array_foreach((json_t *)value, i, entry)
        {
            size_t used = strlen(out);
            if (i > 0 && used + 1 < size)
                (void)snprintf(out + used, size - used, ",");
            used = strlen(out);
            write_value(entry, out + used, size - used);
        }
    } else {
        (void)snprintf(out, size, "-");
    }
}

/* Characters, as a terminal shows them one to a place: good enough for Latin and Cyrillic. */
static size_t places(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static size_t terminal_width(void)
{
    struct winsize size;

    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return SIZE_MAX; /* a file or a pipe: nothing is cut */
}

/* The widest columns give way first. */
static void fit(size_t *widths, size_t count)
{
    size_t room = terminal_width();

    for (;;) {
        size_t total = 0;
        size_t widest = 0;
        for (size_t i = 0; i < count; i++) {
            total += widths[i] + (i > 0 ? GAP : 0);
            if (widths[i] > widths[widest])
                widest = i;
        }
        if (total <= room || widths[widest] <= NARROWEST)
            return;
        widths[widest]--;
    }
}

static void print_cell(const char *text, size_t width, bool is_last)
{
    size_t wanted = places(text);
    size_t shown = wanted <= width ? wanted : width - 1;
    size_t bytes = 0;

    for (size_t seen = 0; text[bytes] != '\0'; bytes++) {
        bool begins = ((unsigned char)text[bytes] & 0xc0) != 0x80;
        if (begins && seen == shown)
            break;
        seen += begins;
    }
    (void)fwrite(text, 1, bytes, stdout);
    if (wanted > width)
        (void)fputs("~", stdout);
    for (size_t i = wanted <= width ? wanted : width; !is_last && i < width + GAP; i++)
        (void)fputc(' ', stdout);
}

static void print_heading(const char *const *columns, const size_t *widths, size_t count)
{
    char cell[CELL_MAX];

    for (size_t column = 0; column < count; column++) {
        (void)snprintf(cell, sizeof(cell), "%s", columns[column]);
        for (char *at = cell; *at != '\0'; at++)
            *at = *at == '_' ? ' ' : (char)toupper((unsigned char)*at);
        print_cell(cell, widths[column], column + 1 == count);
    }
    (void)fputc('\n', stdout);
}

void table_print(const json_t *items, const char *const *columns, bool with_heading)
{
    size_t widths[COLUMNS_MAX] = {0};
    size_t count = 0;
    size_t i;
    const json_t *item;
    char cell[CELL_MAX];

    for (; count < COLUMNS_MAX && columns[count] != NULL; count++)
        widths[count] = strlen(columns[count]);
    json_array_foreach((json_t *)items, i, item)
    {
        for (size_t column = 0; column < count; column++) {
            write_value(json_object_get(item, columns[column]), cell, sizeof(cell));
            if (places(cell) > widths[column])
                widths[column] = places(cell);
        }
    }
    fit(widths, count);
    if (with_heading)
        print_heading(columns, widths, count);
    json_array_foreach((json_t *)items, i, item)
    {
        for (size_t column = 0; column < count; column++) {
            write_value(json_object_get(item, columns[column]), cell, sizeof(cell));
            print_cell(cell, widths[column], column + 1 == count);
        }
        (void)fputc('\n', stdout);
    }
}

void table_print_one(const json_t *object)
{
    const char *key;
    json_t *value;
    size_t widest = 0;
    char cell[CELL_MAX * 8];

    json_object_foreach((json_t *)object, key, value)
    {
        if (strlen(key) > widest)
            widest = strlen(key);
    }
    json_object_foreach((json_t *)object, key, value)
    {
        write_value(value, cell, sizeof(cell));
        (void)printf("%-*s  %s\n", (int)widest, key, cell);
    }
}
