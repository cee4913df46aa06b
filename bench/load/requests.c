/* Request and answer in a closed loop: each session sends its next request when the answer to the
 * last one is complete. Every byte of every answer is compared. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/ends.h"
#include "bench/load/modes.h"
#include "bench/load/wire.h"

#define MAX_SIZE 4096

enum operation { AGENT_RECEIVE, AGENT_SEND, ECHO_RECEIVE, ECHO_SEND };

struct session {
    uint8_t *message;
    uint64_t sent_ns;
    uint64_t sequence;
    uint32_t received;
};

struct requests {
    const struct options *options;
    struct wire wire;
    struct interval interval;
    struct histogram latency_ns;
    struct session *sessions;
    uint8_t *messages; /* MAX_SIZE bytes of each session */
    uint64_t exchanges;
};

/* Bytes below 0x80 only: none can be taken for a modem's keepalive. */
static void write_sequence(struct session *session)
{
    for (unsigned index = 0; index < 8; index++) {
        session->message[index] = (uint8_t)(session->sequence >> (7 * index) & 0x7f);
    }
    session->sequence++;
}

static void send_request(struct requests *requests, uint32_t slot)
{
    struct session *session = &requests->sessions[slot];
    write_sequence(session);
    session->received = 0;
    session->sent_ns = requests->wire.now_ns;
    wire_send(&requests->wire, slot, session->message, requests->options->size_bytes,
              (struct wire_tag){.operation = AGENT_SEND, .slot = slot});
}

static void on_answer(struct requests *requests, const struct wire_event *event)
{
    struct session *session = &requests->sessions[event->tag.slot];
    uint32_t size = (uint32_t)event->result;
    if (session->received + size > requests->options->size_bytes ||
        memcmp(session->message + session->received, wire_buffer(&requests->wire, event->buffer),
               size) != 0) {
        die("the answer is not what was asked", EBADMSG);
    }
    session->received += size;
    wire_buffer_return(&requests->wire, event->buffer);
    if (session->received == requests->options->size_bytes) {
        requests->exchanges++;
        histogram_add(&requests->latency_ns, requests->wire.now_ns - session->sent_ns);
        send_request(requests, event->tag.slot);
    }
}

static void handle(void *context, const struct wire_event *event)
{
    struct requests *requests = context;
    struct wire_tag tag = event->tag;
    if (event->result <= 0 && event->result != -ENOBUFS) {
        die("a session ended", event->result == 0 ? ECONNRESET : -event->result);
    }
    if (tag.operation == ECHO_SEND) {
        wire_buffer_return(&requests->wire, tag.extra);
        return;
    }
    if (tag.operation == AGENT_SEND) {
        return;
    }
    if (event->result > 0 && tag.operation == AGENT_RECEIVE) {
        on_answer(requests, event);
    } else if (event->result > 0) {
        wire_send(
            &requests->wire, tag.slot, wire_buffer(&requests->wire, event->buffer),
            (uint32_t)event->result,
            (struct wire_tag){.operation = ECHO_SEND, .slot = tag.slot, .extra = event->buffer});
    }
    if (!event->more) {
        wire_receive(&requests->wire, tag.slot, tag);
    }
}

static void prepare(struct requests *requests)
{
    uint32_t count = requests->options->sessions;
    wire_open(&requests->wire, &(struct wire_limits){.slots = 2 * count,
                                                     .first_free_slot = 2 * count,
                                                     .buffer_count = 4096,
                                                     .buffer_size = MAX_SIZE});
    ends_open_sessions(&requests->wire, requests->options);
    requests->sessions = calloc(count, sizeof(*requests->sessions));
    requests->messages = calloc(count, MAX_SIZE);
    if (requests->sessions == NULL || requests->messages == NULL) {
        die("memory", ENOMEM);
    }
    uint32_t state = 1;
    for (uint32_t slot = 0; slot < count; slot++) {
        requests->sessions[slot].message = requests->messages + (size_t)slot * MAX_SIZE;
        for (uint32_t index = 0; index < MAX_SIZE; index++) {
            state = state * 1664525 + 1013904223;
            requests->sessions[slot].message[index] = (uint8_t)(state >> 25);
        }
        wire_receive(&requests->wire, slot, (struct wire_tag){AGENT_RECEIVE, slot, 0});
        wire_receive(&requests->wire, count + slot,
                     (struct wire_tag){ECHO_RECEIVE, count + slot, 0});
    }
}

void run_requests(const struct options *options)
{
    struct requests *requests = calloc(1, sizeof(*requests));
    if (requests == NULL) {
        die("memory", ENOMEM);
    }
    requests->options = options;
    prepare(requests);
    interval_start(&requests->interval, options);
    requests->wire.now_ns = now_ns();
    for (uint32_t slot = 0; slot < options->sessions; slot++) {
        send_request(requests, slot);
    }
    while (!interval_ends(&requests->interval, requests->wire.now_ns, requests->exchanges)) {
        wire_turn(&requests->wire, handle, requests);
        if (interval_begins(&requests->interval, requests->wire.now_ns)) {
            requests->exchanges = 0;
            histogram_clear(&requests->latency_ns);
        }
    }
    result_print(&requests->interval,
                 &(struct result){.messages = 2 * requests->exchanges,
                                  .bytes = 2 * requests->exchanges * options->size_bytes,
                                  .exchanges = requests->exchanges,
                                  .latency_ns = &requests->latency_ns});
    wire_close(&requests->wire);
    free(requests->messages);
    free(requests->sessions);
    free(requests);
}
