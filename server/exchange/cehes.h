/* The import and export file of Energomera ceHes (user guide, appendix 1): JSON with Meta,
 * Channels, Protocols and Groups, in which Devices have CommLines; Settings are JSON inside of
 * texts.
 *
 * What is taken: Groups by their Name, Devices by their SerialNumber, Channels of type
 * CHAN_TYPE_TCP with Name, address, port and IsExclusive. A device's channel is that of its first
 * CommLine that is enabled and TCP. All else is kept as details. Fields that it doesn't know are
 * kept, those that it does must have their type.
 *
 * Refused: what isn't JSON in UTF-8, a name twice in an object, whole numbers beyond 64 bits, more
 * than 32 brackets inside of one another, an object of more than a MiB, details of more than 32
 * KiB. */
#ifndef CENCD_EXCHANGE_CEHES_H
#define CENCD_EXCHANGE_CEHES_H

#include "server/exchange/model.h"

#define CEHES_TCP         "CHAN_TYPE_TCP"
#define CEHES_TCP_ADDRESS "CHAN_TYPE_TCP_OP_IP_ADDRESS"
#define CEHES_TCP_PORT    "CHAN_TYPE_TCP_OP_IP_PORT"
#define CEHES_TCP_7E1     "CHAN_TYPE_TCP_OP_USE_7E1"

/* Reads all of the file into the model, which is all zeros, as devices of the project. STATUS_OK
 * also with faults: whoever goes on looks at them. STATUS_NO_MEMORY, STATUS_FULL: more than
 * EXCHANGE_MAX_ITEMS. exchange_free in any case. */
enum status cehes_read(const char *text, size_t size, const char *project,
                       struct exchange *exchange) MUST_CHECK;

#endif
