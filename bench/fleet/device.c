#include "bench/fleet/device.h"

#include <string.h>

#include "bench/fleet/load.h"
#include "bench/fleet/worker.h"
#include "server/base/check.h"

#define DEVICES_PER_SOURCE 10000u
#define MAX_QUEUED_BYTES   (64u * 1024) /* more: it reads no more until the server does */

static void timer_fired(struct timer *timer);

void device_init(struct device *device, struct worker *worker, uint32_t index)
{
    memset(device, 0, sizeof *device);
    device->worker = worker;
    device->index = index;
    timer_init(&device->timer, timer_fired);
    list_init(&device->queue);
}

enum meter_kind device_meter(const struct device *device)
{
    return modem_meter(device->worker->options, device->index);
}

bool device_encapsulates(const struct device *device)
{
    return modem_encapsulates(device->worker->options, device->index);
}

static uint32_t now_s(const struct device *device)
{
    return (uint32_t)(reactor_now_ms(device->worker->reactor) / 1000);
}

/* ---- sending ---- */

static void send_bytes(struct device *device, const uint8_t *data, size_t size)
{
    struct worker *worker = device->worker;

    device->active_s = now_s(device);
    worker_count(&worker->counters.bytes_sent, size);
    if (stream_send_copy(&device->stream, data, (uint32_t)size) != STATUS_OK)
        stream_close(&device->stream);
}

void device_send_frame(struct device *device, enum irz_type type, const uint8_t *payload,
                       size_t size)
{
    uint8_t frame[IRZ_MAX_PAYLOAD + IRZ_FRAME_OVERHEAD];
    size_t frame_size;

    enum codec_result result =
        irz_frame_encode(type, payload, size, frame, sizeof frame, &frame_size);
    CHECK(result == CODEC_OK);
    send_bytes(device, frame, frame_size);
}

void device_send(struct device *device, const uint8_t *data, size_t size)
{
    if (!device_encapsulates(device)) {
        send_bytes(device, data, size);
        return;
    }
    while (size > 0) {
        size_t piece = size < IRZ_MAX_PAYLOAD ? size : IRZ_MAX_PAYLOAD;
        device_send_frame(device, IRZ_TYPE_DATA, data, piece);
        data += piece;
        size -= piece;
    }
}

void device_send_keepalive(struct device *device)
{
    worker_count(&device->worker->counters.keepalives, 1);
    if (device_encapsulates(device))
        device_send_frame(device, IRZ_TYPE_KEEPALIVE, irz_keepalive, IRZ_KEEPALIVE_SIZE);
    else
        send_bytes(device, irz_keepalive, IRZ_KEEPALIVE_SIZE);
}

static void send_hello(struct device *device)
{
    uint8_t hello[IRZ_MAX_HELLO];
    struct bytes_writer writer = bytes_writer_over(hello, sizeof hello);

    modem_put_hello(&writer, device->worker->options, device->index);
    send_bytes(device, hello, writer.size);
}

/* ---- receiving ---- */

void device_rest(struct device *device)
{
    if (device->session != NULL && session_at_rest(device->session)) {
        session_destroy(device->session);
        device->session = NULL;
    }
}

/* The next bytes may come. What echoes is read without a pause, the others are only watched. */
static void listen_on(struct device *device)
{
    bool echoes = device_meter(device) == METER_ECHO && device->session != NULL;

    if (device->stream.queued_bytes > MAX_QUEUED_BYTES)
        stream_receive_stop(&device->stream);
    else if (echoes)
        stream_receive(&device->stream, RECEIVE_STREAM);
    else
        stream_watch(&device->stream);
}

static void take(struct device *device, uint8_t *data, size_t size)
{
    if (!device->greeted) {
        size_t greeting =
            modem_greeting_size(device_encapsulates(device), data, size, &device->greeted);
        data += greeting;
        size -= greeting;
    }
    if (size == 0 || device_meter(device) == METER_NONE)
        return;
    if (device->session == NULL) {
        worker_count(&device->worker->counters.sessions, 1);
        device->session = session_create(device);
    }
    if (device->session == NULL) {
        stream_close(&device->stream);
        return;
    }
    session_take(device->session, data, size);
    if (device_meter(device) != METER_ECHO)
        device_rest(device);
}

static struct device *device_of(struct stream *stream)
{
    return container_of(stream, struct device, stream);
}

static void ready(struct stream *stream)
{
    if (device_of(stream)->dark)
        return;
    stream_receive(stream, RECEIVE_ONCE);
}

static void received(struct stream *stream, struct chunk *chunk)
{
    struct device *device = device_of(stream);

    if (device->dark) {
        chunk_free(stream->reactor, chunk);
        return;
    }
    device->active_s = now_s(device);
    worker_count(&device->worker->counters.bytes_received, chunk->size);
    take(device, chunk->data, chunk->size);
    chunk_free(stream->reactor, chunk);
    listen_on(device);
}

static void sent(struct stream *stream)
{
    struct device *device = device_of(stream);

    if (device->session != NULL)
        listen_on(device);
}

/* ---- keepalive, and the time to come back ---- */

static void start_keepalive(struct device *device, uint32_t delay_s)
{
    struct worker *worker = device->worker;

    if (worker->options->keepalive_s > 0)
        timer_start(worker->reactor, &device->timer, (uint64_t)delay_s * 1000);
}

