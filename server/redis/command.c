#include "server/redis/command.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/base/check.h"

void command_begin(struct command *command)
{
    command->count = 0;
    command->bytes = 0;
}

bool command_has_room(const struct command *command, uint32_t arguments, size_t bytes)
{
    return COMMAND_MAX_ARGUMENTS - command->count >= arguments &&
           COMMAND_MAX_BYTES - command->bytes >= bytes;
}

void command_add(struct command *command, const void *data, size_t size)
{
    char *to = command->text + command->bytes;

    CHECK(command_has_room(command, 1, size));
    memcpy(to, data, size);
    command->arguments[command->count] = to;
    command->sizes[command->count] = size;
    command->count++;
    command->bytes += (uint32_t)size;
}

void command_text(struct command *command, const char *text)
{
    command_add(command, text, strlen(text));
}

void command_join(struct command *command, const char *text)
{
    size_t size = strlen(text);

    CHECK(command->count > 0 && command_has_room(command, 0, size));
    memcpy(command->text + command->bytes, text, size);
    command->sizes[command->count - 1] += size;
    command->bytes += (uint32_t)size;
}

void command_number(struct command *command, uint64_t number)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%" PRIu64, number);

    command_add(command, text, (size_t)size);
}

void command_replace(struct command *command, uint32_t index, uint64_t number)
{
    CHECK(index < command->count);
    command_number(command, number);
    command->count--;
    command->arguments[index] = command->arguments[command->count];
    command->sizes[index] = command->sizes[command->count];
}

enum status command_format(const struct command *command, char **bytes, size_t *size)
{
    long long formatted = redisFormatCommandArgv(
        bytes, (int)command->count, (const char **)(uintptr_t)command->arguments, command->sizes);

    if (formatted < 0)
        return STATUS_NO_MEMORY;
    *size = (size_t)formatted;
    return STATUS_OK;
}

void command_free(char *bytes)
{
    redisFreeCommand(bytes);
}
