#include "config/errors.h"

#include <stdarg.h>
#include <stdlib.h>

#include "server/base/log.h"

void config_errors_add(struct config_errors *errors, struct config_mark mark, const char *format,
                       ...)
{
    va_list arguments;
    size_t order = errors->count++;

    if (order >= CONFIG_MAX_ERRORS)
        return;
    struct config_error *error = &errors->items[order];
    error->mark = mark;
    error->order = order;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
}

static int compare(const void *left, const void *right)
{
    const struct config_error *a = left;
    const struct config_error *b = right;

    if (a->mark.line != b->mark.line)
        return a->mark.line < b->mark.line ? -1 : 1;
    if (a->mark.column != b->mark.column)
        return a->mark.column < b->mark.column ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

void config_errors_print(struct config_errors *errors, const char *file_name, FILE *out)
{
    size_t kept = errors->count < CONFIG_MAX_ERRORS ? errors->count : CONFIG_MAX_ERRORS;

    qsort(errors->items, kept, sizeof(errors->items[0]), compare);
    for (size_t i = 0; i < kept; i++) {
        const struct config_error *error = &errors->items[i];

        if (error->mark.line == 0)
            (void)fprintf(out, "%s: %s\n", file_name, error->text);
        else
            (void)fprintf(out, "%s:%u:%u: %s\n", file_name, error->mark.line, error->mark.column,
                          error->text);
    }
    if (errors->count > kept)
        (void)fprintf(out, "%s: %zu more errors\n", file_name, errors->count - kept);
    if (errors->no_memory)
        (void)fprintf(out, "%s: out of memory\n", file_name);
}

char *config_quote(const char *text, char out[static CONFIG_QUOTE_SIZE])
{
    return log_quote(text, out, CONFIG_QUOTE_SIZE);
}
