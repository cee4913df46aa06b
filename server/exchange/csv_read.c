#include "server/exchange/csv_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/exchange/csv.h"

enum column {
    COLUMN_SERIAL,
    COLUMN_SCOPE,
    COLUMN_PROJECT,
    COLUMN_GROUP,
    COLUMN_CHANNEL,
    COLUMN_HOST,
    COLUMN_PORT,
    COLUMN_EXCLUSIVE,
    COLUMNS
};

static const char *const column_names[COLUMNS] = {"serial",  "scope", "project", "group",
                                                  "channel", "host",  "port",    "exclusive"};

struct reading {
    struct exchange *exchange;
    struct csv csv;
    const char *project; /* of rows that name none */
    size_t columns;
    int which[CSV_FIELDS_MAX];   /* enum column */
    int places[COLUMNS];         /* the field's number, from 0; -1: it isn't there */
    struct names_index channels; /* by name and by host:port */
    enum status status;
};

/* ---- faults ---- */

static void fault(struct reading *reading, int field, const char *text)
{
    struct exchange_fault *kept = exchange_fault(&reading->exchange->faults, "%s", text);

    kept->line = reading->csv.line;
    kept->column = field >= 0 ? (uint32_t)field + 1 : 0;
    if (field >= 0 && (size_t)field < reading->columns)
        (void)snprintf(kept->path, sizeof(kept->path), "%s", column_names[reading->which[field]]);
}

static void fault_in(struct reading *reading, enum column column, const char *text)
{
    fault(reading, reading->places[column], text);
}

static const char *field(const struct reading *reading, enum column column)
{
    int place = reading->places[column];

    return place >= 0 ? reading->csv.fields[place] : "";
}

static const char *keep(struct reading *reading, const char *text)
{
    const char *kept = arena_text(&reading->exchange->arena, text, strlen(text));

    if (kept == NULL)
        reading->status = STATUS_NO_MEMORY;
    return kept;
}

/* ---- columns ---- */

static void take_column(struct reading *reading, size_t at)
{
    const char *name = reading->csv.fields[at];

    for (int i = 0; i < COLUMNS; i++) {
        if (strcasecmp(name, column_names[i]) != 0)
            continue;
        if (reading->places[i] >= 0)
            fault(reading, (int)at, "this column is there twice");
        reading->places[i] = (int)at;
        reading->which[at] = i;
        return;
    }
    fault(reading, (int)at, "the first row names columns: " CSV_COLUMNS " are known");
}

/* False: nothing can be read without it. */
static bool read_columns(struct reading *reading)
{
    const char *wrong = NULL;
    enum csv_next next = csv_next(&reading->csv, &wrong);

    memset(reading->places, 0xff, sizeof(reading->places));
    if (next == CSV_BAD)
        fault(reading, (int)reading->csv.count - 1, wrong);
    if (next == CSV_END)
        (void)exchange_fault(&reading->exchange->faults, "the file is empty");
    for (size_t i = 0; next == CSV_ROW && i < reading->csv.count; i++)
        take_column(reading, i);
    reading->columns = reading->exchange->faults.found == 0 ? reading->csv.count : 0;
    if (reading->columns == 0)
        return false;
    if (reading->places[COLUMN_SERIAL] < 0)
        fault(reading, -1, "the column serial is missing");
    if (reading->places[COLUMN_GROUP] >= 0 && reading->places[COLUMN_PROJECT] < 0 &&
        reading->project[0] == '\0')
        fault(reading, -1, "groups are inside of projects: the column project is missing");
    if ((reading->places[COLUMN_HOST] < 0) != (reading->places[COLUMN_PORT] < 0))
        fault(reading, -1, "host and port belong together");
    if (reading->places[COLUMN_HOST] < 0 &&
        (reading->places[COLUMN_CHANNEL] >= 0 || reading->places[COLUMN_EXCLUSIVE] >= 0))
        fault(reading, -1, "channel and exclusive say nothing without host and port");
    return reading->exchange->faults.found == 0;
}

/* ---- rows ---- */

static void take_place(struct reading *reading, struct exchange_device *device)
{
    struct exchange *exchange = reading->exchange;
    const char *project = field(reading, COLUMN_PROJECT);
    const char *group = field(reading, COLUMN_GROUP);

    if (project[0] == '\0')
        project = reading->project;
    device->has_place = reading->places[COLUMN_PROJECT] >= 0 || reading->project[0] != '\0';
    device->has_group = reading->places[COLUMN_GROUP] >= 0;
    if (project[0] == '\0' && group[0] != '\0')
        fault_in(reading, COLUMN_GROUP, "a group is inside of a project, which is missing");
    if (project[0] == '\0')
        return;
    if (!exchange_project_called(exchange, project, strlen(project), &device->place,
                                 &device->project) ||
        (group[0] != '\0' && !exchange_group_called(exchange, device->project, group, strlen(group),
                                                    &device->place, &device->group)))
        reading->status = STATUS_FULL;
}

static uint16_t read_port(const char *text)
{
    long number = strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text)
                      ? strtol(text, NULL, 10)
                      : 0;

    return number >= 1 && number <= UINT16_MAX ? (uint16_t)number : 0;
}

/* False: it is neither. */
static bool read_yes(const char *text, bool *yes)
{
    static const char *const words[] = {"", "no", "false", "0", "yes", "true", "1"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *yes = i > 3;
            return true;
        }
    }
    return false;
}

