/* Channels, protocols and devices of a ceHes file, one at a time. */
#include <stdio.h>
#include <string.h>

#include "server/exchange/cehes_internal.h"

static const char *keep(const struct cehes_element *element, const char *text)
{
    const char *kept = arena_text(&element->cehes->exchange->arena, text, strlen(text));

    (void)cehes_has(element->cehes, kept);
    return kept;
}

/* Its Id is new in its list. */
static bool enter_id(const struct cehes_element *element, struct names_index *index, const char *id,
                     uint32_t number)
{
    const char *kept = keep(element, id);

    if (strlen(id) > EXCHANGE_ID_MAX)
        cehes_fault(element, "Id", "this has more than 95 bytes");
    if (kept == NULL || strlen(id) > EXCHANGE_ID_MAX)
        return false;
    enum status status = names_index_add(index, &element->cehes->exchange->arena, 0, kept, &number);
    if (status == STATUS_EXISTS)
        cehes_fault(element, "Id", "this Id is there twice");
    else if (status != STATUS_OK)
        element->cehes->status = status;
    return status == STATUS_OK;
}

/* Channels are known by their name. */
static bool enter_name(const struct cehes_element *element, const char *name)
{
    struct exchange *exchange = element->cehes->exchange;
    uint32_t number = 0;
    const char *kept = keep(element, name);

    return kept != NULL && names_index_add(&exchange->channel_names, &exchange->arena, 0, kept,
                                           &number) == STATUS_OK;
}

static void keep_piece(const struct cehes_element *element, enum exchange_piece_kind kind,
                       const char *id)
{
    struct exchange_piece *piece = exchange_add_piece(element->cehes->exchange);

    if (piece == NULL) {
        element->cehes->status = STATUS_FULL;
        return;
    }
    piece->kind = kind;
    piece->place = element->place;
    piece->key = keep(element, id);
    piece->details = cehes_details(element, element->slice.text, element->slice.size);
}

/* ---- channels ---- */

/* Settings are a text with JSON, or an object as it is. To be released. */
static json_t *read_settings(const struct cehes_element *element)
{
    json_t *settings = json_object_get(element->value, "Settings");

    if (json_is_object(settings))
        return json_incref(settings);
    json_t *parsed = json_is_string(settings)
                         ? json_loadb(json_string_value(settings), json_string_length(settings),
                                      JSON_REJECT_DUPLICATES, NULL)
                         : NULL;
    if (json_is_object(parsed))
        return parsed;
    json_decref(parsed);
    cehes_fault(element, "Settings", "this is no text that holds a JSON object");
    return NULL;
}

/* 1 to 65535, as a number or a text; 0: it is none. */
static uint16_t read_port(const json_t *value)
{
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;
    const char *text = json_string_value(value);

    if (text != NULL && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text))
        for (; *text != '\0'; text++)
            number = number * 10 + (*text - '0');
    return number >= 1 && number <= UINT16_MAX ? (uint16_t)number : 0;
}

static void read_tcp(struct cehes_element *element, const char *id)
{
    struct exchange *exchange = element->cehes->exchange;
    const char *name = cehes_needed(element, "Name");
    bool exclusive = cehes_bool(element, element->value, "IsExclusive", false);
    json_t *settings = read_settings(element);
    const char *host = json_string_value(json_object_get(settings, CEHES_TCP_ADDRESS));
    uint16_t port = read_port(json_object_get(settings, CEHES_TCP_PORT));

    if (name != NULL && settings != NULL && !enter_name(element, name))
        cehes_fault(element, "Name", "another channel has this Name already");
    else if (settings != NULL && (host == NULL || host[0] == '\0'))
        cehes_fault(element, "Settings." CEHES_TCP_ADDRESS, "this is missing");
    else if (settings != NULL && port == 0)
        cehes_fault(element, "Settings." CEHES_TCP_PORT, "this is no number from 1 to 65535");
    else if (settings != NULL && name != NULL &&
             enter_id(element, &element->cehes->channels, id, (uint32_t)exchange->channel_count)) {
        struct exchange_channel *channel = exchange_add_channel(exchange);
        if (channel != NULL) {
            *channel = (struct exchange_channel){.name = keep(element, name),
                                                 .host = keep(element, host),
                                                 .port = port,
                                                 .exclusive = exclusive,
                                                 .is_named = true,
                                                 .has_exclusive = true,
                                                 .place = element->place};
            channel->details = cehes_details(element, element->slice.text, element->slice.size);
        } else {
            element->cehes->status = STATUS_FULL;
        }
    }
    json_decref(settings);
}

