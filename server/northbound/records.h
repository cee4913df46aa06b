/* A device of the directory as messages of the northbound. */
#ifndef CENCD_NORTHBOUND_RECORDS_H
#define CENCD_NORTHBOUND_RECORDS_H

#include <cenc/v1/northbound.pb-c.h>

#include "codec/proto/text.h"
#include "config/config.h"
#include "server/directory/directory.h"
#include "server/northbound/ledger.h"

/* Memory of one; its messages point into each other. */
struct device_message {
    Cenc__V1__DeviceRecord record;
    Cenc__V1__Device device;
    Cenc__V1__DeviceState state;
    Cenc__V1__DeviceStatus status;
    Cenc__V1__Registration registration;
    Cenc__V1__DeviceKey key;
    Cenc__V1__Signal signal;
    Cenc__V1__Endpoint peer;
    struct device_info info;
    char *groups[1];
    char serial[PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)];
    char kind[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char model[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char firmware[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char hardware[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char peer_text[ADDRESS_TEXT_SIZE];
};

/* As the device is now: only the status of message->record, and message->info. */
void device_message_status(struct directory *directory, const struct device *device,
                           const struct config *config, uint64_t utc_ms,
                           struct device_message *message);
/* All of the record. registration: what the ledger says, which must live as long; NULL: it waits.
 */
void device_message_fill(struct directory *directory, const struct device *device,
                         const struct config *config, uint64_t utc_ms,
                         const struct ledger_row *registration, struct device_message *message);

#endif
