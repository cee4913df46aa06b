/* What the generator learns from cencd's GET /stats. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/ends.h"
#include "bench/load/usage.h"

#define TRIES   400
#define PAGE    1000u
#define WAIT_US 50000

struct answer {
    char *text;
    size_t size;
    size_t capacity;
};

static void read_all(int connection, struct answer *answer)
{
    for (;;) {
        if (answer->capacity - answer->size < 65536) {
            answer->capacity = answer->capacity * 2 + 131072;
            answer->text = realloc(answer->text, answer->capacity);
            if (answer->text == NULL) {
                die("memory", ENOMEM);
            }
        }
        ssize_t size =
            recv(connection, answer->text + answer->size, answer->capacity - answer->size - 1, 0);
        if (size <= 0) {
            answer->text[answer->size] = '\0';
            return;
        }
        answer->size += (size_t)size;
    }
}

static json_t *get_stats(uint16_t port, uint32_t devices, json_int_t from)
{
    char request[128];
    struct sockaddr_in address = ends_address(port);
    int size = snprintf(request, sizeof(request),
                        "GET /stats?devices=%u&from=%lld&failed=0 HTTP/1.0\r\n\r\n", devices,
                        (long long)from);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(connection, request, (size_t)size, MSG_NOSIGNAL) != size) {
        die("asking for /stats", errno);
    }
    struct answer answer = {0};
    read_all(connection, &answer);
    (void)close(connection);
    const char *body = strstr(answer.text, "\r\n\r\n");
    json_error_t error;
    json_t *stats = body == NULL ? NULL : json_loads(body + 4, 0, &error);
    free(answer.text);
    if (stats == NULL) {
        die("/stats is no JSON", EINVAL);
    }
    return stats;
}

static bool is_idle(const json_t *device)
{
    const json_t *state = json_object_get(device, "state");
    return json_is_string(state) && strcmp(json_string_value(state), "idle") == 0;
}

static uint32_t take_ports(const json_t *stats, uint32_t count, uint16_t *ports)
{
    const json_t *devices = json_object_get(stats, "devices");
    uint32_t found = 0;
    for (size_t position = 0; position < json_array_size(devices); position++) {
        const json_t *device = json_array_get(devices, position);
        const json_t *serial = json_object_get(device, "serial");
        json_int_t port = json_integer_value(json_object_get(device, "direct_port"));
        uint64_t number =
            json_is_string(serial) ? strtoull(json_string_value(serial), NULL, 10) : 0;
        uint64_t index = number - ends_serial(0);
        if (index < count && port > 0 && port < 65536 && is_idle(device) && ports[index] == 0) {
            ports[index] = (uint16_t)port;
            found++;
        }
    }
    return found;
}

/* All devices, page by page; true if each of ours was there. */
static bool find_ports(const struct options *options, uint32_t count, uint16_t *ports)
{
    uint32_t found = 0;
    json_int_t from = 0;
    memset(ports, 0, count * sizeof(*ports));
    for (bool more = true; more;) {
        json_t *stats = get_stats(options->echo_port, PAGE, from);
        found += take_ports(stats, count, ports);
        const json_t *next = json_object_get(stats, "next");
        more = json_is_integer(next);
        from = json_integer_value(next);
        json_decref(stats);
    }
    return found == count;
}

void ends_wait_for_ports(const struct options *options, uint32_t count, uint16_t *ports)
{
    for (int tries = 0; tries < TRIES; tries++) {
        if (find_ports(options, count, ports)) {
            return;
        }
        (void)usleep(WAIT_US);
    }
    die("not all devices got a direct port", ETIMEDOUT);
}

void ends_wait_for_links(const struct options *options, uint32_t count)
{
    for (int tries = 0; tries < TRIES; tries++) {
        json_t *stats = get_stats(options->echo_port, 0, 0);
        const json_t *links = json_object_get(stats, "links");
        json_int_t idle = json_integer_value(json_object_get(links, "idle"));
        json_decref(stats);
        if (idle >= (json_int_t)count) {
            return;
        }
        (void)usleep(WAIT_US);
    }
    die("not all devices were identified", ETIMEDOUT);
}
