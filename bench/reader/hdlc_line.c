#include "bench/reader/hdlc_line.h"

#include <string.h>

#include "server/base/check.h"

static enum status send_frame(struct hdlc_line *hdlc, struct hdlc_frame *frame)
{
    uint8_t out[HDLC_MAX_FRAME];
    size_t size;

    frame->destination = hdlc->meter;
    frame->source = hdlc->client;
    frame->poll_final = true;
    frame->send_sequence = hdlc->send_sequence;
    frame->receive_sequence = hdlc->receive_sequence;
    if (hdlc_encode(frame, out, sizeof out, &size) != CODEC_OK)
        return line_fail(hdlc->line, STATUS_FULL, "the request doesn't fit into an HDLC frame");
    return line_send(hdlc->line, out, size);
}

static bool is_for_us(const struct hdlc_line *hdlc, const struct hdlc_frame *frame)
{
    return frame->destination.upper == hdlc->client.upper;
}

/* Waits for the next frame that is meant for this client. */
static enum status next_frame(struct hdlc_line *hdlc, const char *what, uint64_t until_ms,
                              struct hdlc_frame *frame)
{
    for (;;) {
        bool found;
        hdlc->taken += hdlc_scanner_feed(&hdlc->scanner, hdlc->received + hdlc->taken,
                                         hdlc->received_size - hdlc->taken, frame, &found);
        if (found && is_for_us(hdlc, frame))
            return STATUS_OK;
        if (found || hdlc->taken < hdlc->received_size)
            continue;
        hdlc->taken = 0;
        hdlc->received_size = 0;
        enum status status = line_receive(hdlc->line, until_ms, hdlc->received,
                                          sizeof hdlc->received, &hdlc->received_size);
        if (status == STATUS_NOT_FOUND)
            return line_fail(hdlc->line, status, "%s: no answer in time", what);
        if (status != STATUS_OK)
            return status;
    }
}

enum status hdlc_line_connect(struct hdlc_line *hdlc, uint32_t wait_ms)
{
    struct hdlc_frame frame = {.kind = HDLC_SNRM};
    uint64_t until_ms = line_now_ms() + wait_ms;
    enum status status = send_frame(hdlc, &frame);

    while (status == STATUS_OK) {
        status = next_frame(hdlc, "HDLC connect (SNRM)", until_ms, &frame);
        if (status == STATUS_OK && frame.kind == HDLC_UA)
            return STATUS_OK;
        if (status == STATUS_OK && frame.kind == HDLC_DM)
            return line_fail(hdlc->line, STATUS_REFUSED, "the meter refuses an HDLC connection");
    }
    return status;
}

/* Adds a segment to the answer. */
static enum status take_segment(struct hdlc_line *hdlc, const char *what,
                                const struct hdlc_frame *frame)
{
    if (frame->information_size > sizeof hdlc->apdu - hdlc->apdu_size)
        return line_fail(hdlc->line, STATUS_FULL, "%s: the answer is too long", what);
    hdlc->receive_sequence = (hdlc->receive_sequence + 1) & 7;
    if (frame->information_size > 0)
        memcpy(hdlc->apdu + hdlc->apdu_size, frame->information, frame->information_size);
    hdlc->apdu_size += frame->information_size;
    return STATUS_OK;
}

static enum status receive_apdu(struct hdlc_line *hdlc, const char *what)
{
    hdlc->apdu_size = 0;
    for (;;) {
        struct hdlc_frame frame;
        uint64_t until_ms = line_now_ms() + hdlc->line->timeout_ms;
        enum status status = next_frame(hdlc, what, until_ms, &frame);
        if (status != STATUS_OK)
            return status;
        if (frame.kind == HDLC_DM || frame.kind == HDLC_FRMR)
            return line_fail(hdlc->line, STATUS_REFUSED, "%s: the meter has disconnected", what);
        if (frame.kind != HDLC_I || frame.send_sequence != hdlc->receive_sequence)
            continue;
        status = take_segment(hdlc, what, &frame);
        if (status != STATUS_OK || !frame.segmented)
            return status;
        struct hdlc_frame more = {.kind = HDLC_RR};
        status = send_frame(hdlc, &more);
        if (status != STATUS_OK)
            return status;
    }
}

enum status hdlc_line_ask(struct hdlc_line *hdlc, const char *what, const uint8_t *apdu,
                          size_t size, const uint8_t **answer, size_t *answer_size)
{
    uint8_t information[HDLC_MAX_INFORMATION];
    struct hdlc_frame frame = {.kind = HDLC_I, .information = information};

    CHECK(size <= HDLC_MAX_INFORMATION - HDLC_LLC_SIZE);
    memcpy(information, hdlc_llc_request, HDLC_LLC_SIZE);
    memcpy(information + HDLC_LLC_SIZE, apdu, size);
    frame.information_size = HDLC_LLC_SIZE + size;
    enum status status = send_frame(hdlc, &frame);
    if (status != STATUS_OK)
        return status;
    hdlc->send_sequence = (hdlc->send_sequence + 1) & 7;
    status = receive_apdu(hdlc, what);
    if (status != STATUS_OK)
        return status;
    const struct hdlc_frame whole = {.information = hdlc->apdu,
                                     .information_size = hdlc->apdu_size};
    if (!hdlc_skip_llc(&whole, answer, answer_size) || *answer_size == 0)
        return line_fail(hdlc->line, STATUS_INVALID, "%s: the answer has no APDU", what);
    return STATUS_OK;
}

enum status hdlc_line_disconnect(struct hdlc_line *hdlc)
{
    struct hdlc_frame frame = {.kind = HDLC_DISC};
    uint64_t until_ms = line_now_ms() + hdlc->line->timeout_ms;
    enum status status = send_frame(hdlc, &frame);

    while (status == STATUS_OK) {
        status = next_frame(hdlc, "HDLC disconnect", until_ms, &frame);
        if (status == STATUS_OK && (frame.kind == HDLC_UA || frame.kind == HDLC_DM))
            return STATUS_OK;
    }
    return status;
}
