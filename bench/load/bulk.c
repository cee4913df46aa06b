/* Bulk: every session sends one pattern without end in one direction. The receiver counts, and
 * compares the first and the last bytes of every buffer with the pattern. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/ends.h"
#include "bench/load/modes.h"
#include "bench/load/wire.h"

#define PERIOD     62281u /* of the pattern: no power of two, so that a lost buffer shows */
#define SEND_SIZE  65536u
#define CHECK_SIZE 32u

enum operation { BULK_RECEIVE, BULK_SEND };

struct bulk {
    const struct options *options;
    struct wire wire;
    struct interval interval;
    uint8_t *pattern;   /* PERIOD + SEND_SIZE bytes */
    uint64_t *position; /* by slot: bytes sent or received */
    uint64_t bytes;
};

static void send_more(struct bulk *bulk, uint32_t slot)
{
    wire_send(&bulk->wire, slot, bulk->pattern + bulk->position[slot] % PERIOD, SEND_SIZE,
              (struct wire_tag){.operation = BULK_SEND, .slot = slot});
}

static void check(const struct bulk *bulk, uint64_t position, const uint8_t *data, uint32_t size)
{
    uint32_t part = size < CHECK_SIZE ? size : CHECK_SIZE;
    uint64_t last = position + size - part;
    if (memcmp(data, bulk->pattern + position % PERIOD, part) != 0 ||
        memcmp(data + size - part, bulk->pattern + last % PERIOD, part) != 0) {
        die("what came is not what was sent", EBADMSG);
    }
}

static void handle(void *context, const struct wire_event *event)
{
    struct bulk *bulk = context;
    struct wire_tag tag = event->tag;
    if (event->result <= 0 && event->result != -ENOBUFS) {
        die("a session ended", event->result == 0 ? ECONNRESET : -event->result);
    }
    if (tag.operation == BULK_SEND) {
        bulk->position[tag.slot] += (uint64_t)event->result;
        send_more(bulk, tag.slot);
        return;
    }
    if (event->result > 0) {
        uint32_t size = (uint32_t)event->result;
        check(bulk, bulk->position[tag.slot], wire_buffer(&bulk->wire, event->buffer), size);
        bulk->position[tag.slot] += size;
        bulk->bytes += size;
        wire_buffer_return(&bulk->wire, event->buffer);
    }
    if (!event->more) {
        wire_receive(&bulk->wire, tag.slot, tag);
    }
}

static void prepare(struct bulk *bulk)
{
    uint32_t count = bulk->options->sessions;
    wire_open(&bulk->wire, &(struct wire_limits){.slots = 2 * count,
                                                 .first_free_slot = 2 * count,
                                                 .buffer_count = 64,
                                                 .buffer_size = 65536});
    ends_open_sessions(&bulk->wire, bulk->options);
    bulk->position = calloc((size_t)2 * count, sizeof(*bulk->position));
    bulk->pattern = malloc(PERIOD + SEND_SIZE);
    if (bulk->position == NULL || bulk->pattern == NULL) {
        die("memory", ENOMEM);
    }
    uint32_t state = 7;
    for (uint32_t index = 0; index < PERIOD; index++) {
        state = state * 1664525 + 1013904223;
        bulk->pattern[index] = (uint8_t)(state >> 25);
    }
    for (uint32_t index = 0; index < SEND_SIZE; index++) {
        bulk->pattern[PERIOD + index] = bulk->pattern[index % PERIOD];
    }
}

void run_bulk(const struct options *options)
{
    struct bulk bulk = {.options = options};
    prepare(&bulk);
    bool up = options->direction == DIRECTION_UP;
    for (uint32_t index = 0; index < options->sessions; index++) {
        uint32_t sender = up ? index : options->sessions + index;
        uint32_t receiver = up ? options->sessions + index : index;
        wire_receive(&bulk.wire, receiver, (struct wire_tag){BULK_RECEIVE, receiver, 0});
        send_more(&bulk, sender);
    }
    interval_start(&bulk.interval, options);
    while (!interval_ends(&bulk.interval, bulk.wire.now_ns, bulk.bytes)) {
        wire_turn(&bulk.wire, handle, &bulk);
        if (interval_begins(&bulk.interval, bulk.wire.now_ns)) {
            bulk.bytes = 0;
        }
    }
    result_print(&bulk.interval, &(struct result){.bytes = bulk.bytes});
    wire_close(&bulk.wire);
    free(bulk.pattern);
    free(bulk.position);
}
