/* HDLC, the wrapper, APDUs and values with hostile bytes. Byte 0: how the stream is cut.
 *
 * Promised: the same frames whatever the cuts; a frame that was understood encodes to the bytes it
 * came from; decoders of what is inside stay inside. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "codec/cosem/apdu.h"
#include "codec/cosem/data.h"
#include "codec/cosem/hdlc.h"
#include "codec/cosem/wrapper.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

struct heard {
    uint32_t count;
    uint32_t hash;
};

static void note(struct heard *heard, const uint8_t *data, size_t size)
{
    heard->count++;
    for (size_t i = 0; i < size; i++)
        heard->hash = (heard->hash ^ data[i]) * 16777619u;
}

static size_t next_piece(uint32_t *random, size_t left)
{
    if (*random == 0)
        return left;
    *random = *random * 1103515245u + 12345u;
    return 1 + (*random >> 16) % 37 % left;
}

/* ---- what is inside ---- */

static void read_value(const uint8_t *data, size_t size)
{
    struct bytes_reader reader = bytes_reader_over(data, size);
    struct cosem_value value;
    struct cosem_date_time time;

    while (cosem_get_value(&reader, &value) == CODEC_OK) {
        if (value.size > 0) {
            CHECK(value.bytes >= data && value.bytes + value.size <= data + size);
            if (cosem_date_time_decode(value.bytes, value.size, &time) == CODEC_OK)
                CHECK(value.size == COSEM_DATE_TIME_SIZE);
        }
    }
    reader = bytes_reader_over(data, size);
    if (cosem_skip_value(&reader) == CODEC_OK)
        CHECK(reader.at > 0 && reader.at <= size);
}

static void read_apdu(const uint8_t *data, size_t size)
{
    static uint8_t buffer[4096];
    struct cosem_block_receiver receiver = {.buffer = buffer, .capacity = sizeof(buffer)};
    struct cosem_associate_request asked;
    struct cosem_associate_response answered;
    struct cosem_get_request request;
    struct cosem_get_response response;
    struct bytes_writer writer = bytes_writer_over(buffer, sizeof(buffer));

    if (cosem_get_associate_request(data, size, &asked) == CODEC_OK)
        CHECK(asked.conformance <= 0xFFFFFF);
    if (cosem_get_associate_response(data, size, &answered) == CODEC_OK)
        CHECK(answered.conformance <= 0xFFFFFF);
    if (cosem_get_get_request(data, size, &request) == CODEC_OK) {
        cosem_put_get_request(&writer, &request);
        CHECK(bytes_written(&writer) == CODEC_OK && writer.size == size);
    }
    if (cosem_get_get_response(data, size, &response) == CODEC_OK) {
        CHECK(response.data_size <= size);
        if (cosem_block_receiver_take(&receiver, &response) == CODEC_OK)
            read_value(buffer, receiver.size);
    }
    read_value(data, size);
}

/* ---- streams ---- */

static void check_frame(const struct hdlc_frame *frame, struct heard *heard)
{
    uint8_t bytes[HDLC_MAX_FRAME];
    struct hdlc_frame back;
    struct hdlc_parameters parameters;
    size_t size = 0;

    note(heard, (const uint8_t *)"frame", 5);
    if (frame->kind != HDLC_UNKNOWN) {
        CHECK(hdlc_encode(frame, bytes, sizeof(bytes), &size) == CODEC_OK);
        CHECK(hdlc_decode(bytes, size, &back) == CODEC_OK);
        CHECK(back.information_size == frame->information_size);
        note(heard, bytes, size);
    }
    if (hdlc_parameters_decode(frame->information, frame->information_size, &parameters) ==
        CODEC_OK)
        CHECK(parameters.transmit_window >= 1 && parameters.transmit_window <= 7);
}

static struct heard hear_hdlc(const uint8_t *data, size_t size, uint32_t random)
{
    static struct hdlc_scanner scanner;
    struct heard heard = {0};
    size_t at = 0;

    memset(&scanner, 0, sizeof(scanner));
    while (at < size) {
        size_t end = at + next_piece(&random, size - at);

        while (at < end) {
            struct hdlc_frame frame;
            bool found = false;
            size_t taken = hdlc_scanner_feed(&scanner, data + at, end - at, &frame, &found);

            CHECK(taken <= end - at && (found || taken == end - at));
            CHECK(scanner.size <= sizeof(scanner.buffer));
            if (found)
                check_frame(&frame, &heard);
            at += taken;
        }
    }
    /* what came before the last byte but was not yet given out */
    for (bool found = true; found;) {
        struct hdlc_frame frame;

        (void)hdlc_scanner_feed(&scanner, data, 0, &frame, &found);
        if (found)
            check_frame(&frame, &heard);
    }
    note(&heard, (const uint8_t *)&scanner.dropped_bytes, sizeof(scanner.dropped_bytes));
    return heard;
}

static struct heard hear_wrapper(const uint8_t *data, size_t size, uint32_t random)
{
    uint8_t buffer[512];
    struct wrapper_scanner scanner = {.buffer = buffer, .capacity = sizeof(buffer)};
    enum codec_result result = CODEC_NEED_MORE;
    struct heard heard = {0};
    size_t at = 0;

    while (at < size && (result == CODEC_OK || result == CODEC_NEED_MORE)) {
        size_t end = at + next_piece(&random, size - at);

        while (at < end && (result == CODEC_OK || result == CODEC_NEED_MORE)) {
            struct wrapper_message message;
            size_t taken = 0;

            result = wrapper_scanner_feed(&scanner, data + at, end - at, &message, &taken);
            CHECK(taken <= end - at);
            if (result == CODEC_OK)
                note(&heard, message.apdu, message.apdu_size);
            at += taken;
        }
    }
    heard.hash ^= (uint32_t)(result == CODEC_OK ? CODEC_NEED_MORE : result);
    return heard;
}

static void check_same(struct heard one, struct heard other)
{
    CHECK(one.count == other.count && one.hash == other.hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hdlc_frame frame;
    uint8_t *copy;

    if (size < 1 || size > 16384)
        return 0;
    copy = malloc(size); /* of its exact size */
    CHECK(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    if (hdlc_decode(copy, size - 1, &frame) == CODEC_OK) {
        struct heard heard = {0};

        check_frame(&frame, &heard);
    }
    check_same(hear_hdlc(copy, size - 1, 0), hear_hdlc(copy, size - 1, data[0]));
    check_same(hear_wrapper(copy, size - 1, 0), hear_wrapper(copy, size - 1, data[0]));
    free(copy);
    copy = malloc(size > 1 ? size - 1 : 1);
    CHECK(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    read_apdu(copy, size - 1);
    free(copy);
    return 0;
}
