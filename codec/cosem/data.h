/* COSEM Data in A-XDR (IEC 62056-6-2): the values inside APDUs. Values are put and got one by one:
 * an array or structure is its head with a count, followed by that many values. */
#ifndef CENCD_CODEC_COSEM_DATA_H
#define CENCD_CODEC_COSEM_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/bytes.h"
#include "codec/result.h"

enum cosem_tag {
    COSEM_NULL = 0,
    COSEM_ARRAY = 1,
    COSEM_STRUCTURE = 2,
    COSEM_BOOLEAN = 3,
    COSEM_BIT_STRING = 4,
    COSEM_INT32 = 5,  /* double-long */
    COSEM_UINT32 = 6, /* double-long-unsigned */
    COSEM_OCTET_STRING = 9,
    COSEM_VISIBLE_STRING = 10,
    COSEM_UTF8_STRING = 12,
    COSEM_BCD = 13,
    COSEM_INT8 = 15,   /* integer */
    COSEM_INT16 = 16,  /* long */
    COSEM_UINT8 = 17,  /* unsigned */
    COSEM_UINT16 = 18, /* long-unsigned */
    COSEM_INT64 = 20,
    COSEM_UINT64 = 21,
    COSEM_ENUM = 22,
    COSEM_FLOAT32 = 23,
    COSEM_FLOAT64 = 24,
    COSEM_DATE_TIME = 25, /* 12 bytes */
    COSEM_DATE = 26,      /* 5 bytes */
    COSEM_TIME = 27,      /* 4 bytes */
};

#define COSEM_MAX_DEPTH 8 /* of arrays and structures in each other */

struct cosem_value {
    enum cosem_tag tag;
    int64_t integer;      /* BOOLEAN, BCD, ENUM and all integers; a UINT64 as its bits */
    double real;          /* FLOAT32, FLOAT64 */
    size_t count;         /* ARRAY, STRUCTURE: values that follow; BIT_STRING: bits */
    const uint8_t *bytes; /* strings, DATE_TIME, DATE, TIME: inside the input */
    size_t size;
};

/* Gets the next value, of an array or structure only its head. CODEC_NEED_MORE if the input ends
 * too early, CODEC_INVALID for an unknown tag. */
enum codec_result cosem_get_value(struct bytes_reader *reader,
                                  struct cosem_value *value) CODEC_MUST_CHECK;

/* Passes over one value with everything in it. CODEC_INVALID also when it is nested deeper than
 * COSEM_MAX_DEPTH. */
enum codec_result cosem_skip_value(struct bytes_reader *reader) CODEC_MUST_CHECK;

/* All of these put tag and contents; ask bytes_written() at the end. */
void cosem_put_null(struct bytes_writer *writer);
void cosem_put_group(struct bytes_writer *writer, enum cosem_tag tag, size_t count);
void cosem_put_integer(struct bytes_writer *writer, enum cosem_tag tag, int64_t value);
void cosem_put_real(struct bytes_writer *writer, enum cosem_tag tag, double value);
/* Strings of bytes: OCTET_STRING, VISIBLE_STRING, UTF8_STRING with their length; DATE_TIME, DATE,
 * TIME, whose size must be theirs. */
void cosem_put_bytes(struct bytes_writer *writer, enum cosem_tag tag, const void *data,
                     size_t size);

/* A length or count of A-XDR: one byte below 128, else 81 xx, 82 xxxx ... */
void cosem_put_length(struct bytes_writer *writer, size_t length);
enum codec_result cosem_get_length(struct bytes_reader *reader, size_t *length) CODEC_MUST_CHECK;

/* ---- date and time ---- */

#define COSEM_DATE_TIME_SIZE    12
#define COSEM_DEVIATION_UNKNOWN (-32768)
#define COSEM_NOT_SPECIFIED     0xFFu /* any field of one byte; year: 0xFFFF */

struct cosem_date_time {
    uint16_t year;
    uint8_t month;   /* 1..12 */
    uint8_t day;     /* 1..31 */
    uint8_t weekday; /* 1 = Monday .. 7 */
    uint8_t hour;
    uint8_t minute;
    uint8_t second;
    uint8_t hundredths;
    int16_t deviation_minutes; /* of local time to UTC: UTC = local + deviation */
    uint8_t status;            /* 0x80: daylight saving active */
};

/* The 12 bytes, as they stand in a DATE_TIME or (usual for clocks) an OCTET_STRING. */
void cosem_date_time_encode(const struct cosem_date_time *time, uint8_t out[COSEM_DATE_TIME_SIZE]);
/* CODEC_INVALID unless size is 12 and each field is in range or not specified. */
enum codec_result cosem_date_time_decode(const uint8_t *data, size_t size,
                                         struct cosem_date_time *time) CODEC_MUST_CHECK;

#endif
