#include "codec/cosem/association.h"

#include <string.h>

#include "codec/cosem/data.h"

/* BER tags of AARQ and AARE, and of what stands in user-information */
enum {
    TAG_CONTEXT_NAME = 0xA1,
    TAG_RESULT = 0xA2,
    TAG_DIAGNOSTIC = 0xA3,
    TAG_MECHANISM = 0x8B,
    TAG_USER_INFORMATION = 0xBE,
    TAG_OCTET_STRING = 0x04,
    INITIATE_REQUEST = 0x01,
    INITIATE_RESPONSE = 0x08,
    DLMS_VERSION = 6,
};

/* [6] OBJECT IDENTIFIER 2.16.756.5.8.1.1: logical names, no ciphering */
static const uint8_t context_name[] = {0x06, 0x07, 0x60, 0x85, 0x74, 0x05, 0x08, 0x01, 0x01};
/* [APPLICATION 31] BIT STRING of 4 bytes, no unused bits: in front of the conformance */
static const uint8_t conformance_head[] = {0x5F, 0x1F, 0x04, 0x00};
/* the variable access names' base for logical name referencing */
static const uint8_t name_base[] = {0x00, 0x07};

/* Writes the length of what was put from `start` on into the byte before it. */
static void close_length(struct bytes_writer *writer, size_t start)
{
    if (!writer->full) {
        CODEC_CHECK(start > 0 && writer->size - start < 0x80);
        writer->data[start - 1] = (uint8_t)(writer->size - start);
    }
}

static size_t open_length(struct bytes_writer *writer, uint8_t tag)
{
    bytes_put_u8(writer, tag);
    bytes_put_u8(writer, 0);
    return writer->size;
}

static void put_context_name(struct bytes_writer *writer)
{
    bytes_put_u8(writer, TAG_CONTEXT_NAME);
    bytes_put_u8(writer, sizeof(context_name));
    bytes_put(writer, context_name, sizeof(context_name));
}

static void put_conformance(struct bytes_writer *writer, uint32_t conformance)
{
    bytes_put_u8(writer, DLMS_VERSION);
    bytes_put(writer, conformance_head, sizeof(conformance_head));
    bytes_put_uint(writer, conformance, 3);
}

/* Opens an APDU: its tag, and a length that says exactly what is left. */
static enum codec_result open_apdu(const uint8_t *apdu, size_t size, uint8_t tag,
                                   struct bytes_reader *reader)
{
    size_t length;

    *reader = bytes_reader_over(apdu, size);
    if (bytes_get_u8(reader) != tag || cosem_get_length(reader, &length) != CODEC_OK ||
        length != bytes_left(reader)) {
        return CODEC_INVALID;
    }
    return CODEC_OK;
}

/* The next tag and its contents. */
static enum codec_result get_element(struct bytes_reader *reader, uint8_t *tag,
                                     struct bytes_reader *contents)
{
    const uint8_t *data;
    size_t length;

    *tag = bytes_get_u8(reader);
    if (cosem_get_length(reader, &length) != CODEC_OK) {
        return CODEC_INVALID;
    }
    data = bytes_get(reader, length);
    if (data == NULL) {
        return CODEC_INVALID;
    }
    *contents = bytes_reader_over(data, length);
    return CODEC_OK;
}

/* The initiate request or response in user-information, after its octet string's head. */
static enum codec_result open_initiate(struct bytes_reader *contents, struct bytes_reader *initiate)
{
    uint8_t tag;

    if (get_element(contents, &tag, initiate) != CODEC_OK || tag != TAG_OCTET_STRING) {
        return CODEC_INVALID;
    }
    return CODEC_OK;
}

static enum codec_result get_conformance(struct bytes_reader *reader, uint32_t *conformance,
                                         uint16_t *max_pdu_size)
{
    uint8_t version = bytes_get_u8(reader);
    const uint8_t *head = bytes_get(reader, sizeof(conformance_head));

    if (version != DLMS_VERSION || head == NULL ||
        memcmp(head, conformance_head, sizeof(conformance_head)) != 0) {
        return CODEC_INVALID;
    }
    *conformance = (uint32_t)bytes_get_uint(reader, 3);
    *max_pdu_size = bytes_get_u16(reader);
    return reader->failed ? CODEC_INVALID : CODEC_OK;
}

void cosem_put_associate_request(struct bytes_writer *writer,
                                 const struct cosem_associate_request *request)
{
    size_t whole = open_length(writer, COSEM_AARQ);
    size_t user;
    size_t initiate;

    put_context_name(writer);
    user = open_length(writer, TAG_USER_INFORMATION);
    initiate = open_length(writer, TAG_OCTET_STRING);
    bytes_put_u8(writer, INITIATE_REQUEST);
    bytes_put_uint(writer, 0, 3); /* no dedicated key, response allowed, no quality of service */
    put_conformance(writer, request->conformance);
    bytes_put_u16(writer, request->max_pdu_size);
    close_length(writer, initiate);
    close_length(writer, user);
    close_length(writer, whole);
}

static enum codec_result get_initiate_request(struct bytes_reader *contents,
                                              struct cosem_associate_request *request)
{
    struct bytes_reader reader;

