#include "bench/fleet/meter_dlms.h"

#include <string.h>

#include "bench/fleet/dlms_objects.h"

#define LARGE_PDU 600u /* bytes, of meters that segment */

struct line {
    struct dlms_meter *meter;
    const struct hdlc_frame *request;
    uint32_t serial;
    uint64_t utc_s;
    struct bytes_writer *answer;
};

/* ---- frames ---- */

/* Puts a frame with the addresses of the request, exchanged. */
static void put_frame(struct line *line, struct hdlc_frame *frame)
{
    struct bytes_writer *answer = line->answer;
    size_t size;

    frame->destination = line->request->source;
    frame->source = line->request->destination;
    frame->poll_final = true;
    frame->receive_sequence = line->meter->receive_sequence;
    if (hdlc_encode(frame, answer->data + answer->size, answer->capacity - answer->size, &size) ==
        CODEC_OK)
        answer->size += size;
    else
        answer->full = true;
}

static void put_simple(struct line *line, enum hdlc_kind kind)
{
    struct hdlc_frame frame = {.kind = kind};

    put_frame(line, &frame);
}

/* Puts the next segment of the waiting APDU. */
static void put_segment(struct line *line)
{
    struct dlms_meter *meter = line->meter;
    size_t left = meter->apdu_size - meter->apdu_sent;
    struct hdlc_frame frame = {
        .kind = HDLC_I,
        .send_sequence = meter->send_sequence,
        .segmented = left > meter->information_bytes,
        .information = meter->apdu + meter->apdu_sent,
        .information_size = left > meter->information_bytes ? meter->information_bytes : left,
    };

    put_frame(line, &frame);
    meter->apdu_sent += frame.information_size;
    meter->send_sequence = (meter->send_sequence + 1) & 7;
}

/* ---- APDUs ---- */

static void answer_associate(struct dlms_meter *meter, uint32_t serial, const uint8_t *apdu,
                             size_t size, struct bytes_writer *out)
{
    struct cosem_associate_request request;
    struct cosem_associate_response response = {.conformance = COSEM_CONFORMANCE_GET};
    size_t frame_pdu = meter->information_bytes - HDLC_LLC_SIZE;

    if (cosem_get_associate_request(apdu, size, &request) != CODEC_OK) {
        cosem_put_exception(out, 1, 1);
        return;
    }
    response.max_pdu_size = DLMS_METER_MAX_APDU;
    if (request.authenticated) {
        response.result = 1;
        response.diagnostic = 13;
    } else {
        meter->associated = true;
        meter->max_pdu_size = (uint16_t)(serial % 2 == 0 ? frame_pdu : LARGE_PDU);
        if (request.max_pdu_size != 0 && request.max_pdu_size < meter->max_pdu_size)
            meter->max_pdu_size = request.max_pdu_size;
    }
    cosem_put_associate_response(out, &response);
}

static void put_refusal(struct bytes_writer *out, uint8_t invoke, enum cosem_access_result result)
{
    const struct cosem_get_response response = {.invoke = invoke, .access_result = (uint8_t)result};

    cosem_put_get_response(out, &response);
}

static void answer_get(struct line *line, const uint8_t *apdu, size_t size,
                       struct bytes_writer *out)
{
    struct dlms_meter *meter = line->meter;
    struct cosem_get_request request;

    if (!meter->associated || cosem_get_get_request(apdu, size, &request) != CODEC_OK) {
        cosem_put_exception(out, 1, 1);
        return;
    }
    if (request.kind == COSEM_GET_NEXT) {
        if (cosem_block_sender_expects(&meter->blocks, request.block))
            cosem_block_sender_put(&meter->blocks, request.invoke, meter->max_pdu_size, out);
        else
            put_refusal(out, request.invoke, COSEM_ACCESS_BLOCK_NUMBER_INVALID);
        return;
    }
    struct bytes_writer value = bytes_writer_over(meter->value, sizeof meter->value);
    enum cosem_access_result result = dlms_objects_get(line->serial, line->utc_s, &request, &value);
    if (result == COSEM_ACCESS_SUCCESS && value.full)
        result = COSEM_ACCESS_HARDWARE_FAULT;
    if (result != COSEM_ACCESS_SUCCESS) {
        put_refusal(out, request.invoke, result);
        return;
    }
    meter->blocks = (struct cosem_block_sender){.data = meter->value, .size = value.size};
    cosem_block_sender_put(&meter->blocks, request.invoke, meter->max_pdu_size, out);
}

