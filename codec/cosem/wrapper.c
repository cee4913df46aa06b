#include "codec/cosem/wrapper.h"

#include <string.h>

#include "codec/bytes.h"

enum codec_result wrapper_encode(const struct wrapper_message *message, uint8_t *out,
                                 size_t capacity, size_t *out_size)
{
    struct bytes_writer writer = bytes_writer_over(out, capacity);

    bytes_put_u16(&writer, WRAPPER_VERSION);
    bytes_put_u16(&writer, message->source);
    bytes_put_u16(&writer, message->destination);
    bytes_put_u16(&writer, message->apdu_size);
    bytes_put(&writer, message->apdu, message->apdu_size);
    *out_size = writer.size;
    return bytes_written(&writer);
}

enum codec_result wrapper_decode(const uint8_t *data, size_t size, struct wrapper_message *message,
                                 size_t *consumed)
{
    struct bytes_reader reader = bytes_reader_over(data, size);

    if ((size > 0 && data[0] != 0) || (size > 1 && data[1] != WRAPPER_VERSION)) {
        return CODEC_INVALID;
    }
    bytes_get(&reader, 2);
    message->source = bytes_get_u16(&reader);
    message->destination = bytes_get_u16(&reader);
    message->apdu_size = bytes_get_u16(&reader);
    message->apdu = bytes_get(&reader, message->apdu_size);
    if (reader.failed) {
        return CODEC_NEED_MORE;
    }
    *consumed = reader.at;
    return CODEC_OK;
}

enum codec_result wrapper_scanner_feed(struct wrapper_scanner *scanner, const uint8_t *data,
                                       size_t size, struct wrapper_message *message, size_t *taken)
{
    enum codec_result result;
    size_t consumed;

    CODEC_CHECK(scanner->capacity >= WRAPPER_HEADER_SIZE);
    *taken = 0;
    if (scanner->yielded) {
        scanner->size = 0;
        scanner->yielded = false;
    }
    for (;;) {
        size_t wanted = WRAPPER_HEADER_SIZE;
        size_t piece;

        result = wrapper_decode(scanner->buffer, scanner->size, message, &consumed);
        if (result != CODEC_NEED_MORE) {
            break;
        }
        if (scanner->size >= WRAPPER_HEADER_SIZE) {
            wanted += message->apdu_size;
        }
        if (wanted > scanner->capacity) {
            return CODEC_FULL;
        }
        piece = wanted - scanner->size;
        if (piece > size - *taken) {
            piece = size - *taken;
        }
        if (piece == 0) {
            return CODEC_NEED_MORE;
        }
        memcpy(scanner->buffer + scanner->size, data + *taken, piece);
        scanner->size += piece;
        *taken += piece;
    }
    scanner->yielded = result == CODEC_OK;
    return result;
}
