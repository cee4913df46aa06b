/* The errors of one configuration file: collected with their places, printed in the file's order.
 * At most CONFIG_MAX_ERRORS are kept, the rest are counted. Used by one thread. */
#ifndef CENCD_CONFIG_ERRORS_H
#define CENCD_CONFIG_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CONFIG_MAX_ERRORS 64
#define CONFIG_ERROR_SIZE 320
#define CONFIG_QUOTE_SIZE 72 /* a piece of the file within a message, see config_quote */

/* A place in the file, counted from 1; line 0: the file as a whole. */
struct config_mark {
    unsigned line;
    unsigned column;
};

struct config_error {
    struct config_mark mark;
    size_t order; /* of being added: keeps the order of errors at one place */
    char text[CONFIG_ERROR_SIZE];
};

struct config_errors {
    size_t count; /* all, also those that were not kept */
    bool no_memory;
    struct config_error items[CONFIG_MAX_ERRORS];
};

/* Text: "what is wrong; expected ...". What doesn't fit is cut. */
void config_errors_add(struct config_errors *errors, struct config_mark mark, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));

/* Sorts, and writes a line for each. */
void config_errors_print(struct config_errors *errors, const char *file_name, FILE *out);

/* Text of the file made fit for a message: one line, printable, shortened. Returns out. */
char *config_quote(const char *text, char out[static CONFIG_QUOTE_SIZE]);

#endif
