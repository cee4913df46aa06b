#include "codec/cosem/apdu.h"

#include <string.h>

#include "codec/cosem/data.h"

enum {
    CONFIRMED_SERVICE_ERROR = 0x0E,
    ACCESS_OTHER_REASON = 250,
    CHOICE_DATA = 0,
    CHOICE_RESULT = 1,
    RESPONSE_NORMAL = 1,
    RESPONSE_BLOCK = 2,
};

void cosem_put_get_request(struct bytes_writer *writer, const struct cosem_get_request *request)
{
    bytes_put_u8(writer, COSEM_GET_REQUEST);
    bytes_put_u8(writer, (uint8_t)request->kind);
    bytes_put_u8(writer, request->invoke);
    if (request->kind == COSEM_GET_NEXT) {
        bytes_put_u32(writer, request->block);
        return;
    }
    CODEC_CHECK(request->kind == COSEM_GET_NORMAL);
    bytes_put_u16(writer, request->attribute.class_id);
    bytes_put(writer, request->attribute.obis, COSEM_OBIS_SIZE);
    bytes_put_u8(writer, request->attribute.attribute);
    bytes_put_u8(writer, request->access_selector != 0);
    if (request->access_selector != 0) {
        bytes_put_u8(writer, request->access_selector);
        bytes_put(writer, request->access, request->access_size);
    }
}

static void get_attribute(struct bytes_reader *reader, struct cosem_get_request *request)
{
    const uint8_t *obis;

    request->attribute.class_id = bytes_get_u16(reader);
    obis = bytes_get(reader, COSEM_OBIS_SIZE);
    if (obis != NULL) {
        memcpy(request->attribute.obis, obis, COSEM_OBIS_SIZE);
    }
    request->attribute.attribute = bytes_get_u8(reader);
    if (bytes_get_u8(reader) != 0) {
        request->access_selector = bytes_get_u8(reader);
        request->access = reader->data + reader->at;
        request->access_size = bytes_left(reader);
        if (request->access_selector == 0 || cosem_skip_value(reader) != CODEC_OK) {
            reader->failed = true;
        }
    }
}

enum codec_result cosem_get_get_request(const uint8_t *apdu, size_t size,
                                        struct cosem_get_request *request)
{
    struct bytes_reader reader = bytes_reader_over(apdu, size);

    memset(request, 0, sizeof(*request));
    if (bytes_get_u8(&reader) != COSEM_GET_REQUEST) {
        return CODEC_INVALID;
    }
    request->kind = (enum cosem_get_kind)bytes_get_u8(&reader);
    request->invoke = bytes_get_u8(&reader);
    switch ((unsigned)request->kind) {
    case COSEM_GET_NORMAL:
        get_attribute(&reader, request);
        break;
    case COSEM_GET_NEXT:
        request->block = bytes_get_u32(&reader);
        break;
    default:
        return CODEC_INVALID;
    }
    return reader.failed || bytes_left(&reader) > 0 ? CODEC_INVALID : CODEC_OK;
}

void cosem_put_get_response(struct bytes_writer *writer, const struct cosem_get_response *response)
{
    bool refused = response->access_result != 0;

    bytes_put_u8(writer, COSEM_GET_RESPONSE);
    bytes_put_u8(writer, response->in_blocks ? RESPONSE_BLOCK : RESPONSE_NORMAL);
    bytes_put_u8(writer, response->invoke);
    if (response->in_blocks) {
        bytes_put_u8(writer, response->last);
        bytes_put_u32(writer, response->block);
    }
    bytes_put_u8(writer, refused ? CHOICE_RESULT : CHOICE_DATA);
    if (refused) {
        bytes_put_u8(writer, response->access_result);
        return;
    }
    if (response->in_blocks) {
        cosem_put_length(writer, response->data_size);
    }
    bytes_put(writer, response->data, response->data_size);
}

static enum codec_result get_result_or_data(struct bytes_reader *reader,
                                            struct cosem_get_response *response)
{
    uint8_t choice = bytes_get_u8(reader);

