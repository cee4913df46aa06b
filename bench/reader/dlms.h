/* Reads a DLMS meter over HDLC as the public client: logical device name, serial, clock, active
 * energy, and, if wanted, the load profile of the last 24 hours. */
#ifndef CENCD_READER_DLMS_H
#define CENCD_READER_DLMS_H

#include "bench/reader/hdlc_line.h"
#include "bench/reader/line.h"
#include "bench/reader/reading.h"
#include "codec/cosem/apdu.h"
#include "codec/cosem/data.h"

#define DLMS_MAX_VALUE 65536u /* bytes of one encoded value */

struct dlms_client {
    struct line *line;
    struct reading *reading;
    struct hdlc_line hdlc;
    struct cosem_date_time clock; /* the meter's */
    uint8_t value[DLMS_MAX_VALUE];
    size_t value_size;
};

/* STATUS_NOT_FOUND with *answered false: no DLMS meter answers within connect_wait_ms. The sentence
 * of what went wrong is in line->error. */
enum status dlms_read(struct line *line, bool profile, uint32_t connect_wait_ms,
                      struct reading *reading, bool *answered) MUST_CHECK;

/* ---- for the profile ---- */

/* Gets one attribute into client->value. access: parameters of selector 1, or NULL. */
enum status dlms_get(struct dlms_client *client, const char *what,
                     const struct cosem_attribute *attribute,
                     const struct bytes_writer *access) MUST_CHECK;

/* A register's scaler and unit. Energy is given in kWh where the meter says Wh. */
enum status dlms_get_unit(struct dlms_client *client, const char *what, uint16_t class_id,
                          const uint8_t obis[COSEM_OBIS_SIZE], int *scaler,
                          const char **unit) MUST_CHECK;

/* Text of a number, a string or a time. */
void dlms_format(const struct cosem_value *value, int scaler, char out[READING_TEXT_SIZE]);

enum status dlms_read_profile(struct dlms_client *client) MUST_CHECK;

#endif
