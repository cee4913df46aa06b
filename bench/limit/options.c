#include "bench/limit/options.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void refuse(const char *argument)
{
    (void)fprintf(stderr, "limit: %s: %s\n", argument, strerror(EINVAL));
    exit(1);
}

static uint32_t number(const char *text)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value > 1u << 24) {
        refuse(text);
    }
    return (uint32_t)value;
}

static uint32_t choice(const char *text, const char *const names[])
{
    for (uint32_t index = 0; names[index] != NULL; index++) {
        if (strcmp(text, names[index]) == 0) {
            return index;
        }
    }
    refuse(text);
}

static void set_option(struct options *options, const char *name, const char *value)
{
    static const char *const kinds[] = {"once", "multi", NULL};
    static const char *const taskruns[] = {"defer", "coop", "none", NULL};
    static const uint32_t setups[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, 0};
    if (strcmp(name, "--receive") == 0) {
        options->receive = (enum receive_kind)choice(value, kinds);
    } else if (strcmp(name, "--poll-first") == 0) {
        options->poll_first = number(value) != 0;
    } else if (strcmp(name, "--after-send") == 0) {
        options->after_send = number(value) != 0;
    } else if (strcmp(name, "--buffers") == 0) {
        options->buffers = number(value);
    } else if (strcmp(name, "--buffer-size") == 0) {
        options->buffer_size = number(value);
    } else if (strcmp(name, "--pairs") == 0) {
        options->pairs = number(value);
    } else if (strcmp(name, "--batch") == 0) {
        options->batch = number(value);
    } else if (strcmp(name, "--taskrun") == 0) {
        options->setup_flags = setups[choice(value, taskruns)];
    } else if (strcmp(name, "--ring-fd") == 0) {
        options->ring_fd = number(value) != 0;
    } else {
        refuse(name);
    }
}

struct options options_parse(int argc, char **argv)
{
    struct options options = {
        .receive = RECEIVE_MULTI,
        .poll_first = true,
        .ring_fd = true,
        .buffers = 1024,
        .buffer_size = 16384,
        .pairs = 1200,
        .batch = 256,
        .setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    };

    if (argc < 3 || argc % 2 == 0) {
        (void)fprintf(stderr, "usage: limit LISTEN_PORT BACKEND_PORT [--OPTION VALUE]...\n");
        exit(2);
    }
    options.listen_port = (uint16_t)number(argv[1]);
    options.backend_port = (uint16_t)number(argv[2]);
    for (int index = 3; index + 1 < argc; index += 2) {
        set_option(&options, argv[index], argv[index + 1]);
    }
    return options;
}
