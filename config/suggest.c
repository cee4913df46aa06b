#include "config/suggest.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAME 40 /* longer names are near to none */

/* Edits (a letter put in, taken out or changed) between two names. */
static size_t distance(const char *a, const char *b)
{
    size_t row[MAX_NAME + 1];
    size_t size = strlen(b);

    for (size_t i = 0; i <= size; i++)
        row[i] = i;
    for (size_t line = 1; *a != '\0'; a++, line++) {
        size_t diagonal = row[0];

        row[0] = line;
        for (size_t i = 1; i <= size; i++) {
            size_t best = diagonal + (*a != b[i - 1]);

            diagonal = row[i];
            if (row[i] + 1 < best)
                best = row[i] + 1;
            if (row[i - 1] + 1 < best)
                best = row[i - 1] + 1;
            row[i] = best;
        }
    }
    return row[size];
}

static const char *nearest(const char *name, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 1 + (strlen(name) < 6 ? 1 : strlen(name) / 3);

    if (strlen(name) > MAX_NAME)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) > MAX_NAME)
            continue;
        size_t edits = distance(name, names[i]);
        if (edits < best_distance) {
            best_distance = edits;
            best = names[i];
        }
    }
    return best;
}

void suggest_name(const char *what, const struct tree_node *name, const char *const *names,
                  size_t count, struct config_errors *errors)
{
    char quoted[CONFIG_QUOTE_SIZE];
    char all[CONFIG_ERROR_SIZE];
    const char *best = nearest(name->text, names, count);
    size_t size = 0;

    (void)config_quote(name->text, quoted);
    if (best != NULL) {
        config_errors_add(errors, name->mark, "%s %s; expected %s", what, quoted, best);
        return;
    }
    all[0] = '\0';
    for (size_t i = 0; i < count && size < sizeof(all); i++)
        size +=
            (size_t)snprintf(all + size, sizeof(all) - size, "%s%s", i > 0 ? ", " : "", names[i]);
    config_errors_add(errors, name->mark, "%s %s; expected %s%s", what, quoted,
                      count == 0   ? "none"
                      : count == 1 ? ""
                                   : "one of ",
                      all);
}
