/* A plugin's settings: reads one value as written in the configuration against the plugin's own
 * schema (struct plugin_key). Used by the configuration for what a file says and by the loader for
 * the defaults that a plugin promises. Pure functions. */
#ifndef CENCD_PLUGINS_SETTING_H
#define CENCD_PLUGINS_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/plugin.h"
#include "server/base/status.h"

#define SETTING_EXPECTED_SIZE 160

/* Reads text as key wants it; STATUS_INVALID otherwise. A TEXT value points to text. */
enum status setting_parse(const struct plugin_key *key, const char *text,
                          struct plugin_value *value) MUST_CHECK;

/* Writes what key wants, "an integer 1..600", and returns out. */
char *setting_expected(const struct plugin_key *key, char out[static SETTING_EXPECTED_SIZE]);

/* "true" or "false". */
bool setting_bool(const char *text, bool *value);

/* Decimal digits with an optional minus, without leading zeros, within int64_t. */
bool setting_integer(const char *text, int64_t *value);

#endif
