#include "bench/reader/dlms.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_PUBLIC   16
#define METER_LOGICAL   1
#define MAX_REQUEST     128u
#define CLASS_DATA      1
#define CLASS_REGISTER  3
#define CLASS_CLOCK     8
#define ATTRIBUTE_VALUE 2
#define ATTRIBUTE_UNIT  3

static const uint8_t device_name_obis[COSEM_OBIS_SIZE] = {0, 0, 42, 0, 0, 255};
static const uint8_t serial_obis[COSEM_OBIS_SIZE] = {0, 0, 96, 1, 0, 255};
static const uint8_t clock_obis[COSEM_OBIS_SIZE] = {0, 0, 1, 0, 0, 255};
static const uint8_t energy_obis[COSEM_OBIS_SIZE] = {1, 0, 1, 8, 0, 255};

/* ---- association ---- */

static enum status associate(struct dlms_client *client)
{
    const struct cosem_associate_request request = {.conformance = COSEM_CONFORMANCE_ASKED,
                                                    .max_pdu_size = 1200};
    struct cosem_associate_response response;
    uint8_t out[MAX_REQUEST];
    struct bytes_writer writer = bytes_writer_over(out, sizeof out);
    const uint8_t *answer;
    size_t size;

    cosem_put_associate_request(&writer, &request);
    enum status status =
        hdlc_line_ask(&client->hdlc, "association (AARQ)", out, writer.size, &answer, &size);
    if (status != STATUS_OK)
        return status;
    if (cosem_get_associate_response(answer, size, &response) != CODEC_OK)
        return line_fail(client->line, STATUS_INVALID, "association: the answer is no AARE");
    if (response.result != 0)
        return line_fail(client->line, STATUS_REFUSED,
                         "association: refused by the meter (result %u, diagnostic %u)",
                         response.result, response.diagnostic);
    return STATUS_OK;
}

static enum status release(struct dlms_client *client)
{
    uint8_t out[MAX_REQUEST];
    struct bytes_writer writer = bytes_writer_over(out, sizeof out);
    const uint8_t *answer;
    size_t size;

    cosem_put_release_request(&writer);
    enum status status =
        hdlc_line_ask(&client->hdlc, "release (RLRQ)", out, writer.size, &answer, &size);
    if (status == STATUS_OK && answer[0] != COSEM_RLRE)
        return line_fail(client->line, STATUS_INVALID, "release: the answer is no RLRE");
    return status;
}

/* ---- GET ---- */

static enum status take_response(struct dlms_client *client, const char *what,
                                 const uint8_t *answer, size_t size,
                                 struct cosem_block_receiver *receiver, bool *more)
{
    struct cosem_get_response response;

    *more = false;
    if (cosem_get_get_response(answer, size, &response) != CODEC_OK)
        return line_fail(client->line, STATUS_INVALID, "%s: the answer is no GET response", what);
    if (response.access_result != COSEM_ACCESS_SUCCESS)
        return line_fail(client->line, STATUS_REFUSED,
                         "%s: refused by the meter (data-access-result %u)", what,
                         response.access_result);
    switch (cosem_block_receiver_take(receiver, &response)) {
    case CODEC_OK:
        return STATUS_OK;
    case CODEC_NEED_MORE:
        *more = true;
        return STATUS_OK;
    case CODEC_FULL:
        return line_fail(client->line, STATUS_FULL, "%s: the answer is too long", what);
    default:
        return line_fail(client->line, STATUS_INVALID, "%s: a block came out of order", what);
    }
}

