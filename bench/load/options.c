#include "bench/load/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "load MODE [OPTION...]: plays both ends of a relay on loopback and measures it\n"
    "\n"
    "  modes: request (closed loop of requests and answers), bulk (one direction),\n"
    "         churn (connect, one request, read, close), idle (connect, say nothing)\n"
    "  --front PORT       agents connect here; with --devices, devices dial in here\n"
    "  --echo PORT        the relay connects here; with --devices, cencd's ops port\n"
    "  --devices          the echo side are modems that dial in\n"
    "  --sessions N       sessions; churn: concurrent clients\n"
    "  --device-count N   churn: devices that take turns\n"
    "  --links-only       idle: devices without agents\n"
    "  --size BYTES       of a request, 16 to 4096\n"
    "  --direction D      bulk: up (agent to device) or down\n"
    "  --seconds S        measured time\n"
    "  --warm-up S        time before it\n"
    "  --pid PID          the relay: its CPU time is measured\n"
    "  --allocations F    file of the allocation counter preloaded into the relay\n"
    "  --system-calls ID  tracepoint id of raw_syscalls:sys_enter\n"
    "\n"
    "Writes one line of JSON. idle writes it when all are connected and ends with its input.\n";

_Noreturn static void refuse(const char *what)
{
    (void)fprintf(stderr, "load: %s; see load --help\n", what);
    exit(2);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || value < least || value > most) {
        refuse(text);
    }
    return value;
}

static double seconds(const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0) || value > 3600) {
        refuse(text);
    }
    return value;
}

static enum mode mode_of(const char *text)
{
    static const char *const names[] = {"request", "bulk", "churn", "idle"};
    for (unsigned index = 0; index < 4; index++) {
        if (strcmp(text, names[index]) == 0) {
            return (enum mode)index;
        }
    }
    refuse("no such mode");
}

static const struct option long_options[] = {
    {"front", required_argument, NULL, 'f'},
    {"echo", required_argument, NULL, 'e'},
    {"devices", no_argument, NULL, 'd'},
    {"sessions", required_argument, NULL, 'n'},
    {"device-count", required_argument, NULL, 'c'},
    {"links-only", no_argument, NULL, 'l'},
    {"size", required_argument, NULL, 'z'},
    {"direction", required_argument, NULL, 'r'},
    {"seconds", required_argument, NULL, 's'},
    {"warm-up", required_argument, NULL, 'w'},
    {"pid", required_argument, NULL, 'p'},
    {"allocations", required_argument, NULL, 'a'},
    {"system-calls", required_argument, NULL, 'y'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void set_option(struct options *options, int letter, const char *value)
{
    switch (letter) {
    case 'f':
        options->front_port = (uint16_t)number(value, 1, 65535);
        break;
    case 'e':
        options->echo_port = (uint16_t)number(value, 1, 65535);
        break;
    case 'd':
        options->devices = true;
        break;
    case 'n':
        options->sessions = (uint32_t)number(value, 1, 1000000);
        break;
    case 'c':
        options->device_count = (uint32_t)number(value, 1, 100000);
        break;
    case 'l':
        options->device_count = 0;
        break;
    case 'z':
        options->size_bytes = (uint32_t)number(value, 16, 4096);
        break;
    case 'r':
        options->direction = strcmp(value, "up") == 0 ? DIRECTION_UP : DIRECTION_DOWN;
        break;
    case 's':
        options->seconds = seconds(value);
        break;
    case 'w':
        options->warm_up_seconds = seconds(value);
        break;
    case 'p':
        options->pid = (pid_t)number(value, 1, 1u << 30);
        break;
    case 'a':
        options->allocations = value;
        break;
    case 'y':
        options->system_call_event = number(value, 1, UINT32_MAX);
        break;
    case 'h':
        (void)fputs(help, stdout);
        exit(0);
    default:
        refuse("unknown option");
    }
}

struct options options_parse(int argc, char **argv)
{
    struct options options = {.sessions = 1,
                              .device_count = 1024,
                              .size_bytes = 64,
                              .seconds = 2,
                              .warm_up_seconds = 0.3};
    for (int letter; (letter = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        set_option(&options, letter, optarg);
    }
    if (optind + 1 != argc) {
        refuse("one mode is needed");
    }
    options.mode = mode_of(argv[optind]);
    if (options.front_port == 0 || options.echo_port == 0) {
        refuse("--front and --echo are needed");
    }
    return options;
}
