#include "bench/fleet/session.h"

#include <stdlib.h>

#include "bench/fleet/device.h"
#include "bench/fleet/load.h"
#include "bench/fleet/worker.h"

#define MAX_PIECE_BYTES    128u
#define MAX_PAUSE_MS       10u
#define KEEPALIVE_PAUSE_MS 60u /* what makes it a keepalive and not a meter's data */
#define NOWHERE            SIZE_MAX

static void pause_over(struct timer *timer);

struct session *session_create(struct device *device)
{
    struct session *session = calloc(1, sizeof *session);

    if (session == NULL)
        return NULL;
    session->device = device;
    session->keepalive_at = NOWHERE;
    timer_init(&session->pause, pause_over);
    return session;
}

void session_destroy(struct session *session)
{
    timer_stop(&session->pause);
    free(session);
}

bool session_at_rest(const struct session *session)
{
    return session->answer_size == 0 && session->decoder.type == 0 &&
           session->decoder.head_size == 0 &&
           meter_at_rest(&session->meter, device_meter(session->device));
}

/* ---- the answer on its way ---- */

static void forget_answer(struct session *session)
{
    session->answer_size = 0;
    session->answer_sent = 0;
    session->keepalive_at = NOWHERE;
}

static void send_up_to(struct session *session, size_t end)
{
    device_send(session->device, session->answer + session->answer_sent,
                end - session->answer_sent);
    session->answer_sent = end;
    if (end == session->answer_size)
        forget_answer(session);
}

/* Ends of the next piece and the pause after it. */
static void send_piece(struct session *session)
{
    struct worker *worker = session->device->worker;
    size_t end = session->answer_size;
    uint32_t pause_ms = 1 + worker_random(worker, MAX_PAUSE_MS);

    if (session->answer_sent == session->keepalive_at) {
        session->keepalive_at = NOWHERE;
        device_send_keepalive(session->device);
        /* every other one runs into the data that follow */
        if (worker_random(worker, 2) == 0) {
            timer_start_fine(worker->reactor, &session->pause, KEEPALIVE_PAUSE_MS);
            return;
        }
    }
    if (worker->options->fragment) {
        size_t piece = 1 + worker_random(worker, MAX_PIECE_BYTES);
        if (piece < end - session->answer_sent)
            end = session->answer_sent + piece;
    }
    if (session->keepalive_at != NOWHERE && end >= session->keepalive_at) {
        end = session->keepalive_at;
        pause_ms = KEEPALIVE_PAUSE_MS;
    }
    send_up_to(session, end);
    if (session->answer_size > 0)
        timer_start_fine(worker->reactor, &session->pause, pause_ms);
}

static void pause_over(struct timer *timer)
{
    struct session *session = container_of(timer, struct session, pause);

    send_piece(session);
    device_rest(session->device);
}

static void start_answer(struct session *session)
{
    struct worker *worker = session->device->worker;
    uint32_t percent = worker->options->keepalive_in_answers_percent;

    worker_count(&worker->counters.answers, 1);
    if (session->answer_size >= 2 && worker_random(worker, 100) < percent)
        session->keepalive_at = 1 + worker_random(worker, (uint32_t)session->answer_size - 1);
    send_piece(session);
}

/* ---- what comes ---- */

/* The room of the longest answer to one piece, made by sending what waits without its pauses. */
static struct bytes_writer make_room(struct session *session)
{
    if (session->answer_size > METER_MAX_ANSWER / 4) {
        timer_stop(&session->pause);
        send_up_to(session, session->answer_size);
    }
    return bytes_writer_over(session->answer + session->answer_size,
                             METER_MAX_ANSWER - session->answer_size);
}

static void take_control(struct session *session, const struct irz_decoded *decoded)
{
    struct device *device = session->device;
    uint8_t reply[16];
    struct bytes_writer writer = bytes_writer_over(reply, sizeof reply);

    modem_put_control_reply(&writer, device->worker->options, device->index, decoded->control,
                            decoded->control_size);
    if (writer.size > 0)
        device_send_frame(device, IRZ_TYPE_CONTROL, reply, writer.size);
}

/* An echo of it fits into the room that make_room makes. */
#define MAX_TAKEN_BYTES (METER_MAX_ANSWER / 2)

static void take_piece(struct session *session, uint8_t *data, size_t size)
{
    struct device *device = session->device;
    struct worker *worker = device->worker;

    struct bytes_writer answer = make_room(session);
    bool waiting = session->answer_size > 0;
    if (reactor_now_ms(worker->reactor) - session->taken_ms >= METER_PAUSE_MS)
        meter_forget_piece(&session->meter, device_meter(device));
    session->taken_ms = reactor_now_ms(worker->reactor);
    meter_take(&session->meter, device_meter(device),
               load_serial(modem_imei(worker->options, device->index)),
               reactor_utc_ms(worker->reactor) / 1000, data, size, &answer);
    session->answer_size += answer.size;
    if (!waiting && session->answer_size > 0)
        start_answer(session);
}

void session_take(struct session *session, uint8_t *data, size_t size)
{
    struct device *device = session->device;

    if (device_encapsulates(device)) {
        struct irz_decoded decoded;
        irz_decode(&session->decoder, data, size, &decoded);
        size = decoded.data_size;
        if (decoded.controls > 0)
            take_control(session, &decoded);
    }
    while (size > 0) {
        size_t piece = size < MAX_TAKEN_BYTES ? size : MAX_TAKEN_BYTES;
        take_piece(session, data, piece);
        data += piece;
        size -= piece;
    }
}
