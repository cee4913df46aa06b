/* Reads a meter through a TCP port as if by cable, and prints its values. See reader --help. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/reader/dlms.h"
#include "bench/reader/iec.h"
#include "bench/reader/line.h"
#include "bench/reader/reading.h"

#define AUTO_SHARE   6     /* of the time for an answer: how long `auto` waits for a DLMS meter */
#define AUTO_WAIT_MS 2000u /* at least: longer than meters wait for the rest of a message */

enum meter { METER_AUTO, METER_DLMS, METER_IEC };

struct options {
    const char *address;
    enum meter meter;
    uint32_t timeout_s;
    bool json;
    bool profile;
    bool trace;
};

static const char help_text[] =
    "usage: reader --connect HOST:PORT [options]\n"
    "Reads the meter behind a TCP port and prints its values.\n"
    "\n"
    "  --meter KIND     dlms (HDLC, public client), iec (62056-21) or auto: DLMS, then IEC\n"
    "                   (default auto)\n"
    "  --profile        also the load profile of the last 24 hours (DLMS)\n"
    "  --timeout-s N    longest wait for each answer (default 30)\n"
    "  --json           print JSON\n"
    "  --trace          the bytes both ways to stderr\n"
    "\n"
    "Ends with 0 if everything was read, 1 if not, 2 for a wrong option.\n";

static int wrong(const char *name, const char *value, const char *expected)
{
    (void)fprintf(stderr, "reader: --%s %s: expected %s\n", name, value, expected);
    return -1;
}

static int take_meter(const char *name, enum meter *meter)
{
    static const char *const names[] = {"auto", "dlms", "iec"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *meter = (enum meter)i;
            return 0;
        }
    }
    return wrong("meter", name, "dlms, iec or auto");
}

static int take_timeout(const char *text, uint32_t *timeout_s)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || number < 1 || number > 3600)
        return wrong("timeout-s", text, "a number from 1 to 3600");
    *timeout_s = (uint32_t)number;
    return 0;
}

/* 0: go on; else the process ends with *status. */
static int parse(int argc, char **argv, struct options *options, int *status)
{
    static const struct option names[] = {
        {"connect", required_argument, NULL, 'c'},
        {"meter", required_argument, NULL, 'm'},
        {"timeout-s", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {"profile", no_argument, NULL, 'p'},
        {"trace", no_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int id;

    *status = 2;
    while ((id = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (id) {
        case 'c':
            options->address = optarg;
            break;
        case 'm':
            if (take_meter(optarg, &options->meter) < 0)
                return -1;
            break;
        case 't':
            if (take_timeout(optarg, &options->timeout_s) < 0)
                return -1;
            break;
        case 'j':
            options->json = true;
            break;
        case 'p':
            options->profile = true;
            break;
        case 'x':
            options->trace = true;
            break;
        case 'h':
            (void)fputs(help_text, stdout);
            *status = 0;
            return -1;
        default:
            return -1;
        }
    }
    if (optind == argc && options->address != NULL)
        return 0;
    (void)fputs("reader: --connect HOST:PORT is needed; --help says more\n", stderr);
    return -1;
}

static enum status read_meter(const struct options *options, struct line *line,
                              struct reading *reading)
{
    uint32_t wait_ms = line->timeout_ms;
    enum status status = STATUS_NOT_FOUND;
    bool answered = false;

    if (options->meter == METER_AUTO) {
        wait_ms /= AUTO_SHARE;
        if (wait_ms < AUTO_WAIT_MS)
            wait_ms = AUTO_WAIT_MS;
    }
    if (options->meter != METER_IEC)
        status = dlms_read(line, options->profile, wait_ms, reading, &answered);
    if (options->meter == METER_DLMS || answered || status != STATUS_NOT_FOUND)
        return status;
    status = iec_read(line, reading);
    if (status == STATUS_NOT_FOUND && reading->value_count == 0 && options->meter == METER_AUTO)
        return line_fail(line, status, "no answer in time, neither to DLMS nor to IEC 62056-21");
    if (status == STATUS_OK && options->profile)
        (void)fputs("reader: a load profile is read from DLMS meters only\n", stderr);
    return status;
}

int main(int argc, char **argv)
{
    static struct reading reading;
    struct options options = {.timeout_s = 30};
    struct line line = {.socket = -1};
    int exit_code;

    if (parse(argc, argv, &options, &exit_code) < 0)
        return exit_code;
    line.timeout_ms = options.timeout_s * 1000;
    line.trace = options.trace;
    enum status status = line_open(&line, options.address);
    if (status == STATUS_OK)
        status = read_meter(&options, &line, &reading);
    line_close(&line);
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "reader: %s: %s\n", options.address, line.error);
        return 1;
    }
    if (options.json)
        reading_print_json(&reading);
    else
        reading_print(&reading);
    return 0;
}