enum status dlms_get(struct dlms_client *client, const char *what,
                     const struct cosem_attribute *attribute, const struct bytes_writer *access)
{
    struct cosem_get_request request = {
        .kind = COSEM_GET_NORMAL,
        .invoke = COSEM_INVOKE,
        .attribute = *attribute,
        .access_selector = access != NULL ? 1 : 0,
        .access = access != NULL ? access->data : NULL,
        .access_size = access != NULL ? access->size : 0,
    };
    struct cosem_block_receiver receiver = {.buffer = client->value,
                                            .capacity = sizeof client->value};
    bool more = true;

    while (more) {
        uint8_t out[MAX_REQUEST];
        struct bytes_writer writer = bytes_writer_over(out, sizeof out);
        const uint8_t *answer;
        size_t size;
        cosem_put_get_request(&writer, &request);
        if (writer.full)
            return line_fail(client->line, STATUS_FULL, "%s: the request is too long", what);
        enum status status = hdlc_line_ask(&client->hdlc, what, out, writer.size, &answer, &size);
        if (status == STATUS_OK)
            status = take_response(client, what, answer, size, &receiver, &more);
        if (status != STATUS_OK)
            return status;
        request = (struct cosem_get_request){
            .kind = COSEM_GET_NEXT, .invoke = COSEM_INVOKE, .block = receiver.block};
    }
    client->value_size = receiver.size;
    return STATUS_OK;
}

static enum status get_value(struct dlms_client *client, const char *what, uint16_t class_id,
                             const uint8_t obis[COSEM_OBIS_SIZE], struct cosem_value *value)
{
    struct cosem_attribute attribute = {.class_id = class_id, .attribute = ATTRIBUTE_VALUE};

    memcpy(attribute.obis, obis, COSEM_OBIS_SIZE);
    enum status status = dlms_get(client, what, &attribute, NULL);
    if (status != STATUS_OK)
        return status;
    struct bytes_reader reader = bytes_reader_over(client->value, client->value_size);
    if (cosem_get_value(&reader, value) != CODEC_OK)
        return line_fail(client->line, STATUS_INVALID, "%s: the value can't be read", what);
    return STATUS_OK;
}

/* ---- values ---- */

/* The units that electricity meters have (IEC 62056-6-2, table of units). */
static const char *unit_name(int64_t unit)
{
    switch (unit) {
    case 27:
        return "W";
    case 28:
        return "VA";
    case 29:
        return "var";
    case 30:
        return "Wh";
    case 31:
        return "VAh";
    case 32:
        return "varh";
    case 33:
        return "A";
    case 35:
        return "V";
    case 44:
        return "Hz";
    default:
        return "";
    }
}

enum status dlms_get_unit(struct dlms_client *client, const char *what, uint16_t class_id,
                          const uint8_t obis[COSEM_OBIS_SIZE], int *scaler, const char **unit)
{
    struct cosem_attribute attribute = {.class_id = class_id, .attribute = ATTRIBUTE_UNIT};
    struct cosem_value head;
    struct cosem_value power;
    struct cosem_value code;

    memcpy(attribute.obis, obis, COSEM_OBIS_SIZE);
    enum status status = dlms_get(client, what, &attribute, NULL);
    if (status != STATUS_OK)
        return status;
    struct bytes_reader reader = bytes_reader_over(client->value, client->value_size);
    if (cosem_get_value(&reader, &head) != CODEC_OK || head.tag != COSEM_STRUCTURE ||
        head.count != 2 || cosem_get_value(&reader, &power) != CODEC_OK ||
        cosem_get_value(&reader, &code) != CODEC_OK)
        return line_fail(client->line, STATUS_INVALID, "%s: no scaler and unit", what);
    *scaler = (int)power.integer;
    *unit = unit_name(code.integer);
    if (strcmp(*unit, "Wh") == 0) {
        *unit = "kWh";
        *scaler -= 3;
    }
    return STATUS_OK;
}

static bool format_time(const struct cosem_value *value, char out[READING_TEXT_SIZE])
{
    struct cosem_date_time time;

    if (value->bytes == NULL ||
        cosem_date_time_decode(value->bytes, value->size, &time) != CODEC_OK)
        return false;
    (void)snprintf(out, READING_TEXT_SIZE, "%04u-%02u-%02u %02u:%02u:%02u", time.year, time.month,
                   time.day, time.hour, time.minute, time.second);
    return true;
}

