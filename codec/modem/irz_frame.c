#include "codec/modem/irz_frame.h"

#include <string.h>

#include "codec/bytes.h"

#define MAGIC_SIZE 5u
#define HEAD_SIZE  8u /* magic, type, length */
#define CR         '\r'
#define LF         '\n'

const uint8_t irz_keepalive[IRZ_KEEPALIVE_SIZE] = {0xB5, 0xBC, 0xBD, 0xBE, 0xBF};

static const uint8_t magic[MAGIC_SIZE] = {0xC8, 0xCA, 0xCB, 0xCC, 0xCD};

enum codec_result irz_frame_encode(enum irz_type type, const uint8_t *payload, size_t payload_size,
                                   uint8_t *out, size_t capacity, size_t *out_size)
{
    struct bytes_writer writer = bytes_writer_over(out, capacity);

    if (payload_size > IRZ_MAX_PAYLOAD || capacity < payload_size + IRZ_FRAME_OVERHEAD) {
        return CODEC_FULL;
    }
    bytes_put(&writer, magic, MAGIC_SIZE);
    bytes_put_u8(&writer, (uint8_t)type);
    bytes_put_u16(&writer, (uint16_t)payload_size);
    bytes_put(&writer, payload, payload_size);
    bytes_put_u8(&writer, CR);
    bytes_put_u8(&writer, LF);
    *out_size = writer.size;
    return bytes_written(&writer);
}

static bool type_is_known(uint8_t type)
{
    return type == IRZ_TYPE_DATA || type == IRZ_TYPE_KEEPALIVE || type == IRZ_TYPE_FIRMWARE ||
           type == IRZ_TYPE_SETTINGS || type == IRZ_TYPE_CONTROL;
}

static size_t length_in(const uint8_t *head)
{
    return (size_t)head[MAGIC_SIZE + 1] << 8 | head[MAGIC_SIZE + 2];
}

/* True if a frame, or a keepalive outside of any frame, may begin like this. */
static bool head_is_plausible(const uint8_t *head, size_t size)
{
    size_t start = size < MAGIC_SIZE ? size : MAGIC_SIZE;

    if (memcmp(head, magic, start) != 0) {
        return size <= IRZ_KEEPALIVE_SIZE && memcmp(head, irz_keepalive, size) == 0;
    }
    if (size > MAGIC_SIZE && !type_is_known(head[MAGIC_SIZE])) {
        return false;
    }
    return size < HEAD_SIZE || length_in(head) <= IRZ_MAX_PAYLOAD;
}

/* One more byte outside of any payload. */
static void take_head_byte(struct irz_decoder *decoder, uint8_t byte, struct irz_decoded *decoded)
{
    CODEC_CHECK(decoder->head_size < HEAD_SIZE);
    decoder->head[decoder->head_size++] = byte;
    while (decoder->head_size > 0 && !head_is_plausible(decoder->head, decoder->head_size)) {
        decoder->head_size--;
        memmove(decoder->head, decoder->head + 1, decoder->head_size);
        decoded->dropped_bytes++;
    }
    if (decoder->head_size == IRZ_KEEPALIVE_SIZE && decoder->head[0] == irz_keepalive[0]) {
        decoder->head_size = 0;
        decoded->keepalives++;
    }
    if (decoder->head_size == HEAD_SIZE) {
        decoder->type = decoder->head[MAGIC_SIZE];
        decoder->left = (uint16_t)length_in(decoder->head);
        decoder->head_size = 0;
        decoder->tail_size = 0;
        decoder->control_size = 0;
    }
}

static void end_frame(struct irz_decoder *decoder, struct irz_decoded *decoded)
{
    if (decoder->type == IRZ_TYPE_KEEPALIVE) {
        decoded->keepalives++;
    }
    if (decoder->type == IRZ_TYPE_CONTROL) {
        decoded->controls++;
        memcpy(decoded->control, decoder->control, sizeof(decoded->control));
        decoded->control_size = decoder->control_size;
        decoded->has_signal |=
            irz_control_signal(decoder->control, decoder->control_size, &decoded->csq);
    }
    decoder->type = 0;
}

static void take_tail_byte(struct irz_decoder *decoder, uint8_t byte, struct irz_decoded *decoded)
{
    if (decoder->tail_size == 0 && byte == CR) {
        decoder->tail_size = 1;
    } else if (decoder->tail_size == 1 && byte == LF) {
        end_frame(decoder, decoded);
    } else {
        decoder->type = 0;
        decoded->broken_frames++;
        if (decoder->tail_size == 1) {
            take_head_byte(decoder, CR, decoded);
        }
        take_head_byte(decoder, byte, decoded);
    }
}

/* Payload bytes at data + at; returns how many there were. */
static size_t take_payload(struct irz_decoder *decoder, uint8_t *data, size_t at, size_t size,
                           struct irz_decoded *decoded)
{
    size_t piece = decoder->left < size - at ? decoder->left : size - at;

    if (decoder->type == IRZ_TYPE_DATA) {
        memmove(data + decoded->data_size, data + at, piece);
        decoded->data_size += piece;
    }
    if (decoder->type == IRZ_TYPE_CONTROL) {
        for (size_t i = 0; i < piece && decoder->control_size < IRZ_CONTROL_HEAD; i++) {
            decoder->control[decoder->control_size++] = data[at + i];
        }
    }
    decoder->left = (uint16_t)(decoder->left - piece);
    return piece;
}

void irz_decode(struct irz_decoder *decoder, uint8_t *data, size_t size,
                struct irz_decoded *decoded)
{
    size_t at = 0;

    memset(decoded, 0, sizeof(*decoded));
    while (at < size) {
        if (decoder->type == 0) {
            take_head_byte(decoder, data[at++], decoded);
        } else if (decoder->left > 0) {
            at += take_payload(decoder, data, at, size, decoded);
        } else {
            take_tail_byte(decoder, data[at++], decoded);
        }
    }
    CODEC_CHECK(decoded->data_size <= size);
}

bool irz_control_signal(const uint8_t *control, size_t size, uint8_t *csq)
{
    if (size < IRZ_CONTROL_HEAD || control[0] != 0x01 || control[1] != 0x40 ||
        control[2] != IRZ_COMMAND_SIGNAL) {
        return false;
    }
    *csq = control[3] <= IRZ_LAST_CSQ ? control[3] : IRZ_CSQ_UNKNOWN;
    return true;
}