static void compare_channel(struct reading *reading, const struct exchange_channel *channel,
                            const struct exchange_channel *row)
{
    if (strcasecmp(channel->host, row->host) != 0 || channel->port != row->port)
        fault_in(reading, COLUMN_CHANNEL, "the channel has another host or port in another row");
    else if (strcmp(channel->name, row->name) != 0)
        fault_in(reading, COLUMN_CHANNEL, "host and port have another channel in another row");
    else if (channel->exclusive != row->exclusive)
        fault_in(reading, COLUMN_EXCLUSIVE, "the channel is said otherwise in another row");
}

/* Enters both or neither: who finds one of them finds a channel. */
static void add_channel(struct reading *reading, const struct exchange_channel *row,
                        const char *address)
{
    struct exchange *exchange = reading->exchange;
    uint32_t number = (uint32_t)exchange->channel_count;
    const char *name = keep(reading, row->name);
    const char *host = keep(reading, row->host);
    const char *kept_address = keep(reading, address);

    if (name == NULL || host == NULL || kept_address == NULL)
        return;
    struct exchange_channel *channel = exchange_add_channel(exchange);
    if (channel == NULL) {
        reading->status = STATUS_FULL;
        return;
    }
    *channel = *row;
    channel->name = name;
    channel->host = host;
    if (names_index_add(&reading->channels, &exchange->arena, 0, name, &number) != STATUS_OK ||
        names_index_add(&reading->channels, &exchange->arena, 1, kept_address, &number) !=
            STATUS_OK)
        reading->status = STATUS_NO_MEMORY;
}

/* The channel by its name or its address; made if there is none. */
static void enter_channel(struct reading *reading, struct exchange_device *device,
                          const struct exchange_channel *row, const char *address)
{
    struct exchange *exchange = reading->exchange;

    device->channel = (uint32_t)exchange->channel_count;
    if (names_index_find(&reading->channels, 0, row->name, &device->channel) ||
        names_index_find(&reading->channels, 1, address, &device->channel))
        compare_channel(reading, &exchange->channels[device->channel], row);
    else
        add_channel(reading, row, address);
}

static void take_channel(struct reading *reading, struct exchange_device *device)
{
    struct exchange_channel row = {.name = field(reading, COLUMN_CHANNEL),
                                   .host = field(reading, COLUMN_HOST),
                                   .port = read_port(field(reading, COLUMN_PORT)),
                                   .project = EXCHANGE_NONE,
                                   .has_exclusive = reading->places[COLUMN_EXCLUSIVE] >= 0,
                                   .place = device->place};
    char address[CSV_FIELD_SIZE + 8];

    if (row.host[0] == '\0') {
        if (row.name[0] != '\0' || field(reading, COLUMN_PORT)[0] != '\0')
            fault_in(reading, COLUMN_HOST, "the host is missing");
        return;
    }
    if (row.port == 0) {
        fault_in(reading, COLUMN_PORT, "this is no number from 1 to 65535");
        return;
    }
    if (!read_yes(field(reading, COLUMN_EXCLUSIVE), &row.exclusive)) {
        fault_in(reading, COLUMN_EXCLUSIVE, "this is neither yes nor no");
        return;
    }
    (void)snprintf(address, sizeof(address), "%s:%u", row.host, row.port);
    row.is_named = row.name[0] != '\0';
    if (!row.is_named)
        row.name = address;
    device->has_channel = true;
    enter_channel(reading, device, &row, address);
}

static void take_row(struct reading *reading)
{
    struct exchange *exchange = reading->exchange;
    char text[EXCHANGE_FAULT_TEXT];

    if (reading->csv.count != reading->columns) {
        (void)snprintf(text, sizeof(text), "there are %zu fields, but %zu columns",
                       reading->csv.count, reading->columns);
        fault(reading, -1, text);
        return;
    }
    struct exchange_device *device = exchange_add_device(exchange);
    if (device == NULL) {
        reading->status = STATUS_FULL;
        return;
    }
    device->place.outer = reading->csv.line;
    device->serial = keep(reading, field(reading, COLUMN_SERIAL));
    device->scope = NULL;
    if (field(reading, COLUMN_SCOPE)[0] != '\0')
        device->scope = keep(reading, field(reading, COLUMN_SCOPE));
    if (reading->status != STATUS_OK)
        return;
    if (!exchange_check_serial(exchange, device, text)) {
        if (text[0] != '\0')
            fault_in(reading, COLUMN_SERIAL, text);
        else
            reading->status = STATUS_NO_MEMORY;
        return;
    }
    take_place(reading, device);
    take_channel(reading, device);
}

enum status csv_read(const char *text, size_t size, const char *project, struct exchange *exchange)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    const char *wrong = NULL;
    enum csv_next next = CSV_END;

    if (reading == NULL)
        return STATUS_NO_MEMORY;
    reading->exchange = exchange;
    reading->project = project;
    exchange->format = EXCHANGE_CSV;
    exchange->text = text;
    exchange->size = size;
    csv_open(&reading->csv, text, size);
    bool good = read_columns(reading);
    while (good && reading->status == STATUS_OK &&
           (next = csv_next(&reading->csv, &wrong)) != CSV_END) {
        if (next == CSV_ROW)
            take_row(reading);
        else
            fault(reading, (int)reading->csv.count - 1, wrong);
    }
    enum status status = reading->status;
    names_index_free(&reading->channels);
    explicit_bzero(reading, sizeof(*reading));
    free(reading);
    return status;
}