    if (choice == CHOICE_RESULT) {
        response->access_result = bytes_get_u8(reader);
        return reader->failed || bytes_left(reader) > 0 || response->access_result == 0
                   ? CODEC_INVALID
                   : CODEC_OK;
    }
    if (choice != CHOICE_DATA || reader->failed) {
        return CODEC_INVALID;
    }
    response->data_size = bytes_left(reader);
    if (response->in_blocks && cosem_get_length(reader, &response->data_size) != CODEC_OK) {
        return CODEC_INVALID;
    }
    response->data = bytes_get(reader, response->data_size);
    if (response->data == NULL || bytes_left(reader) > 0 ||
        (response->data_size == 0 && !response->in_blocks)) {
        return CODEC_INVALID;
    }
    return CODEC_OK;
}

enum codec_result cosem_get_get_response(const uint8_t *apdu, size_t size,
                                         struct cosem_get_response *response)
{
    struct bytes_reader reader = bytes_reader_over(apdu, size);
    uint8_t tag = bytes_get_u8(&reader);
    uint8_t kind;

    memset(response, 0, sizeof(*response));
    if (tag == COSEM_EXCEPTION_RESPONSE || tag == CONFIRMED_SERVICE_ERROR) {
        response->access_result = ACCESS_OTHER_REASON;
        return size >= 3 ? CODEC_OK : CODEC_INVALID;
    }
    kind = bytes_get_u8(&reader);
    if (tag != COSEM_GET_RESPONSE || (kind != RESPONSE_NORMAL && kind != RESPONSE_BLOCK)) {
        return CODEC_INVALID;
    }
    response->invoke = bytes_get_u8(&reader);
    response->in_blocks = kind == RESPONSE_BLOCK;
    if (response->in_blocks) {
        response->last = bytes_get_u8(&reader) != 0;
        response->block = bytes_get_u32(&reader);
    }
    return get_result_or_data(&reader, response);
}

void cosem_put_exception(struct bytes_writer *writer, uint8_t state_error, uint8_t service_error)
{
    bytes_put_u8(writer, COSEM_EXCEPTION_RESPONSE);
    bytes_put_u8(writer, state_error);
    bytes_put_u8(writer, service_error);
}

/* ---- long answers ---- */

#define NORMAL_OVERHEAD 4u  /* C4 01 invoke 00 */
#define BLOCK_OVERHEAD  12u /* C4 02 invoke last block(4) 00 length(1 to 3) */
#define SMALLEST_PDU    32u

void cosem_block_sender_put(struct cosem_block_sender *sender, uint8_t invoke, size_t max_pdu_size,
                            struct bytes_writer *writer)
{
    struct cosem_get_response response = {.invoke = invoke};
    size_t limit = max_pdu_size == 0 || max_pdu_size > UINT16_MAX ? UINT16_MAX : max_pdu_size;

    if (limit < SMALLEST_PDU) {
        limit = SMALLEST_PDU;
    }
    CODEC_CHECK(sender->sent <= sender->size);
    response.data = sender->data + sender->sent;
    response.data_size = sender->size - sender->sent;
    if (sender->block == 0 && response.data_size + NORMAL_OVERHEAD > limit) {
        sender->in_blocks = true;
    }
    if (sender->in_blocks) {
        if (response.data_size > limit - BLOCK_OVERHEAD) {
            response.data_size = limit - BLOCK_OVERHEAD;
        }
        response.in_blocks = true;
        response.block = ++sender->block;
        response.last = sender->sent + response.data_size == sender->size;
    }
    sender->sent += response.data_size;
    cosem_put_get_response(writer, &response);
}

bool cosem_block_sender_expects(const struct cosem_block_sender *sender, uint32_t block)
{
    return sender->in_blocks && block == sender->block && sender->sent < sender->size;
}

enum codec_result cosem_block_receiver_take(struct cosem_block_receiver *receiver,
                                            const struct cosem_get_response *response)
{
    if (response->access_result != 0 ||
        (response->in_blocks ? response->block != receiver->block + 1 : receiver->block != 0)) {
        return CODEC_INVALID;
    }
    if (response->in_blocks && !response->last && response->data_size == 0) {
        return CODEC_INVALID; /* would never end */
    }
    if (response->data_size > receiver->capacity - receiver->size) {
        return CODEC_FULL;
    }
    memcpy(receiver->buffer + receiver->size, response->data, response->data_size);
    receiver->size += response->data_size;
    receiver->block = response->block;
    return response->in_blocks && !response->last ? CODEC_NEED_MORE : CODEC_OK;
}