/* The first one comes sooner, at random: devices that connected together don't beat together. */
static void spread_keepalive(struct device *device)
{
    uint32_t interval_s = device->worker->options->keepalive_s;

    if (interval_s == 0)
        return;
    uint32_t first_s = 1 + worker_random(device->worker, interval_s);
    device->active_s = now_s(device) + first_s - interval_s;
    start_keepalive(device, first_s);
}

static void keepalive_due(struct device *device)
{
    uint32_t interval_s = device->worker->options->keepalive_s;
    uint32_t idle_s = now_s(device) - device->active_s;

    if (idle_s < interval_s) {
        start_keepalive(device, interval_s - idle_s);
        return;
    }
    if (device->session != NULL && device->session->answer_size == 0) {
        session_destroy(device->session); /* whoever read it has gone without a word */
        device->session = NULL;
    }
    /* an encapsulating modem says nothing before it was greeted */
    if (device->greeted || !device_encapsulates(device))
        device_send_keepalive(device);
    start_keepalive(device, interval_s);
}

static void timer_fired(struct timer *timer)
{
    struct device *device = container_of(timer, struct device, timer);

    if (device->state == DEVICE_OFFLINE)
        worker_enqueue(device->worker, device);
    else if (device->state == DEVICE_ONLINE)
        keepalive_due(device);
}

/* ---- the link's life ---- */

static void connected(struct stream *stream, int error)
{
    struct device *device = device_of(stream);
    struct worker *worker = device->worker;

    worker->connecting--;
    if (error < 0) {
        worker_count(&worker->counters.failed_connects, 1);
        stream_close(stream);
        return;
    }
    worker_count(&worker->counters.connects, 1);
    if (device->dark) {
        device->state = DEVICE_DARK;
        return;
    }
    device->state = DEVICE_ONLINE;
    worker_count(&worker->counters.online, 1);
    if (!device->was_online)
        worker_count(&worker->counters.devices_seen, 1);
    device->was_online = true;
    send_hello(device);
    spread_keepalive(device);
    listen_on(device);
}

static void ended(struct stream *stream, int error)
{
    struct device *device = device_of(stream);

    if (device->dark)
        return;
    worker_count(error == 0 ? &device->worker->counters.closed_by_server
                            : &device->worker->counters.broken,
                 1);
    stream_close(stream);
}

static void failed(struct stream *stream, int error)
{
    (void)error; /* the receiving side tells it again, and counts */
    if (device_of(stream)->dark)
        return;
    stream_receive(stream, RECEIVE_ONCE);
}

static void closed(struct stream *stream)
{
    struct device *device = device_of(stream);
    struct worker *worker = device->worker;
    const struct fleet_options *options = worker->options;

    if (device->state == DEVICE_ONLINE)
        worker_count(&worker->counters.online, (uint64_t)-1);
    device->state = DEVICE_OFFLINE;
    worker->open--;
    if (device->session != NULL)
        session_destroy(device->session);
    device->session = NULL;
    if (!worker->stopping && !device->dark) {
        uint32_t spread_s = options->reconnect_max_s - options->reconnect_min_s + 1;
        timer_start(worker->reactor, &device->timer,
                    (uint64_t)(options->reconnect_min_s + worker_random(worker, spread_s)) * 1000);
    }
}

static const struct stream_ops device_ops = {
    .ready = ready,
    .received = received,
    .ended = ended,
    .sent = sent,
    .failed = failed,
    .connected = connected,
    .closed = closed,
};

/* The first 10,000 devices come from the network's first address, and so on. */
static struct address source_of(const struct device *device)
{
    const struct cidr *source = &device->worker->options->source;
    struct address address = source->network;
    unsigned bits = address.family == 6 ? 128 : 32;
    uint64_t step = 1ull + device->index / DEVICES_PER_SOURCE;

    if (bits - source->prefix < 32)
        step = bits == source->prefix ? 0 : step % (1ull << (bits - source->prefix));
    for (unsigned i = bits / 8; i > 0 && step > 0; i--) {
        step += address.ip[i - 1];
        address.ip[i - 1] = (uint8_t)step;
        step >>= 8;
    }
    address.port = 0;
    return address;
}

void device_connect(struct device *device)
{
    struct worker *worker = device->worker;
    struct listen_options options = {.nodelay = true};

    if (worker->options->source.network.family != 0)
        options.bind = source_of(device);
    device->state = DEVICE_CONNECTING;
    device->greeted = false;
    worker->connecting++;
    worker->open++;
    stream_connect(&device->stream, worker->reactor, &worker->options->server, &options,
                   &device_ops);
}

/* ---- power ---- */

void device_lose_power(struct device *device)
{
    device->dark = true;
    timer_stop(&device->timer);
    list_remove(&device->queue);
    if (device->state != DEVICE_ONLINE)
        return;
    device->state = DEVICE_DARK;
    worker_count(&device->worker->counters.online, (uint64_t)-1);
    stream_receive_stop(&device->stream);
    if (device->session != NULL)
        session_destroy(device->session);
    device->session = NULL;
}

void device_regain_power(struct device *device)
{
    device->dark = false;
    if (device->state == DEVICE_DARK)
        stream_close(&device->stream);
    else if (device->state == DEVICE_OFFLINE)
        worker_enqueue(device->worker, device);
}

/* ---- the end ---- */

void device_stop(struct device *device)
{
    timer_stop(&device->timer);
    list_remove(&device->queue);
    if (device->state != DEVICE_OFFLINE)
        stream_close(&device->stream);
}
