/* The load profile: which columns it has, their units, and the rows of the last 24 hours. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/reader/dlms.h"

#define CLASS_REGISTER    3
#define CLASS_EXTENDED    4
#define CLASS_PROFILE     7
#define CLASS_CLOCK       8
#define ATTRIBUTE_BUFFER  2
#define ATTRIBUTE_COLUMNS 3
#define ATTRIBUTE_PERIOD  4
#define SECONDS_A_DAY     86400

static const char what[] = "load profile";
static const uint8_t clock_obis[COSEM_OBIS_SIZE] = {0, 0, 1, 0, 0, 255};

struct column {
    uint16_t class_id;
    uint8_t obis[COSEM_OBIS_SIZE];
    int scaler;
};

static struct cosem_attribute profile_attribute(uint8_t attribute)
{
    return (struct cosem_attribute){
        .class_id = CLASS_PROFILE, .obis = {1, 0, 99, 1, 0, 255}, .attribute = attribute};
}

static bool get_group(struct bytes_reader *reader, enum cosem_tag tag, size_t *count)
{
    struct cosem_value value;

    if (cosem_get_value(reader, &value) != CODEC_OK || value.tag != tag)
        return false;
    *count = value.count;
    return true;
}

/* {class, logical name, attribute, data index} */
static bool get_column(struct bytes_reader *reader, struct column *column)
{
    struct cosem_value class_id;
    struct cosem_value name;
    size_t count;

    if (!get_group(reader, COSEM_STRUCTURE, &count) || count != 4 ||
        cosem_get_value(reader, &class_id) != CODEC_OK ||
        cosem_get_value(reader, &name) != CODEC_OK || name.tag != COSEM_OCTET_STRING ||
        name.size != COSEM_OBIS_SIZE || cosem_skip_value(reader) != CODEC_OK ||
        cosem_skip_value(reader) != CODEC_OK)
        return false;
    column->class_id = (uint16_t)class_id.integer;
    memcpy(column->obis, name.bytes, COSEM_OBIS_SIZE);
    return true;
}

static void name_column(struct reading_value *value, const struct column *column)
{
    static const uint8_t energy[COSEM_OBIS_SIZE] = {1, 0, 1, 8, 0, 255};
    const uint8_t *obis = column->obis;

    value->unit = "";
    if (column->class_id == CLASS_CLOCK)
        (void)snprintf(value->text, sizeof value->text, "clock");
    else if (memcmp(obis, energy, sizeof energy) == 0)
        (void)snprintf(value->text, sizeof value->text, "active energy import total");
    else
        (void)snprintf(value->text, sizeof value->text, "%u-%u:%u.%u.%u", obis[0], obis[1], obis[2],
                       obis[3], obis[4]);
}

static enum status read_columns(struct dlms_client *client, struct column *columns)
{
    const struct cosem_attribute attribute = profile_attribute(ATTRIBUTE_COLUMNS);
    struct reading *reading = client->reading;
    size_t count;
    enum status status = dlms_get(client, what, &attribute, NULL);