/* The text of Settings must be JSON whatever the type, or passwords in it could not be found. */
static bool check_settings(const struct cehes_element *element)
{
    const json_t *value = json_object_get(element->value, "Settings");

    if (value == NULL || json_is_null(value) || json_string_length(value) == 0)
        return json_is_object(value) || value == NULL || json_is_null(value) ||
               json_is_string(value);
    json_t *settings = read_settings(element);
    json_decref(settings);
    return settings != NULL;
}

void cehes_read_channel(struct cehes_element *element)
{
    struct exchange *exchange = element->cehes->exchange;
    const char *id = cehes_needed(element, "Id");
    const char *type = cehes_needed(element, "Type");

    if (id == NULL || type == NULL)
        return;
    if (strcmp(type, CEHES_TCP) == 0)
        read_tcp(element, id);
    else if (check_settings(element) && enter_id(element, &element->cehes->channels, id,
                                                 CEHES_OTHER | (uint32_t)exchange->piece_count))
        keep_piece(element, EXCHANGE_PIECE_CHANNEL, id);
}

/* ---- protocols ---- */

void cehes_read_protocol(struct cehes_element *element)
{
    const char *id = cehes_needed(element, "Id");

    if (id != NULL && check_settings(element) &&
        enter_id(element, &element->cehes->protocols, id,
                 (uint32_t)element->cehes->exchange->piece_count))
        keep_piece(element, EXCHANGE_PIECE_PROTOCOL, id);
}

/* ---- devices ---- */

/* The channel of a line; EXCHANGE_NONE: none, or none that the server has a use for. */
static uint32_t line_channel(const struct cehes_element *element, size_t at, const json_t *line)
{
    const json_t *id = json_object_get(line, "ChannelId");
    const json_t *enabled = json_object_get(line, "Enabled");
    char field[64];
    uint32_t number = EXCHANGE_NONE;

    (void)snprintf(field, sizeof(field), "CommLines[%zu]", at);
    if (!json_is_object(line)) {
        cehes_fault(element, field, "this is no object");
        return EXCHANGE_NONE;
    }
    if (id == NULL || json_is_null(id))
        return EXCHANGE_NONE;
    (void)snprintf(field, sizeof(field), "CommLines[%zu].ChannelId", at);
    if (!json_is_string(id))
        cehes_fault(element, field, "this is no text");
    else if (!names_index_find(&element->cehes->channels, 0, json_string_value(id), &number))
        cehes_fault(element, field, "there is no channel of this Id in the file");
    return (number & CEHES_OTHER) != 0 || json_is_false(enabled) ? EXCHANGE_NONE : number;
}

static uint32_t read_lines(const struct cehes_element *element)
{
    const json_t *lines = json_object_get(element->value, "CommLines");
    uint32_t channel = EXCHANGE_NONE;
    size_t i;
    json_t *line;

    if (lines != NULL && !json_is_null(lines) && !json_is_array(lines))
        cehes_fault(element, "CommLines", "this is no array");
    json_array_foreach((json_t *)lines, i, line)
    {
        uint32_t number = line_channel(element, i, line);
        if (channel == EXCHANGE_NONE)
            channel = number;
    }
    return channel;
}

void cehes_read_device(struct cehes_element *element)
{
    struct exchange *exchange = element->cehes->exchange;
    char fault[EXCHANGE_FAULT_TEXT];

    const char *serial = cehes_needed(element, "SerialNumber");
    uint32_t channel = read_lines(element);
    if (serial == NULL)
        return;
    struct exchange_device *device = exchange_add_device(exchange);
    if (device == NULL) {
        element->cehes->status = STATUS_FULL;
        return;
    }
    device->serial = keep(element, serial);
    device->project = 0;
    device->group = element->group;
    device->channel = channel;
    device->has_place = true;
    device->has_group = true;
    device->has_channel = channel != EXCHANGE_NONE;
    device->place = element->place;
    if (device->serial == NULL)
        return;
    if (exchange_check_serial(exchange, device, fault))
        device->details = cehes_details(element, element->slice.text, element->slice.size);
    else if (fault[0] != '\0')
        cehes_fault(element, "SerialNumber", fault);
    else
        element->cehes->status = STATUS_NO_MEMORY;
}
