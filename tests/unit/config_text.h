/* Helpers for tests of the configuration: texts that load, and texts that don't. */
#ifndef CENCD_TESTS_CONFIG_TEXT_H
#define CENCD_TESTS_CONFIG_TEXT_H

#include <stddef.h>

#include "config/config.h"

/* The least that a configuration must hold: two lines, a listener on port 5009. */
#define CONFIG_LISTENER "listeners:\n  - {name: a, address: 0.0.0.0:5009, plugins: [irz]}\n"

/* Loads text; what was written to the errors is in *errors, to be freed. NULL: it has errors. */
struct config *config_text_load(const char *text, size_t text_size, char **errors);

/* Fails the test if text has errors. */
struct config *config_text_good(const char *text);
void assert_config_good(const char *text);

/* expected: all error lines, in order; the file is named f. */
void assert_config_errors(const char *text, const char *expected);
void assert_config_errors_size(const char *text, size_t size, const char *expected);

/* The same, with a good listener after text. */
void assert_config_key_error(const char *text, const char *expected);

#endif
