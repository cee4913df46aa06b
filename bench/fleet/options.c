#include "bench/fleet/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_IMEI 868441030000001u
#define MAX_IMEI   999999999999999u /* 15 digits */

enum option_id {
    OPTION_SERVER = 256,
    OPTION_DEVICES,
    OPTION_FIRST_IMEI,
    OPTION_ENCAPSULATED,
    OPTION_METER,
    OPTION_KEEPALIVE,
    OPTION_RATE,
    OPTION_RECONNECT,
    OPTION_FLAP,
    OPTION_KEEPALIVE_IN_ANSWERS,
    OPTION_FRAGMENT,
    OPTION_DURATION,
    OPTION_SEED,
    OPTION_NEIGHBOURHOOD,
    OPTION_GASP,
    OPTION_SOURCE,
    OPTION_SLOTS,
    OPTION_JSON,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"server", required_argument, NULL, OPTION_SERVER},
    {"devices", required_argument, NULL, OPTION_DEVICES},
    {"first-imei", required_argument, NULL, OPTION_FIRST_IMEI},
    {"encapsulated", required_argument, NULL, OPTION_ENCAPSULATED},
    {"meter", required_argument, NULL, OPTION_METER},
    {"keepalive-s", required_argument, NULL, OPTION_KEEPALIVE},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"reconnect-s", required_argument, NULL, OPTION_RECONNECT},
    {"flap", required_argument, NULL, OPTION_FLAP},
    {"keepalive-in-answers", required_argument, NULL, OPTION_KEEPALIVE_IN_ANSWERS},
    {"fragment", no_argument, NULL, OPTION_FRAGMENT},
    {"duration-s", required_argument, NULL, OPTION_DURATION},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"neighbourhood", required_argument, NULL, OPTION_NEIGHBOURHOOD},
    {"gasp", required_argument, NULL, OPTION_GASP},
    {"source", required_argument, NULL, OPTION_SOURCE},
    {"slots", required_argument, NULL, OPTION_SLOTS},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static const char help_text[] =
    "usage: fleet --server HOST:PORT [options]\n"
    "Simulates iRZ modems that dial in, each with a meter behind it.\n"
    "\n"
    "  --devices N               modems (default 100)\n"
    "  --first-imei IMEI         of the first; the others count up (default 868441030000001)\n"
    "  --encapsulated PERCENT    modems that encapsulate, COLPROT (default 0)\n"
    "  --meter KIND              dlms, iec, mixed (first DLMS, second IEC 62056-21, ...),\n"
    "                            echo (sends back what comes) or none (default mixed)\n"
    "  --keepalive-s N           a keepalive after so many idle seconds, 0: none (default 60)\n"
    "  --rate N                  connects per second (default 1000)\n"
    "  --reconnect-s MIN,MAX     a modem that lost its link returns after (default 5,10)\n"
    "  --flap N                  N further modems with the IMEIs of the first ones\n"
    "  --keepalive-in-answers P  percent of answers with a keepalive inside (default 0)\n"
    "  --fragment                answers in random pieces\n"
    "  --duration-s N            end after N seconds (default 0: at SIGINT or SIGTERM)\n"
    "  --seed N                  of everything random (default 1)\n"
    "  --neighbourhood N         the first N lose power at SIGUSR1, have it back at SIGUSR2\n"
    "                            (default 0)\n"
    "  --gasp HOST:PORT          where they tell it first: PWRFAIL,IMEI in a datagram\n"
    "  --source CIDR             connect from its addresses, 10,000 devices each\n"
    "                            (default 127.0.0.0/8 if the server is there)\n"
    "  --slots N                 modems per thread (default: RLIMIT_NOFILE)\n"
    "  --json                    a summary in JSON at the end\n";

static int wrong(const char *name, const char *value, const char *expected)
{
    (void)fprintf(stderr, "fleet: --%s %s: expected %s\n", name, value, expected);
    return -1;
}

static int take_number(const char *name, const char *text, uint64_t low, uint64_t high,
                       uint64_t *number)
{
    char *end;
    char expected[64];

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && text[0] != '-' && *number >= low &&
        *number <= high)
        return 0;
    (void)snprintf(expected, sizeof expected, "a number from %llu to %llu", (unsigned long long)low,
                   (unsigned long long)high);
    return wrong(name, text, expected);
}

static int take_u32(const char *name, const char *text, uint32_t low, uint32_t high, uint32_t *out)
{
    uint64_t number;

    if (take_number(name, text, low, high, &number) < 0)
        return -1;
    *out = (uint32_t)number;
    return 0;
}

