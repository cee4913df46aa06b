#include "bench/reader/iec.h"

#include <stdio.h>
#include <string.h>

#include "codec/iec62056_21/iec62056_21.h"

#define NAME_SIZE 8u

struct iec_client {
    struct line *line;
    struct reading *reading;
    struct iec21_scanner scanner;
    struct iec21_message message; /* the last answer */
    uint8_t received[512];        /* what the scanner has not taken yet */
    size_t received_size;
    size_t taken;
};

static enum status send_written(struct iec_client *client, const struct bytes_writer *writer)
{
    client->received_size = 0; /* what came unasked is no answer */
    client->taken = 0;
    return line_send(client->line, writer->data, writer->size);
}

/* Waits for a message of this kind. */
static enum status wait_for(struct iec_client *client, enum iec21_kind kind, const char *what)
{
    struct line *line = client->line;
    uint64_t until_ms = line_now_ms() + line->timeout_ms;

    for (;;) {
        bool found;
        client->taken +=
            iec21_scanner_feed(&client->scanner, client->received + client->taken,
                               client->received_size - client->taken, &client->message, &found);
        if (found && client->message.kind == kind)
            return STATUS_OK;
        if (found && client->message.kind == IEC21_NAK)
            return line_fail(line, STATUS_REFUSED, "%s: the meter refused it", what);
        if (found || client->taken < client->received_size)
            continue;
        client->taken = 0;
        client->received_size = 0;
        enum status status = line_receive(line, until_ms, client->received, sizeof client->received,
                                          &client->received_size);
        if (status == STATUS_NOT_FOUND && client->scanner.failed_checks > 0)
            return line_fail(line, status, "%s: the answer's block check is wrong", what);
        if (status == STATUS_NOT_FOUND)
            return line_fail(line, status, "%s: no answer in time", what);
        if (status != STATUS_OK)
            return status;
    }
}

static enum status sign_on(struct iec_client *client)
{
    uint8_t out[32];
    struct bytes_writer writer = bytes_writer_over(out, sizeof out);

    iec21_put_sign_on(&writer, "");
    enum status status = send_written(client, &writer);
    if (status == STATUS_OK)
        status = wait_for(client, IEC21_IDENTIFICATION, "sign-on (/?!)");
    if (status != STATUS_OK)
        return status;
    char text[READING_TEXT_SIZE];
    int size = snprintf(text, sizeof text, "%s %.*s", client->message.maker,
                        (int)client->message.text_size, client->message.text);
    reading_add(client->reading, "meter", text, (size_t)size < sizeof text ? (size_t)size : 0, "");
    writer = bytes_writer_over(out, sizeof out);
    iec21_put_option(&writer, '0', client->message.baud, '1');
    status = send_written(client, &writer);
    if (status == STATUS_OK)
        status = wait_for(client, IEC21_COMMAND, "programming mode");
    return status;
}

/* Reads a parameter; its first value is copied to out. */
static enum status read_value(struct iec_client *client, const char *name,
                              char out[READING_TEXT_SIZE])
{
    uint8_t request[32];
    struct bytes_writer writer = bytes_writer_over(request, sizeof request);
    char text[NAME_SIZE + 3];
    const char *value;
    size_t size;

    (void)snprintf(text, sizeof text, "%s()", name);
    iec21_put_command(&writer, IEC21_CHECK_SUM, "R1", text);
    enum status status = send_written(client, &writer);
    if (status == STATUS_OK)
        status = wait_for(client, IEC21_DATA, name);
    if (status != STATUS_OK)
        return status;
    if (!iec21_value(client->message.text, client->message.text_size, name, 0, &value, &size)) {
        reading_copy(out, client->message.text, client->message.text_size);
        return line_fail(client->line, STATUS_REFUSED, "%s: the meter answered %s", name, out);
    }
    reading_copy(out, value, size);
    return STATUS_OK;
}

/* DATE_ is weekday.dd.mm.yy, TIME_ hh:mm:ss. */
static enum status read_clock(struct iec_client *client)
{
    char date[READING_TEXT_SIZE];
    char time[READING_TEXT_SIZE];
    char text[2 * READING_TEXT_SIZE];
    unsigned day;
    unsigned month;
    unsigned year;
    enum status status = read_value(client, "DATE_", date);

    if (status == STATUS_OK)
        status = read_value(client, "TIME_", time);
    if (status != STATUS_OK)
        return status;
    // NOLINTNEXTLINE(cert-err34-c): two digits each
    if (sscanf(date, "%*2u.%2u.%2u.%2u", &day, &month, &year) != 3)
        return line_fail(client->line, STATUS_INVALID, "DATE_: %s is no date", date);
    int size = snprintf(text, sizeof text, "20%02u-%02u-%02u %s", year, month, day, time);
    reading_add(client->reading, "clock", text, (size_t)size, "");
    return STATUS_OK;
}

enum status iec_read(struct line *line, struct reading *reading)
{
    static const char serial[] = "SNUMB";
    static const char energy[] = "ET0PE";
    struct iec_client client = {.line = line, .reading = reading};
    char text[READING_TEXT_SIZE];
    uint8_t out[16];
    struct bytes_writer writer = bytes_writer_over(out, sizeof out);

    reading->protocol = "iec";
    client.scanner.check = IEC21_CHECK_SUM;
    client.scanner.strip_parity = true;
    enum status status = sign_on(&client);
    if (status == STATUS_OK)
        status = read_value(&client, serial, text);
    if (status != STATUS_OK)
        return status;
    reading_add(reading, "serial", text, strlen(text), "");
    status = read_clock(&client);
    if (status == STATUS_OK)
        status = read_value(&client, energy, text);
    if (status != STATUS_OK)
        return status;
    reading_add(reading, "active energy import total", text, strlen(text), "kWh");
    iec21_put_command(&writer, IEC21_CHECK_SUM, "B0", NULL);
    return send_written(&client, &writer);
}