    if (open_initiate(contents, &reader) != CODEC_OK || bytes_get_u8(&reader) != INITIATE_REQUEST) {
        return CODEC_INVALID;
    }
    if (bytes_get_u8(&reader) != 0) { /* a dedicated key, which is of no use here */
        bytes_get(&reader, bytes_get_u8(&reader));
    }
    if (bytes_get_u8(&reader) != 0) {
        bytes_get(&reader, 1); /* response allowed, given */
    }
    if (bytes_get_u8(&reader) != 0) {
        bytes_get(&reader, 1); /* quality of service */
    }
    return get_conformance(&reader, &request->conformance, &request->max_pdu_size);
}

enum codec_result cosem_get_associate_request(const uint8_t *apdu, size_t size,
                                              struct cosem_associate_request *request)
{
    struct bytes_reader reader;
    struct bytes_reader contents;
    bool has_initiate = false;
    uint8_t tag;

    memset(request, 0, sizeof(*request));
    if (open_apdu(apdu, size, COSEM_AARQ, &reader) != CODEC_OK) {
        return CODEC_INVALID;
    }
    while (bytes_left(&reader) > 0) {
        if (get_element(&reader, &tag, &contents) != CODEC_OK) {
            return CODEC_INVALID;
        }
        if (tag == TAG_CONTEXT_NAME &&
            (contents.size != sizeof(context_name) ||
             memcmp(contents.data, context_name, sizeof(context_name)) != 0)) {
            return CODEC_INVALID;
        }
        if (tag == TAG_MECHANISM) {
            request->authenticated = true;
        }
        if (tag == TAG_USER_INFORMATION) {
            has_initiate = true;
            if (get_initiate_request(&contents, request) != CODEC_OK) {
                return CODEC_INVALID;
            }
        }
    }
    return has_initiate ? CODEC_OK : CODEC_INVALID;
}

void cosem_put_associate_response(struct bytes_writer *writer,
                                  const struct cosem_associate_response *response)
{
    const uint8_t result[] = {TAG_RESULT, 3, 2, 1, response->result};
    const uint8_t diagnostic[] = {TAG_DIAGNOSTIC, 5, 0xA1, 3, 2, 1, response->diagnostic};
    size_t whole = open_length(writer, COSEM_AARE);
    size_t user;
    size_t initiate;

    put_context_name(writer);
    bytes_put(writer, result, sizeof(result));
    bytes_put(writer, diagnostic, sizeof(diagnostic));
    if (response->result == 0) {
        user = open_length(writer, TAG_USER_INFORMATION);
        initiate = open_length(writer, TAG_OCTET_STRING);
        bytes_put_u8(writer, INITIATE_RESPONSE);
        bytes_put_u8(writer, 0); /* no quality of service */
        put_conformance(writer, response->conformance);
        bytes_put_u16(writer, response->max_pdu_size);
        bytes_put(writer, name_base, sizeof(name_base));
        close_length(writer, initiate);
        close_length(writer, user);
    }
    close_length(writer, whole);
}

/* Leaves response as it is if what is inside is no initiate response but an error. */
static enum codec_result get_initiate_response(struct bytes_reader *contents,
                                               struct cosem_associate_response *response)
{
    struct bytes_reader reader;

    if (open_initiate(contents, &reader) != CODEC_OK) {
        return CODEC_INVALID;
    }
    if (bytes_get_u8(&reader) != INITIATE_RESPONSE) {
        return response->result == 0 ? CODEC_INVALID : CODEC_OK;
    }
    if (bytes_get_u8(&reader) != 0) {
        bytes_get(&reader, 1); /* quality of service */
    }
    return get_conformance(&reader, &response->conformance, &response->max_pdu_size);
}

/* The last byte of A2 03 02 01 xx and of A3 05 A1 03 02 01 xx. */
static enum codec_result get_small_integer(const struct bytes_reader *contents, size_t size,
                                           uint8_t *value)
{
    if (contents->size != size || contents->data[size - 3] != 2 || contents->data[size - 2] != 1) {
        return CODEC_INVALID;
    }
    *value = contents->data[size - 1];
    return CODEC_OK;
}

enum codec_result cosem_get_associate_response(const uint8_t *apdu, size_t size,
                                               struct cosem_associate_response *response)
{
    struct bytes_reader reader;
    struct bytes_reader contents;
    bool has_result = false;
    bool has_initiate = false;
    enum codec_result result;
    uint8_t tag;

    memset(response, 0, sizeof(*response));
    if (open_apdu(apdu, size, COSEM_AARE, &reader) != CODEC_OK) {
        return CODEC_INVALID;
    }
    while (bytes_left(&reader) > 0) {
        result = get_element(&reader, &tag, &contents);
        if (result == CODEC_OK && tag == TAG_RESULT) {
            has_result = true;
            result = get_small_integer(&contents, 3, &response->result);
        } else if (result == CODEC_OK && tag == TAG_DIAGNOSTIC) {
            result = get_small_integer(&contents, 5, &response->diagnostic);
        } else if (result == CODEC_OK && tag == TAG_USER_INFORMATION) {
            has_initiate = true;
            result = get_initiate_response(&contents, response);
        }
        if (result != CODEC_OK) {
            return CODEC_INVALID;
        }
    }
    return has_result && (has_initiate || response->result != 0) ? CODEC_OK : CODEC_INVALID;
}

void cosem_put_release_request(struct bytes_writer *writer)
{
    const uint8_t apdu[] = {COSEM_RLRQ, 3, 0x80, 1, 0};

    bytes_put(writer, apdu, sizeof(apdu));
}

void cosem_put_release_response(struct bytes_writer *writer)
{
    const uint8_t apdu[] = {COSEM_RLRE, 3, 0x80, 1, 0};

    bytes_put(writer, apdu, sizeof(apdu));
}
