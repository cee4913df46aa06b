#include "bench/fleet/dlms_objects.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/fleet/load.h"
#include "codec/cosem/data.h"

#define UNIT_WH   30
#define NAME_SIZE 16u

struct question {
    uint32_t serial;
    uint64_t utc_s;
    const struct cosem_get_request *request;
};

typedef enum cosem_access_result put_function(const struct question *question,
                                              struct bytes_writer *value);

static const uint8_t clock_name[COSEM_OBIS_SIZE] = {0, 0, 1, 0, 0, 255};
static const uint8_t energy_name[COSEM_OBIS_SIZE] = {1, 0, 1, 8, 0, 255};

/* ---- data, register, clock ---- */

static enum cosem_access_result put_device_name(const struct question *question,
                                                struct bytes_writer *value)
{
    char name[NAME_SIZE + 1];

    (void)snprintf(name, sizeof name, "EKT%013u", question->serial);
    cosem_put_bytes(value, COSEM_OCTET_STRING, name, NAME_SIZE);
    return COSEM_ACCESS_SUCCESS;
}

static enum cosem_access_result put_serial(const struct question *question,
                                           struct bytes_writer *value)
{
    char serial[NAME_SIZE];
    int length = snprintf(serial, sizeof serial, "%u", question->serial);

    cosem_put_bytes(value, COSEM_OCTET_STRING, serial, (size_t)length);
    return COSEM_ACCESS_SUCCESS;
}

static void put_time(struct bytes_writer *value, uint64_t utc_s)
{
    time_t now = (time_t)utc_s;
    struct tm parts;
    uint8_t encoded[COSEM_DATE_TIME_SIZE];

    (void)gmtime_r(&now, &parts);
    const struct cosem_date_time cosem = {
        .year = (uint16_t)(parts.tm_year + 1900),
        .month = (uint8_t)(parts.tm_mon + 1),
        .day = (uint8_t)parts.tm_mday,
        .weekday = (uint8_t)(parts.tm_wday == 0 ? 7 : parts.tm_wday),
        .hour = (uint8_t)parts.tm_hour,
        .minute = (uint8_t)parts.tm_min,
        .second = (uint8_t)parts.tm_sec,
        .hundredths = 0,
        .deviation_minutes = 0,
    };
    cosem_date_time_encode(&cosem, encoded);
    cosem_put_bytes(value, COSEM_OCTET_STRING, encoded, sizeof encoded);
}

static enum cosem_access_result put_clock(const struct question *question,
                                          struct bytes_writer *value)
{
    put_time(value, question->utc_s);
    return COSEM_ACCESS_SUCCESS;
}

static enum cosem_access_result put_energy(const struct question *question,
                                           struct bytes_writer *value)
{
    cosem_put_integer(value, COSEM_UINT32,
                      (int64_t)load_energy_wh(question->serial, question->utc_s));
    return COSEM_ACCESS_SUCCESS;
}

static enum cosem_access_result put_energy_unit(const struct question *question,
                                                struct bytes_writer *value)
{
    (void)question;
    cosem_put_group(value, COSEM_STRUCTURE, 2);
    cosem_put_integer(value, COSEM_INT8, 0);
    cosem_put_integer(value, COSEM_ENUM, UNIT_WH);
    return COSEM_ACCESS_SUCCESS;
}

/* ---- the load profile ---- */

static void put_column(struct bytes_writer *value, uint16_t class_id,
                       const uint8_t name[COSEM_OBIS_SIZE])
{
    cosem_put_group(value, COSEM_STRUCTURE, 4);
    cosem_put_integer(value, COSEM_UINT16, class_id);
    cosem_put_bytes(value, COSEM_OCTET_STRING, name, COSEM_OBIS_SIZE);
    cosem_put_integer(value, COSEM_INT8, 2); /* attribute */
    cosem_put_integer(value, COSEM_UINT16, 0);
}

static enum cosem_access_result put_columns(const struct question *question,
                                            struct bytes_writer *value)
{
    (void)question;
    cosem_put_group(value, COSEM_ARRAY, 2);
    put_column(value, 8, clock_name);
    put_column(value, 3, energy_name);
    return COSEM_ACCESS_SUCCESS;
}

static enum cosem_access_result put_period(const struct question *question,
                                           struct bytes_writer *value)
{
    (void)question;
    cosem_put_integer(value, COSEM_UINT32, DLMS_PROFILE_PERIOD_S);
    return COSEM_ACCESS_SUCCESS;
}

static enum cosem_access_result put_entries(const struct question *question,
                                            struct bytes_writer *value)
{
    (void)question;
    cosem_put_integer(value, COSEM_UINT32, DLMS_PROFILE_ROWS);
    return COSEM_ACCESS_SUCCESS;
}

