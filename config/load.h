/* Loading from memory: what config_load does after it has read the file. For tests. */
#ifndef CENCD_CONFIG_LOAD_H
#define CENCD_CONFIG_LOAD_H

#include <stddef.h>
#include <stdio.h>

#include "config/config.h"
#include "server/base/status.h"

/* As config_load; name stands for the file's in the errors. */
enum status config_load_buffer(const char *name, const char *text, size_t size, FILE *errors,
                               struct config **config) MUST_CHECK;

#endif
