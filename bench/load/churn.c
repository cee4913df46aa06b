/* Churn: each client connects, sends one request, reads the answer, closes, and begins anew. An
 * exchange is one chain of five operations and one completion. With devices, clients go round the
 * direct ports, so that a device has rest after each session; a session that is refused or cut
 * off counts as an error. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/ends.h"
#include "bench/load/modes.h"
#include "bench/load/wire.h"

#define ECHO_SLOTS  4096u
#define BUFFER_SIZE 4096

enum operation {
    CLIENT_STEP,
    CLIENT_DONE,
    CLIENT_CLOSED,
    ECHO_ACCEPT,
    ECHO_RECEIVE,
    ECHO_SEND,
    ECHO_CLOSE
};

struct client {
    struct sockaddr_in address;
    uint64_t begun_ns;
    uint8_t request[BUFFER_SIZE];
    uint8_t answer[BUFFER_SIZE];
};

struct churn {
    const struct options *options;
    struct wire wire;
    struct interval interval;
    struct histogram latency_ns;
    struct client *clients;
    uint16_t *ports; /* of the devices; NULL: one front port */
    int listener;    /* -1 with devices */
    uint32_t next_port;
    uint64_t exchanges;
    uint64_t errors;
};

static void finish_step(struct io_uring_sqe *sqe, uint32_t slot, unsigned flags)
{
    wire_tag_sqe(sqe, (struct wire_tag){.operation = CLIENT_STEP, .slot = slot});
    sqe->flags |= (uint8_t)(flags | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
}

static void begin(struct churn *churn, uint32_t slot)
{
    struct client *client = &churn->clients[slot];
    uint32_t size = churn->options->size_bytes;
    uint16_t port = churn->options->front_port;
    if (churn->ports != NULL) {
        port = churn->ports[churn->next_port];
        churn->next_port = (churn->next_port + 1) % churn->options->device_count;
    }
    client->address = ends_address(port);
    client->begun_ns = churn->wire.now_ns;
    memset(client->answer, 0, size);
    wire_want(&churn->wire, 5);
    struct io_uring_sqe *sqe = wire_sqe(&churn->wire);
    io_uring_prep_socket_direct(sqe, AF_INET, SOCK_STREAM, 0, slot, 0);
    finish_step(sqe, slot, 0);
    sqe = wire_sqe(&churn->wire);
    io_uring_prep_connect(sqe, (int)slot, (struct sockaddr *)&client->address,
                          sizeof(client->address));
    finish_step(sqe, slot, IOSQE_FIXED_FILE);
    sqe = wire_sqe(&churn->wire);
    io_uring_prep_send(sqe, (int)slot, client->request, size, MSG_NOSIGNAL | MSG_WAITALL);
    finish_step(sqe, slot, IOSQE_FIXED_FILE);
    sqe = wire_sqe(&churn->wire);
    io_uring_prep_recv(sqe, (int)slot, client->answer, size, MSG_WAITALL);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    finish_step(sqe, slot, IOSQE_FIXED_FILE);
    sqe = wire_sqe(&churn->wire);
    io_uring_prep_close_direct(sqe, slot);
    wire_tag_sqe(sqe, (struct wire_tag){.operation = CLIENT_DONE, .slot = slot});
}

static void on_done(struct churn *churn, const struct wire_event *event)
{
    uint32_t slot = event->tag.slot;
    struct client *client = &churn->clients[slot];
    if (event->result < 0) { /* a step before it failed, so the slot is still open */
        churn->errors++;
        struct io_uring_sqe *sqe = wire_sqe(&churn->wire);
        io_uring_prep_close_direct(sqe, slot);
        wire_tag_sqe(sqe, (struct wire_tag){.operation = CLIENT_CLOSED, .slot = slot});
        return;
    }
    if (memcmp(client->request, client->answer, churn->options->size_bytes) != 0) {
        die("the answer is not what was asked", EBADMSG);
    }
    churn->exchanges++;
    histogram_add(&churn->latency_ns, churn->wire.now_ns - client->begun_ns);
    begin(churn, slot);
}

static void on_echo_receive(struct churn *churn, const struct wire_event *event)
{
    struct wire_tag tag = event->tag;
    if (event->result > 0) {
        wire_send(
            &churn->wire, tag.slot, wire_buffer(&churn->wire, event->buffer),
            (uint32_t)event->result,
            (struct wire_tag){.operation = ECHO_SEND, .slot = tag.slot, .extra = event->buffer});
    } else if (event->buffer != WIRE_NO_BUFFER) {
        wire_buffer_return(&churn->wire, event->buffer);
    }
    if (event->more) {
        return;
    }
    if (event->result > 0 || event->result == -ENOBUFS) {
        wire_receive(&churn->wire, tag.slot, tag);
    } else if (churn->ports != NULL) {
        die("a device was cut off", event->result == 0 ? ECONNRESET : -event->result);
    } else {
        struct io_uring_sqe *sqe = wire_sqe(&churn->wire);
        io_uring_prep_close_direct(sqe, tag.slot);
        wire_tag_sqe(sqe, (struct wire_tag){.operation = ECHO_CLOSE, .slot = tag.slot});
    }
}

static void handle(void *context, const struct wire_event *event)
{
    struct churn *churn = context;
    switch ((enum operation)event->tag.operation) {
    case CLIENT_DONE:
        on_done(churn, event);
        break;
    case CLIENT_CLOSED:
        begin(churn, event->tag.slot);
        break;
    case ECHO_ACCEPT:
        if (event->result < 0 || !event->more) {
            die("accepting from the relay", event->result < 0 ? -event->result : EAGAIN);
        }
        wire_receive(&churn->wire, (uint32_t)event->result,
                     (struct wire_tag){ECHO_RECEIVE, (uint32_t)event->result, 0});
        break;
    case ECHO_RECEIVE:
        on_echo_receive(churn, event);
        break;
    case ECHO_SEND:
        wire_buffer_return(&churn->wire, event->tag.extra);
        break;
    case CLIENT_STEP: /* tells only of a failure; CLIENT_DONE tells as well */
    case ECHO_CLOSE:
        break;
    }
}

/* Devices stand in the slots after the clients' for the whole run. */
static void dial_devices(struct churn *churn)
{
    uint32_t count = churn->options->device_count;
    uint32_t first = churn->options->sessions;
    int *devices = calloc(count, sizeof(*devices));
    churn->ports = calloc(count, sizeof(*churn->ports));
    if (devices == NULL || churn->ports == NULL) {
        die("memory", ENOMEM);
    }
    for (uint32_t index = 0; index < count; index++) {
        devices[index] = ends_dial(churn->options, index);
    }
    ends_wait_for_ports(churn->options, count, churn->ports);
    for (uint32_t index = 0; index < count; index++) {
        ends_drain(devices[index]);
        wire_install(&churn->wire, first + index, devices[index]);
        wire_receive(&churn->wire, first + index,
                     (struct wire_tag){ECHO_RECEIVE, first + index, 0});
    }
    free(devices);
}

static void prepare(struct churn *churn)
{
    const struct options *options = churn->options;
    uint32_t devices = options->devices ? options->device_count : 0;
    uint32_t first_free = options->sessions + devices;
    wire_open(&churn->wire, &(struct wire_limits){.slots = first_free + ECHO_SLOTS,
                                                  .first_free_slot = first_free,
                                                  .buffer_count = 1024,
                                                  .buffer_size = BUFFER_SIZE});
    churn->listener = -1;
    if (options->devices) {
        dial_devices(churn);
    } else {
        churn->listener = ends_listen(options->echo_port);
        struct io_uring_sqe *sqe = wire_sqe(&churn->wire);
        io_uring_prep_multishot_accept_direct(sqe, churn->listener, NULL, NULL, 0);
        wire_tag_sqe(sqe, (struct wire_tag){.operation = ECHO_ACCEPT});
    }
    churn->clients = calloc(options->sessions, sizeof(*churn->clients));
    if (churn->clients == NULL) {
        die("memory", ENOMEM);
    }
    for (uint32_t slot = 0; slot < options->sessions; slot++) {
        for (uint32_t index = 0; index < options->size_bytes; index++) {
            churn->clients[slot].request[index] = (uint8_t)((slot * 31 + index * 7 + 1) & 0x7f);
        }
    }
}

void run_churn(const struct options *options)
{
    struct churn *churn = calloc(1, sizeof(*churn));
    if (churn == NULL) {
        die("memory", ENOMEM);
    }
    churn->options = options;
    prepare(churn);
    interval_start(&churn->interval, options);
    churn->wire.now_ns = now_ns();
    for (uint32_t slot = 0; slot < options->sessions; slot++) {
        begin(churn, slot);
    }
    while (!interval_ends(&churn->interval, churn->wire.now_ns, churn->exchanges)) {
        wire_turn(&churn->wire, handle, churn);
        if (interval_begins(&churn->interval, churn->wire.now_ns)) {
            churn->exchanges = churn->errors = 0;
            histogram_clear(&churn->latency_ns);
        }
    }
    result_print(&churn->interval,
                 &(struct result){.messages = 2 * churn->exchanges,
                                  .bytes = 2 * churn->exchanges * options->size_bytes,
                                  .exchanges = churn->exchanges,
                                  .errors = churn->errors,
                                  .latency_ns = &churn->latency_ns});
    wire_close(&churn->wire);
    if (churn->listener >= 0) {
        (void)close(churn->listener);
    }
    free(churn->ports);
    free(churn->clients);
    free(churn);
}
