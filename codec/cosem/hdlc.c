#include "codec/cosem/hdlc.h"

#include <string.h>

#include "codec/bytes.h"

#define FORMAT_TYPE      0xA000u /* type 3 in the upper four bits */
#define FORMAT_TYPE_MASK 0xF000u
#define FORMAT_SEGMENTED 0x0800u
#define FORMAT_LENGTH    0x07FFu
#define FORMAT_SIZE      2u
#define CHECK_SIZE       2u
#define POLL_FINAL       0x10u
#define SHORTEST_LENGTH  7u /* format, two addresses of 1 byte, control, FCS */

const uint8_t hdlc_llc_request[HDLC_LLC_SIZE] = {0xE6, 0xE6, 0x00};
const uint8_t hdlc_llc_response[HDLC_LLC_SIZE] = {0xE6, 0xE7, 0x00};

uint16_t hdlc_crc(const uint8_t *data, size_t size)
{
    /* CRC-16/X-25, four bits at a time: x^16 + x^12 + x^5 + 1, reflected */
    static const uint16_t nibbles[16] = {0x0000, 0x1081, 0x2102, 0x3183, 0x4204, 0x5285,
                                         0x6306, 0x7387, 0x8408, 0x9489, 0xA50A, 0xB58B,
                                         0xC60C, 0xD68D, 0xE70E, 0xF78F};
    uint16_t crc = 0xFFFF;

    for (size_t i = 0; i < size; i++) {
        crc = (uint16_t)((crc >> 4) ^ nibbles[(crc ^ data[i]) & 0xF]);
        crc = (uint16_t)((crc >> 4) ^ nibbles[(crc ^ (data[i] >> 4)) & 0xF]);
    }
    return (uint16_t)~crc;
}

static void put_crc(struct bytes_writer *writer, size_t from)
{
    uint16_t crc = hdlc_crc(writer->data + from, writer->size - from);

    bytes_put_u8(writer, (uint8_t)(crc & 0xFF));
    bytes_put_u8(writer, (uint8_t)(crc >> 8));
}

/* True if the two bytes at the end of data are the CRC of what is before them. */
static bool crc_agrees(const uint8_t *data, size_t size)
{
    uint16_t crc = hdlc_crc(data, size - CHECK_SIZE);

    return data[size - 2] == (crc & 0xFF) && data[size - 1] == (crc >> 8);
}

/* ---- addresses ---- */

static bool address_fits(const struct hdlc_address *address)
{
    switch (address->size) {
    case 1:
        return address->upper <= 0x7F && address->lower == 0;
    case 2:
        return address->upper <= 0x7F && address->lower <= 0x7F;
    case 4:
        return address->upper <= 0x3FFF && address->lower <= 0x3FFF;
    default:
        return false;
    }
}

/* Seven bits a byte; the lowest bit is set in the last byte only. */
static void put_address(struct bytes_writer *writer, const struct hdlc_address *address)
{
    if (address->size == 4) {
        bytes_put_u8(writer, (uint8_t)((address->upper >> 7) << 1));
    }
    bytes_put_u8(writer, (uint8_t)((address->upper & 0x7F) << 1 | (address->size == 1)));
    if (address->size == 4) {
        bytes_put_u8(writer, (uint8_t)((address->lower >> 7) << 1));
    }
    if (address->size > 1) {
        bytes_put_u8(writer, (uint8_t)((address->lower & 0x7F) << 1 | 1));
    }
}

static enum codec_result get_address(struct bytes_reader *reader, struct hdlc_address *address)
{
    uint16_t septets[4] = {0};
    uint8_t count = 0;
    uint8_t octet;

    do {
        if (count == sizeof(septets) / sizeof(septets[0])) {
            return CODEC_INVALID;
        }
        octet = bytes_get_u8(reader);
        if (reader->failed) {
            return CODEC_NEED_MORE;
        }
        septets[count++] = octet >> 1;
    } while ((octet & 1) == 0);
    if (count == 3) {
        return CODEC_INVALID;
    }
    address->size = count;
    address->upper = septets[0];
    address->lower = count == 2 ? septets[1] : 0;
    if (count == 4) {
        address->upper = (uint16_t)(septets[0] << 7 | septets[1]);
        address->lower = (uint16_t)(septets[2] << 7 | septets[3]);
    }
    return CODEC_OK;
}

/* ---- control ---- */

