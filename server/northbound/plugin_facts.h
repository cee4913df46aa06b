/* What a registration plugin is told: an event of the journal, or a device of the directory, as
 * struct plugin_facts. Pure: copies what it is given, touches nothing else. */
#ifndef CENCD_NORTHBOUND_PLUGIN_FACTS_H
#define CENCD_NORTHBOUND_PLUGIN_FACTS_H

#include <cenc/v1/events.pb-c.h>

#include "plugins/plugin.h"
#include "server/northbound/records.h"

#define PLUGIN_TELLING_TEXTS 4096u /* of one telling; what doesn't fit is "" */

/* The facts point into it. */
struct plugin_telling {
    struct plugin_facts facts;
    char texts[PLUGIN_TELLING_TEXTS];
    size_t used;
};

/* Is an event with this body a matter for plugins? Sets what of the facts. */
bool plugin_fact_of(int body, enum plugin_fact *what);
/* The event is such a matter, and has a device. */
void plugin_telling_of_event(struct plugin_telling *telling, const Cenc__V1__Event *event,
                             uint64_t sequence);
/* message: of device_message_fill. sequence: up to which the directory is true. */
void plugin_telling_of_device(struct plugin_telling *telling, const struct device_message *message,
                              const char *node, uint64_t sequence);
/* All devices were told. */
void plugin_telling_of_complete(struct plugin_telling *telling, uint64_t utc_ms, const char *node,
                                uint64_t sequence);

#endif