static void answer_apdu(struct line *line, const uint8_t *apdu, size_t size)
{
    struct dlms_meter *meter = line->meter;
    struct bytes_writer out = bytes_writer_over(meter->apdu, sizeof meter->apdu);

    bytes_put(&out, hdlc_llc_response, HDLC_LLC_SIZE);
    switch (apdu[0]) {
    case COSEM_AARQ:
        answer_associate(meter, line->serial, apdu, size, &out);
        break;
    case COSEM_RLRQ:
        meter->associated = false;
        cosem_put_release_response(&out);
        break;
    case COSEM_GET_REQUEST:
        answer_get(line, apdu, size, &out);
        break;
    default:
        cosem_put_exception(&out, 2, 2);
        break;
    }
    meter->apdu_size = out.size;
    meter->apdu_sent = 0;
    put_segment(line);
}

/* ---- the line ---- */

static void connect_line(struct line *line)
{
    struct dlms_meter *meter = line->meter;
    struct hdlc_parameters parameters;
    uint8_t information[HDLC_PARAMETERS_SIZE];
    struct hdlc_frame frame = {.kind = HDLC_UA, .information = information};

    meter->connected = true;
    meter->associated = false;
    meter->send_sequence = 0;
    meter->receive_sequence = 0;
    meter->apdu_size = 0;
    meter->apdu_sent = 0;
    if (hdlc_parameters_decode(line->request->information, line->request->information_size,
                               &parameters) != CODEC_OK)
        return;
    /* it sends as much as the client takes, one frame at a time */
    meter->information_bytes = parameters.receive_information;
    if (meter->information_bytes > HDLC_MAX_INFORMATION)
        meter->information_bytes = HDLC_MAX_INFORMATION;
    if (meter->information_bytes < 64)
        meter->information_bytes = 64;
    parameters.transmit_information = meter->information_bytes;
    parameters.receive_information = HDLC_DEFAULT_INFORMATION;
    parameters.transmit_window = 1;
    parameters.receive_window = 1;
    if (hdlc_parameters_encode(&parameters, information, sizeof information,
                               &frame.information_size) == CODEC_OK)
        put_frame(line, &frame);
}

static void take_information(struct line *line)
{
    struct dlms_meter *meter = line->meter;
    const uint8_t *apdu;
    size_t size;

    if (line->request->send_sequence != meter->receive_sequence || line->request->segmented) {
        put_simple(line, HDLC_RR); /* says which one is expected */
        return;
    }
    meter->receive_sequence = (meter->receive_sequence + 1) & 7;
    if (hdlc_skip_llc(line->request, &apdu, &size) && size > 0)
        answer_apdu(line, apdu, size);
    else
        put_simple(line, HDLC_RR);
}

static void take_frame(struct line *line)
{
    struct dlms_meter *meter = line->meter;

    switch (line->request->kind) {
    case HDLC_SNRM:
        connect_line(line);
        break;
    case HDLC_DISC:
        put_simple(line, meter->connected ? HDLC_UA : HDLC_DM);
        meter->connected = false;
        meter->associated = false;
        break;
    case HDLC_I:
        if (meter->connected)
            take_information(line);
        else
            put_simple(line, HDLC_DM);
        break;
    case HDLC_RR:
        if (!meter->connected)
            put_simple(line, HDLC_DM);
        else if (meter->apdu_sent < meter->apdu_size)
            put_segment(line);
        else
            put_simple(line, HDLC_RR);
        break;
    default:
        break;
    }
}

void dlms_meter_take(struct dlms_meter *meter, uint32_t serial, uint64_t utc_s, const uint8_t *data,
                     size_t size, struct bytes_writer *answer)
{
    struct hdlc_frame frame;
    bool found;
    struct line line = {
        .meter = meter, .request = &frame, .serial = serial, .utc_s = utc_s, .answer = answer};

    do {
        size_t taken = hdlc_scanner_feed(&meter->scanner, data, size, &frame, &found);
        if (found)
            take_frame(&line);
        data += taken;
        size -= taken;
    } while (size > 0 || found);
}
