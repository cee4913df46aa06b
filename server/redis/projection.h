/* What an event, or what the directory knows of a device, means in Redis: operations of the script
 * (script.h) added to a command. Pure functions. */
#ifndef CENCD_REDIS_PROJECTION_H
#define CENCD_REDIS_PROJECTION_H

#include <stdbool.h>

#include "codec/proto/event.h"
#include "server/directory/directory.h"
#include "server/redis/command.h"

/* The most that one event or device adds. */
#define PROJECTION_MAX_ARGUMENTS 16u
#define PROJECTION_MAX_BYTES     4096u

static inline bool projection_fits(const struct command *command)
{
    return command_has_room(command, PROJECTION_MAX_ARGUMENTS, PROJECTION_MAX_BYTES);
}

/* projection_fits must be true. */
void projection_event(struct command *command, const Cenc__V1__Event *event);

/* All that is known of the device, for a rebuild. */
void projection_device(struct command *command, const struct device_info *info);

/* That its presence goes on, or doesn't. */
void projection_presence(struct command *command, const struct device_info *info);

#endif