    if (status != STATUS_OK)
        return status;
    struct bytes_reader reader = bytes_reader_over(client->value, client->value_size);
    if (!get_group(&reader, COSEM_ARRAY, &count) || count == 0)
        return line_fail(client->line, STATUS_INVALID, "%s: no list of columns", what);
    if (count > READING_MAX_COLUMNS)
        return line_fail(client->line, STATUS_FULL, "%s: %zu columns are too many", what, count);
    for (size_t i = 0; i < count; i++) {
        if (!get_column(&reader, &columns[i]))
            return line_fail(client->line, STATUS_INVALID, "%s: column %zu can't be read", what, i);
        name_column(&reading->columns[i], &columns[i]);
    }
    reading->column_count = count;
    for (size_t i = 0; i < count; i++) {
        if (columns[i].class_id != CLASS_REGISTER && columns[i].class_id != CLASS_EXTENDED)
            continue;
        status = dlms_get_unit(client, what, columns[i].class_id, columns[i].obis,
                               &columns[i].scaler, &reading->columns[i].unit);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status read_period(struct dlms_client *client)
{
    const struct cosem_attribute attribute = profile_attribute(ATTRIBUTE_PERIOD);
    struct cosem_value value;
    enum status status = dlms_get(client, what, &attribute, NULL);

    if (status != STATUS_OK)
        return status;
    struct bytes_reader reader = bytes_reader_over(client->value, client->value_size);
    if (cosem_get_value(&reader, &value) == CODEC_OK)
        client->reading->period_s = (uint32_t)value.integer;
    return STATUS_OK;
}

static void put_time(struct bytes_writer *access, const struct cosem_date_time *time)
{
    uint8_t encoded[COSEM_DATE_TIME_SIZE];

    cosem_date_time_encode(time, encoded);
    cosem_put_bytes(access, COSEM_OCTET_STRING, encoded, sizeof encoded);
}

/* The same local time a day earlier. */
static struct cosem_date_time day_before(const struct cosem_date_time *time)
{
    struct cosem_date_time earlier = *time;
    struct tm parts = {
        .tm_year = time->year - 1900,
        .tm_mon = time->month - 1,
        .tm_mday = time->day,
        .tm_hour = time->hour,
        .tm_min = time->minute,
        .tm_sec = time->second,
    };
    time_t seconds = timegm(&parts) - SECONDS_A_DAY;

    (void)gmtime_r(&seconds, &parts);
    earlier.year = (uint16_t)(parts.tm_year + 1900);
    earlier.month = (uint8_t)(parts.tm_mon + 1);
    earlier.day = (uint8_t)parts.tm_mday;
    earlier.weekday = (uint8_t)(parts.tm_wday == 0 ? 7 : parts.tm_wday);
    return earlier;
}

/* range descriptor: {restricting object, from, to, selected columns (none: all)} */
static void put_range(struct bytes_writer *access, const struct cosem_date_time *until)
{
    const struct cosem_date_time from = day_before(until);

    cosem_put_group(access, COSEM_STRUCTURE, 4);
    cosem_put_group(access, COSEM_STRUCTURE, 4);
    cosem_put_integer(access, COSEM_UINT16, CLASS_CLOCK);
    cosem_put_bytes(access, COSEM_OCTET_STRING, clock_obis, COSEM_OBIS_SIZE);
    cosem_put_integer(access, COSEM_INT8, 2);
    cosem_put_integer(access, COSEM_UINT16, 0);
    put_time(access, &from);
    put_time(access, until);
    cosem_put_group(access, COSEM_ARRAY, 0);
}

static enum status read_rows(struct dlms_client *client, const struct column *columns)
{
    const struct cosem_attribute attribute = profile_attribute(ATTRIBUTE_BUFFER);
    struct reading *reading = client->reading;
    uint8_t range[96];
    struct bytes_writer access = bytes_writer_over(range, sizeof range);
    size_t count;

    put_range(&access, &client->clock);
    enum status status = dlms_get(client, what, &attribute, &access);
    if (status != STATUS_OK)
        return status;
    struct bytes_reader reader = bytes_reader_over(client->value, client->value_size);
    if (!get_group(&reader, COSEM_ARRAY, &count))
        return line_fail(client->line, STATUS_INVALID, "%s: the buffer can't be read", what);
    if (count > READING_MAX_ROWS)
        return line_fail(client->line, STATUS_FULL, "%s: %zu rows are too many", what, count);
    for (size_t i = 0; i < count; i++) {
        size_t width;
        if (!get_group(&reader, COSEM_STRUCTURE, &width) || width != reading->column_count)
            return line_fail(client->line, STATUS_INVALID, "%s: row %zu can't be read", what, i);
        for (size_t k = 0; k < width; k++) {
            struct cosem_value value;
            if (cosem_get_value(&reader, &value) != CODEC_OK)
                return line_fail(client->line, STATUS_INVALID, "%s: row %zu is cut", what, i);
            dlms_format(&value, columns[k].scaler, reading->rows[i].text[k]);
        }
    }
    reading->row_count = count;
    reading->has_profile = true;
    return STATUS_OK;
}

enum status dlms_read_profile(struct dlms_client *client)
{
    struct column columns[READING_MAX_COLUMNS] = {0};
    enum status status = read_columns(client, columns);

    if (status == STATUS_OK)
        status = read_period(client);
    if (status == STATUS_OK)
        status = read_rows(client, columns);
    return status;
}
