/* Builds one command for Redis: arguments are copied, so that their owners may go. */
#ifndef CENCD_REDIS_COMMAND_H
#define CENCD_REDIS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"

#define COMMAND_MAX_ARGUMENTS 4096u
#define COMMAND_MAX_BYTES     (96u * 1024) /* of all arguments */

struct command {
    const char *arguments[COMMAND_MAX_ARGUMENTS];
    size_t sizes[COMMAND_MAX_ARGUMENTS];
    uint32_t count;
    uint32_t bytes;
    char text[COMMAND_MAX_BYTES];
};

void command_begin(struct command *command);

/* Whether so much more fits. Adding what doesn't is a mistake of the program. */
bool command_has_room(const struct command *command, uint32_t arguments, size_t bytes);

void command_add(struct command *command, const void *data, size_t size);
void command_text(struct command *command, const char *text);
/* Goes on with the last argument. */
void command_join(struct command *command, const char *text);
void command_number(struct command *command, uint64_t number);
/* Puts a number in the place of an argument that was added before. */
void command_replace(struct command *command, uint32_t index, uint64_t number);

/* The bytes to send, to be freed with command_free. STATUS_NO_MEMORY. */
enum status command_format(const struct command *command, char **bytes, size_t *size) MUST_CHECK;
void command_free(char *bytes);

#endif