void dlms_format(const struct cosem_value *value, int scaler, char out[READING_TEXT_SIZE])
{
    switch (value->tag) {
    case COSEM_OCTET_STRING:
    case COSEM_DATE_TIME:
        if (format_time(value, out))
            return;
        reading_copy(out, value->bytes, value->size);
        return;
    case COSEM_VISIBLE_STRING:
    case COSEM_UTF8_STRING:
        reading_copy(out, value->bytes, value->size);
        return;
    case COSEM_NULL:
        reading_copy(out, "-", 1);
        return;
    case COSEM_FLOAT32:
    case COSEM_FLOAT64:
        (void)snprintf(out, READING_TEXT_SIZE, "%.6g", value->real);
        return;
    default:
        reading_format(value->integer, scaler, out);
    }
}

static enum status read_plain(struct dlms_client *client, const char *name, uint16_t class_id,
                              const uint8_t obis[COSEM_OBIS_SIZE])
{
    struct cosem_value value = {0};
    char text[READING_TEXT_SIZE];
    enum status status = get_value(client, name, class_id, obis, &value);

    if (status != STATUS_OK)
        return status;
    dlms_format(&value, 0, text);
    reading_add(client->reading, name, text, strlen(text), "");
    if (class_id == CLASS_CLOCK &&
        (value.bytes == NULL ||
         cosem_date_time_decode(value.bytes, value.size, &client->clock) != CODEC_OK))
        return line_fail(client->line, STATUS_INVALID, "clock: %s is no time", text);
    return STATUS_OK;
}

static enum status read_energy(struct dlms_client *client)
{
    static const char name[] = "active energy import total";
    struct cosem_value value = {0};
    char text[READING_TEXT_SIZE];
    const char *unit = "";
    int scaler = 0;
    enum status status = dlms_get_unit(client, name, CLASS_REGISTER, energy_obis, &scaler, &unit);

    if (status == STATUS_OK)
        status = get_value(client, name, CLASS_REGISTER, energy_obis, &value);
    if (status != STATUS_OK)
        return status;
    dlms_format(&value, scaler, text);
    reading_add(client->reading, name, text, strlen(text), unit);
    return STATUS_OK;
}

static enum status read_all(struct dlms_client *client, bool profile)
{
    enum status status = associate(client);

    if (status == STATUS_OK)
        status = read_plain(client, "meter", CLASS_DATA, device_name_obis);
    if (status == STATUS_OK)
        status = read_plain(client, "serial", CLASS_DATA, serial_obis);
    if (status == STATUS_OK)
        status = read_plain(client, "clock", CLASS_CLOCK, clock_obis);
    if (status == STATUS_OK)
        status = read_energy(client);
    if (status == STATUS_OK && profile)
        status = dlms_read_profile(client);
    if (status == STATUS_OK)
        status = release(client);
    if (status == STATUS_OK)
        status = hdlc_line_disconnect(&client->hdlc);
    return status;
}

enum status dlms_read(struct line *line, bool profile, uint32_t connect_wait_ms,
                      struct reading *reading, bool *answered)
{
    struct dlms_client *client = calloc(1, sizeof *client);

    *answered = false;
    if (client == NULL)
        return line_fail(line, STATUS_NO_MEMORY, "out of memory");
    client->line = line;
    client->reading = reading;
    client->hdlc.line = line;
    client->hdlc.client = (struct hdlc_address){.upper = CLIENT_PUBLIC, .size = 1};
    client->hdlc.meter = (struct hdlc_address){.upper = METER_LOGICAL, .size = 1};
    reading->protocol = "dlms";
    enum status status = hdlc_line_connect(&client->hdlc, connect_wait_ms);
    if (status == STATUS_OK) {
        *answered = true;
        status = read_all(client, profile);
    }
    free(client);
    return status;
}