/* Control bytes of the frames without sequence numbers, poll/final bit cleared. */
static const struct {
    enum hdlc_kind kind;
    uint8_t control;
} unnumbered[] = {
    {HDLC_SNRM, 0x83}, {HDLC_UA, 0x63},   {HDLC_DISC, 0x43},
    {HDLC_DM, 0x0F},   {HDLC_FRMR, 0x87}, {HDLC_UI, 0x03},
};
#define UNNUMBERED_COUNT (sizeof(unnumbered) / sizeof(unnumbered[0]))

static enum codec_result control_of(const struct hdlc_frame *frame, uint8_t *control)
{
    uint8_t poll_final = frame->poll_final ? POLL_FINAL : 0;

    if (frame->send_sequence > 7 || frame->receive_sequence > 7) {
        return CODEC_INVALID;
    }
    switch (frame->kind) {
    case HDLC_I:
        *control = (uint8_t)(frame->receive_sequence << 5 | frame->send_sequence << 1 | poll_final);
        return CODEC_OK;
    case HDLC_RR:
    case HDLC_RNR:
        *control = (uint8_t)(frame->receive_sequence << 5 | poll_final |
                             (frame->kind == HDLC_RR ? 0x01 : 0x05));
        return CODEC_OK;
    default:
        break;
    }
    for (size_t i = 0; i < UNNUMBERED_COUNT; i++) {
        if (unnumbered[i].kind == frame->kind) {
            *control = unnumbered[i].control | poll_final;
            return CODEC_OK;
        }
    }
    return CODEC_INVALID;
}

static void read_control(uint8_t control, struct hdlc_frame *frame)
{
    uint8_t bare = control & (uint8_t)~POLL_FINAL;

    frame->poll_final = (control & POLL_FINAL) != 0;
    frame->kind = HDLC_UNKNOWN;
    if ((control & 0x01) == 0) {
        frame->kind = HDLC_I;
        frame->send_sequence = (control >> 1) & 7;
        frame->receive_sequence = control >> 5;
    } else if ((control & 0x0F) == 0x01 || (control & 0x0F) == 0x05) {
        frame->kind = (control & 0x0F) == 0x01 ? HDLC_RR : HDLC_RNR;
        frame->receive_sequence = control >> 5;
    } else {
        for (size_t i = 0; i < UNNUMBERED_COUNT; i++) {
            if (unnumbered[i].control == bare) {
                frame->kind = unnumbered[i].kind;
            }
        }
    }
}

/* ---- frames ---- */

enum codec_result hdlc_encode(const struct hdlc_frame *frame, uint8_t *out, size_t capacity,
                              size_t *out_size)
{
    struct bytes_writer writer = bytes_writer_over(out, capacity);
    size_t length = FORMAT_SIZE + frame->destination.size + frame->source.size + 1u + CHECK_SIZE;
    uint8_t control;

    if (!address_fits(&frame->destination) || !address_fits(&frame->source) ||
        control_of(frame, &control) != CODEC_OK) {
        return CODEC_INVALID;
    }
    if (frame->information_size > 0) {
        if (frame->information_size > HDLC_MAX_LENGTH - length - CHECK_SIZE) {
            return CODEC_FULL;
        }
        length += frame->information_size + CHECK_SIZE;
    }
    if (capacity < length + 2) {
        return CODEC_FULL;
    }
    bytes_put_u8(&writer, HDLC_FLAG);
    bytes_put_u16(&writer,
                  (uint16_t)(FORMAT_TYPE | (frame->segmented ? FORMAT_SEGMENTED : 0u) | length));
    put_address(&writer, &frame->destination);
    put_address(&writer, &frame->source);
    bytes_put_u8(&writer, control);
    if (frame->information_size > 0) {
        put_crc(&writer, 1);
        bytes_put(&writer, frame->information, frame->information_size);
    }
    put_crc(&writer, 1);
    bytes_put_u8(&writer, HDLC_FLAG);
    CODEC_CHECK(!writer.full && writer.size == length + 2);
    *out_size = writer.size;
    return CODEC_OK;
}

/* Reads flag, format, addresses and control, and HCS where it is there: as much as shows early
 * that bytes are no frame. total is the frame's size with both flags. */
