/* What DLMS/COSEM devices send by themselves: EventNotification (tag C2) and DataNotification (tag
 * 0F) of IEC 62056-5-3, without ciphering. Only what tells who and what is taken out: the device's
 * identifier, the logical name, the time, the numbers that may be alarm registers; the body as a
 * whole stays with the caller.
 *
 * An EventNotification as Iskraemeco Mx382 sends it (captured): its optional time is 00 (none), or
 * an octet string with the tag 09 in place of the usage flag 01 that the standard wants. Both are
 * read. A DataNotification of SMR5: structure {identifier, logical name of the push setup, one
 * double-long-unsigned for each alarm register}. */
#ifndef CENCD_CODEC_COSEM_PUSH_H
#define CENCD_CODEC_COSEM_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/cosem/data.h"
#include "codec/result.h"

#define COSEM_TAG_DATA_NOTIFICATION  0x0Fu
#define COSEM_TAG_EVENT_NOTIFICATION 0xC2u
#define COSEM_PUSH_LN_SIZE           6
#define COSEM_PUSH_MAX_NUMBERS       4
#define COSEM_PUSH_MIN_IDENTIFIER    4
#define COSEM_PUSH_MAX_IDENTIFIER    31

struct cosem_push {
    bool is_event; /* EventNotification, else DataNotification */
    bool has_time;
    struct cosem_date_time time;
    uint16_t class_id;     /* of an event */
    int8_t attribute;      /* the same */
    bool has_logical_name; /* an event's own; else the first octet string of 6 bytes with FF */
    uint8_t logical_name[COSEM_PUSH_LN_SIZE];
    const uint8_t *identifier; /* the first string of 4 to 31 printable characters (trailing blanks
                                  and NULs not counted), inside the input; NULL: none */
    size_t identifier_size;
    uint32_t numbers[COSEM_PUSH_MAX_NUMBERS]; /* the first double-long-unsigned values */
    size_t number_count;
    bool only_numbers;   /* besides strings and nulls the body holds nothing but these */
    const uint8_t *body; /* one value, whole, inside the input */
    size_t body_size;
};

/* CODEC_INVALID: no such APDU, or its contents end too early or are nested too deep. */
enum codec_result cosem_get_push(const uint8_t *apdu, size_t size,
                                 struct cosem_push *push) CODEC_MUST_CHECK;

/* Milliseconds since 1970-01-01 UTC. False if date or hour are not specified, or there is no such
 * day. Without a deviation local time is counted as UTC and offset_known is false. */
bool cosem_date_time_to_utc(const struct cosem_date_time *time, int64_t *utc_ms,
                            bool *offset_known);

#endif