/* One end of a range, as UTC seconds. */
static bool get_time(struct bytes_reader *reader, uint64_t *utc_s)
{
    struct cosem_value value;
    struct cosem_date_time cosem;

    if (cosem_get_value(reader, &value) != CODEC_OK || value.bytes == NULL ||
        cosem_date_time_decode(value.bytes, value.size, &cosem) != CODEC_OK)
        return false;
    struct tm parts = {
        .tm_year = cosem.year - 1900,
        .tm_mon = cosem.month - 1,
        .tm_mday = cosem.day,
        .tm_hour = cosem.hour == COSEM_NOT_SPECIFIED ? 0 : cosem.hour,
        .tm_min = cosem.minute == COSEM_NOT_SPECIFIED ? 0 : cosem.minute,
        .tm_sec = cosem.second == COSEM_NOT_SPECIFIED ? 0 : cosem.second,
    };
    time_t seconds = timegm(&parts);
    if (seconds < 0)
        return false;
    *utc_s = (uint64_t)seconds;
    return true;
}

/* Selector 1: {restricting object, from, to, columns}; the object must be the clock, and all
 * columns are given. */
static bool get_range(const struct cosem_get_request *request, uint64_t *from_s, uint64_t *to_s)
{
    struct bytes_reader reader = bytes_reader_over(request->access, request->access_size);
    struct cosem_value value;

    return cosem_get_value(&reader, &value) == CODEC_OK && value.tag == COSEM_STRUCTURE &&
           value.count == 4 && cosem_skip_value(&reader) == CODEC_OK && get_time(&reader, from_s) &&
           get_time(&reader, to_s);
}

static enum cosem_access_result put_rows(const struct question *question,
                                         struct bytes_writer *value)
{
    uint64_t last_s = question->utc_s - question->utc_s % DLMS_PROFILE_PERIOD_S;
    uint64_t first_s = last_s - (DLMS_PROFILE_ROWS - 1) * (uint64_t)DLMS_PROFILE_PERIOD_S;
    uint64_t from_s = first_s;
    uint64_t to_s = last_s;

    if (question->request->access_selector != 0 &&
        (question->request->access_selector != 1 || !get_range(question->request, &from_s, &to_s)))
        return COSEM_ACCESS_READ_WRITE_DENIED;
    if (from_s < first_s)
        from_s = first_s;
    if (to_s > last_s)
        to_s = last_s;
    from_s = (from_s + DLMS_PROFILE_PERIOD_S - 1) / DLMS_PROFILE_PERIOD_S * DLMS_PROFILE_PERIOD_S;
    size_t rows = from_s <= to_s ? (to_s - from_s) / DLMS_PROFILE_PERIOD_S + 1 : 0;
    cosem_put_group(value, COSEM_ARRAY, rows);
    for (uint64_t time_s = from_s; time_s <= to_s; time_s += DLMS_PROFILE_PERIOD_S) {
        cosem_put_group(value, COSEM_STRUCTURE, 2);
        put_time(value, time_s);
        cosem_put_integer(value, COSEM_UINT32, (int64_t)load_energy_wh(question->serial, time_s));
    }
    return COSEM_ACCESS_SUCCESS;
}

/* ---- all of them ---- */

static const struct object {
    uint16_t class_id;
    uint8_t obis[COSEM_OBIS_SIZE];
    uint8_t attribute;
    put_function *put;
} objects[] = {
    {1, {0, 0, 42, 0, 0, 255}, 2, put_device_name}, {1, {0, 0, 96, 1, 0, 255}, 2, put_serial},
    {8, {0, 0, 1, 0, 0, 255}, 2, put_clock},        {3, {1, 0, 1, 8, 0, 255}, 2, put_energy},
    {3, {1, 0, 1, 8, 0, 255}, 3, put_energy_unit},  {7, {1, 0, 99, 1, 0, 255}, 2, put_rows},
    {7, {1, 0, 99, 1, 0, 255}, 3, put_columns},     {7, {1, 0, 99, 1, 0, 255}, 4, put_period},
    {7, {1, 0, 99, 1, 0, 255}, 7, put_entries},     {7, {1, 0, 99, 1, 0, 255}, 8, put_entries},
};

enum cosem_access_result dlms_objects_get(uint32_t serial, uint64_t utc_s,
                                          const struct cosem_get_request *request,
                                          struct bytes_writer *value)
{
    const struct question question = {.serial = serial, .utc_s = utc_s, .request = request};
    const struct cosem_attribute *asked = &request->attribute;
    enum cosem_access_result result = COSEM_ACCESS_OBJECT_UNDEFINED;

    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        const struct object *object = &objects[i];
        if (memcmp(object->obis, asked->obis, COSEM_OBIS_SIZE) != 0)
            continue;
        if (object->class_id != asked->class_id)
            return COSEM_ACCESS_CLASS_INCONSISTENT;
        if (object->attribute == asked->attribute)
            return object->put(&question, value);
        result = COSEM_ACCESS_READ_WRITE_DENIED; /* unless a later row has the attribute */
    }
    return result;
}