static enum codec_result read_header(struct bytes_reader *reader, struct hdlc_frame *frame,
                                     size_t *total)
{
    uint8_t flag = bytes_get_u8(reader);
    uint16_t format = bytes_get_u16(reader);
    size_t length = format & FORMAT_LENGTH;
    enum codec_result result;

    if (reader->failed) {
        return CODEC_NEED_MORE;
    }
    if (flag != HDLC_FLAG || (format & FORMAT_TYPE_MASK) != FORMAT_TYPE ||
        length < SHORTEST_LENGTH) {
        return CODEC_INVALID;
    }
    *total = length + 2;
    frame->segmented = (format & FORMAT_SEGMENTED) != 0;
    result = get_address(reader, &frame->destination);
    if (result == CODEC_OK) {
        result = get_address(reader, &frame->source);
    }
    if (result != CODEC_OK) {
        return result;
    }
    read_control(bytes_get_u8(reader), frame);
    if (reader->failed) {
        return CODEC_NEED_MORE;
    }
    if (reader->at + CHECK_SIZE == length + 1) {
        return CODEC_OK; /* only the FCS is left: no information, no HCS */
    }
    if (reader->at + 2 * CHECK_SIZE >= length + 1) {
        return CODEC_INVALID; /* too short for HCS, information and FCS */
    }
    if (bytes_get(reader, CHECK_SIZE) == NULL) {
        return CODEC_NEED_MORE;
    }
    if (!crc_agrees(reader->data + 1, reader->at - 1)) {
        return CODEC_INVALID;
    }
    frame->information = reader->data + reader->at;
    frame->information_size = length + 1 - CHECK_SIZE - reader->at;
    return CODEC_OK;
}

enum codec_result hdlc_decode(const uint8_t *data, size_t size, struct hdlc_frame *frame)
{
    struct bytes_reader reader = bytes_reader_over(data, size);
    size_t total = 0;

    memset(frame, 0, sizeof(*frame));
    if (read_header(&reader, frame, &total) != CODEC_OK || total != size ||
        data[size - 1] != HDLC_FLAG || !crc_agrees(data + 1, size - 2)) {
        return CODEC_INVALID;
    }
    return CODEC_OK;
}

bool hdlc_skip_llc(const struct hdlc_frame *frame, const uint8_t **apdu, size_t *apdu_size)
{
    const uint8_t *information = frame->information;

    if (frame->information_size < HDLC_LLC_SIZE ||
        (memcmp(information, hdlc_llc_request, HDLC_LLC_SIZE) != 0 &&
         memcmp(information, hdlc_llc_response, HDLC_LLC_SIZE) != 0)) {
        return false;
    }
    *apdu = information + HDLC_LLC_SIZE;
    *apdu_size = frame->information_size - HDLC_LLC_SIZE;
    return true;
}

/* ---- parameters ---- */

enum {
    PARAMETERS_FORMAT = 0x81,
    PARAMETERS_GROUP = 0x80,
    TRANSMIT_INFORMATION = 0x05,
    RECEIVE_INFORMATION = 0x06,
    TRANSMIT_WINDOW = 0x07,
    RECEIVE_WINDOW = 0x08,
};

/* Widths as in the standard's example: sizes in 1 byte while they fit, windows in 4. */
static void put_parameter(struct bytes_writer *writer, uint8_t id, uint32_t value, size_t width)
{
    bytes_put_u8(writer, id);
    bytes_put_u8(writer, (uint8_t)width);
    bytes_put_uint(writer, value, width);
}

enum codec_result hdlc_parameters_encode(const struct hdlc_parameters *parameters, uint8_t *out,
                                         size_t capacity, size_t *out_size)
{
    struct bytes_writer writer = bytes_writer_over(out, capacity);
    size_t transmit_width = parameters->transmit_information > 0xFF ? 2 : 1;
    size_t receive_width = parameters->receive_information > 0xFF ? 2 : 1;

    bytes_put_u8(&writer, PARAMETERS_FORMAT);
    bytes_put_u8(&writer, PARAMETERS_GROUP);
    bytes_put_u8(&writer, (uint8_t)(16 + transmit_width + receive_width));
    put_parameter(&writer, TRANSMIT_INFORMATION, parameters->transmit_information, transmit_width);
    put_parameter(&writer, RECEIVE_INFORMATION, parameters->receive_information, receive_width);
    put_parameter(&writer, TRANSMIT_WINDOW, parameters->transmit_window, 4);
    put_parameter(&writer, RECEIVE_WINDOW, parameters->receive_window, 4);
    *out_size = writer.size;
    return bytes_written(&writer);
}

static enum codec_result take_parameter(uint8_t id, uint64_t value,
                                        struct hdlc_parameters *parameters)
{
    bool is_window = id == TRANSMIT_WINDOW || id == RECEIVE_WINDOW;

    if (value == 0 || value > (is_window ? 7u : 0xFFFFu)) {
        return CODEC_INVALID;
    }
    switch (id) {
    case TRANSMIT_INFORMATION:
        parameters->transmit_information = (uint16_t)value;
        break;
    case RECEIVE_INFORMATION:
        parameters->receive_information = (uint16_t)value;
        break;
    case TRANSMIT_WINDOW:
        parameters->transmit_window = (uint8_t)value;
        break;
    case RECEIVE_WINDOW:
        parameters->receive_window = (uint8_t)value;
        break;
    default:
        break; /* not needed here */
    }
    return CODEC_OK;
}