static int take_address(const char *name, const char *text, struct address *address)
{
    if (address_parse(text, address) == STATUS_OK && address->port != 0)
        return 0;
    return wrong(name, text, "an address like 127.0.0.1:5009");
}

static int take_reconnect(const char *text, struct fleet_options *options)
{
    unsigned low;
    unsigned high;
    char rest;

    // NOLINTNEXTLINE(cert-err34-c): a number too large is out of range below
    if (sscanf(text, "%u,%u%c", &low, &high, &rest) != 2 || low > high || high > 86400)
        return wrong("reconnect-s", text, "two numbers of seconds, MIN,MAX");
    options->reconnect_min_s = low;
    options->reconnect_max_s = high;
    return 0;
}

static int take_option(int id, const char *name, const char *text, struct fleet_options *options)
{
    switch (id) {
    case OPTION_SERVER:
        return take_address(name, text, &options->server);
    case OPTION_DEVICES:
        return take_u32(name, text, 1, 10000000, &options->devices);
    case OPTION_FIRST_IMEI:
        return take_number(name, text, 1, MAX_IMEI, &options->first_imei);
    case OPTION_ENCAPSULATED:
        return take_u32(name, text, 0, 100, &options->encapsulated_percent);
    case OPTION_METER:
        if (meter_choice_parse(text, &options->meter))
            return 0;
        return wrong(name, text, "dlms, iec, mixed, echo or none");
    case OPTION_KEEPALIVE:
        return take_u32(name, text, 0, 86400, &options->keepalive_s);
    case OPTION_RATE:
        return take_u32(name, text, 1, 1000000, &options->rate);
    case OPTION_RECONNECT:
        return take_reconnect(text, options);
    case OPTION_FLAP:
        return take_u32(name, text, 0, 10000000, &options->flap);
    case OPTION_KEEPALIVE_IN_ANSWERS:
        return take_u32(name, text, 0, 100, &options->keepalive_in_answers_percent);
    case OPTION_DURATION:
        return take_u32(name, text, 0, 86400 * 365, &options->duration_s);
    case OPTION_SEED:
        return take_number(name, text, 0, UINT64_MAX, &options->seed);
    case OPTION_NEIGHBOURHOOD:
        return take_u32(name, text, 0, 10000000, &options->neighbourhood);
    case OPTION_GASP:
        return take_address(name, text, &options->gasp);
    case OPTION_SOURCE:
        if (cidr_parse(text, &options->source) == STATUS_OK)
            return 0;
        return wrong(name, text, "a network like 127.0.0.0/8");
    case OPTION_SLOTS:
        return take_u32(name, text, 1, 1000000, &options->slots);
    case OPTION_FRAGMENT:
        options->fragment = true;
        return 0;
    case OPTION_JSON:
        options->json = true;
        return 0;
    default:
        return -1;
    }
}

static int check_together(struct fleet_options *options)
{
    if (options->server.family == 0) {
        (void)fputs("fleet: --server HOST:PORT is missing; --help says more\n", stderr);
        return -1;
    }
    if (options->flap > options->devices) {
        (void)fputs("fleet: --flap may not be more than --devices\n", stderr);
        return -1;
    }
    if (options->neighbourhood > options->devices) {
        (void)fputs("fleet: --neighbourhood may not be more than --devices\n", stderr);
        return -1;
    }
    if (options->devices - 1 > MAX_IMEI - options->first_imei) {
        (void)fputs("fleet: the IMEIs would grow longer than 15 digits\n", stderr);
        return -1;
    }
    if (options->source.network.family == 0 && options->server.family == 4 &&
        address_is_loopback(&options->server))
        return cidr_parse("127.0.0.0/8", &options->source) == STATUS_OK ? 0 : -1;
    if (options->source.network.family != 0 &&
        options->source.network.family != options->server.family) {
        (void)fputs("fleet: --source and --server are of different families\n", stderr);
        return -1;
    }
    return 0;
}

int fleet_options_parse(int argc, char **argv, struct fleet_options *options, int *status)
{
    int id;
    int index = 0;

    memset(options, 0, sizeof *options);
    options->devices = 100;
    options->first_imei = FIRST_IMEI;
    options->meter = METER_CHOICE_MIXED;
    options->keepalive_s = 60;
    options->rate = 1000;
    options->reconnect_min_s = 5;
    options->reconnect_max_s = 10;
    options->seed = 1;
    *status = 2;
    while ((id = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (id == OPTION_HELP) {
            (void)fputs(help_text, stdout);
            *status = 0;
            return -1;
        }
        if (id == '?' || take_option(id, long_options[index].name, optarg, options) < 0)
            return -1;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "fleet: %s is no option; --help says more\n", argv[optind]);
        return -1;
    }
    return check_together(options);
}
