/* The values of a message that a device pushed, one by one, for its event (PushReceived). There may
 * be any number of them: the first PUSH_FIELDS_MAX are told, and as much text and as many bytes as
 * there is room for: one that is too long has a name and no value. */
#ifndef CENCD_CODEC_PROTO_PUSH_FIELDS_H
#define CENCD_CODEC_PROTO_PUSH_FIELDS_H

#include "codec/cosem/data.h"
#include "codec/proto/event.h"

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

/* raw: the whole message, in this protocol (as in PushReceived). fields points into itself and into
 * raw. Returns how many; 0 if nothing here reads the protocol. */
size_t push_fields_read(const char *protocol, const uint8_t *raw, size_t size,
                        struct push_fields *fields);

/* One more, by a name that is constant; nothing if there is no room. */
void push_fields_add(struct push_fields *fields, const char *name, int64_t value);

#endif