enum codec_result hdlc_parameters_decode(const uint8_t *data, size_t size,
                                         struct hdlc_parameters *parameters)
{
    struct bytes_reader reader = bytes_reader_over(data, size);

    *parameters =
        (struct hdlc_parameters){HDLC_DEFAULT_INFORMATION, HDLC_DEFAULT_INFORMATION, 1, 1};
    if (size == 0) {
        return CODEC_OK;
    }
    if (bytes_get_u8(&reader) != PARAMETERS_FORMAT || bytes_get_u8(&reader) != PARAMETERS_GROUP ||
        bytes_get_u8(&reader) > bytes_left(&reader)) {
        return CODEC_INVALID;
    }
    while (bytes_left(&reader) > 0) {
        uint8_t id = bytes_get_u8(&reader);
        size_t width = bytes_get_u8(&reader);

        if (width < 1 || width > 4 || width > bytes_left(&reader) ||
            take_parameter(id, bytes_get_uint(&reader, width), parameters) != CODEC_OK) {
            return CODEC_INVALID;
        }
    }
    return CODEC_OK;
}

/* ---- scanner ---- */

static uint64_t count_noise(const uint8_t *data, size_t size)
{
    uint64_t noise = 0;

    for (size_t i = 0; i < size; i++) {
        noise += data[i] != HDLC_FLAG;
    }
    return noise;
}

/* Removes the buffer's front: `from` bytes, and what follows up to the next flag. */
static void cut_to_flag(struct hdlc_scanner *scanner, size_t from)
{
    const uint8_t *start = scanner->buffer + from;
    const uint8_t *flag = memchr(start, HDLC_FLAG, scanner->size - from);
    size_t keep = flag == NULL ? 0 : scanner->size - (size_t)(flag - scanner->buffer);

    scanner->dropped_bytes += count_noise(start, scanner->size - from - keep);
    if (keep > 0) {
        memmove(scanner->buffer, flag, keep);
    }
    scanner->size = keep;
}

/* Judges the front of the buffer. CODEC_OK: a frame of `total` bytes. CODEC_NEED_MORE: the
 * beginning of one, which `total` bytes will tell more about. */
static enum codec_result judge(const struct hdlc_scanner *scanner, struct hdlc_frame *frame,
                               size_t *total)
{
    struct bytes_reader reader = bytes_reader_over(scanner->buffer, scanner->size);
    enum codec_result result;

    memset(frame, 0, sizeof(*frame));
    result = read_header(&reader, frame, total);
    if (result == CODEC_NEED_MORE) {
        *total = scanner->size + 1;
    }
    if (result != CODEC_OK) {
        return result;
    }
    if (scanner->size < *total) {
        return CODEC_NEED_MORE;
    }
    return hdlc_decode(scanner->buffer, *total, frame);
}

/* Looks for a frame at the front of the buffer, removing what is none. When there is none yet,
 * wanted is the size at which it is worth looking again. */
static bool scan(struct hdlc_scanner *scanner, struct hdlc_frame *frame, size_t *wanted)
{
    while (scanner->size > 0) {
        size_t total = 0;
        enum codec_result result = judge(scanner, frame, &total);

        if (result == CODEC_OK) {
            scanner->yielded = total - 1; /* the closing flag may open the next frame as well */
            return true;
        }
        if (result == CODEC_NEED_MORE) {
            CODEC_CHECK(total > scanner->size && total <= HDLC_MAX_FRAME);
            *wanted = total;
            return false;
        }
        scanner->dropped_bytes += scanner->buffer[0] != HDLC_FLAG;
        cut_to_flag(scanner, 1);
    }
    *wanted = 1;
    return false;
}

size_t hdlc_scanner_feed(struct hdlc_scanner *scanner, const uint8_t *data, size_t size,
                         struct hdlc_frame *frame, bool *found)
{
    size_t taken = 0;
    size_t wanted;

    if (scanner->yielded > 0) {
        cut_to_flag(scanner, scanner->yielded);
        scanner->yielded = 0;
    }
    while (*found = scan(scanner, frame, &wanted), !*found && taken < size) {
        size_t piece = wanted - scanner->size;

        if (piece > size - taken) {
            piece = size - taken;
        }
        memcpy(scanner->buffer + scanner->size, data + taken, piece);
        scanner->size += piece;
        taken += piece;
    }
    return taken;
}
