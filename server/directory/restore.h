/* What of the directory survives a restart: putting devices back, and what the store is to know of
 * them. restore and apply are for the start, before any link exists. */
#ifndef CENCD_DIRECTORY_RESTORE_H
#define CENCD_DIRECTORY_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/directory/directory.h"
#include "server/directory/replay.h"

/* Puts a device back, in place of what was known of it: recorded, offline. A port outside of the
 * range, or of another device, is dropped; a listener that no configured one is called like is none
 * (DIRECTORY_NO_LISTENER). STATUS_FULL: max_devices. STATUS_INVALID: no serial that a device can
 * have. STATUS_NO_MEMORY. */
enum status directory_restore(struct directory *directory,
                              const struct device_facts *facts) MUST_CHECK;

/* Does to the directory what an event of the journal says (replay.h). A device that it doesn't know
 * is added, as for directory_restore; an event that changes no device's facts is STATUS_OK. */
enum status directory_apply_event(struct directory *directory, const Cenc__V1__Event *event,
                                  uint64_t sequence) MUST_CHECK;

/* Memory for texts of facts. */
struct facts_texts {
    char serial[FACTS_SERIAL_SIZE];
    char kind[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char model[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char firmware[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char hardware[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
};

/* The opposite of directory_restore. False: the device isn't recorded, so that nothing is to be
 * known of it. Texts live as long as the directory and `texts`. */
bool directory_facts(struct directory *directory, const struct device *device,
                     struct device_facts *facts, struct facts_texts *texts);

/* directory_walk over what is to be known: also devices that were removed. */
uint64_t directory_walk_facts(struct directory *directory, uint64_t from,
                              bool (*visit)(const struct device_facts *facts, void *context),
                              void *context);

#endif
