/* The values of a push, one by one, for its event. What a plugin hands on says which protocol it is
 * in; of those without a reader here only the alarm bits are told. A push has any number of values:
 * the first PUSH_FIELDS_MAX are told, and as much text and as many bytes as there is room for: one
 * that is too long has a name and no value. The event has the raw message as well. Pure functions.
 */
#ifndef CENCD_LINK_PUSH_FIELDS_H
#define CENCD_LINK_PUSH_FIELDS_H

#include "codec/cosem/data.h"
#include "codec/proto/event.h"
#include "plugins/plugin.h"

#define PUSH_FIELDS_MAX   64u
#define PUSH_FIELDS_BYTES 3000u /* of strings of bytes, in all */

struct push_fields {
    Cenc__V1__PushField *list[PUSH_FIELDS_MAX];
    Cenc__V1__PushField fields[PUSH_FIELDS_MAX];
    Cenc__V1__Value values[PUSH_FIELDS_MAX];
    Cenc__V1__DeviceTime times[PUSH_FIELDS_MAX];
    char names[PUSH_FIELDS_MAX][COSEM_MAX_DEPTH * 6]; /* "2.3" */
    char text[2048];
    size_t text_used;
    size_t bytes_used;
    size_t count;
};

/* protocol: as in PushReceived. fields points into itself and into push->raw. Returns how many. */
size_t push_fields_read(const char *protocol, const struct plugin_push *push,
                        struct push_fields *fields);

#endif
