/* The APDUs of DLMS/COSEM (IEC 62056-5-3) that GET attributes, long ones in blocks; each in both
 * directions, for a client that reads and for a meter. What goes before and after is in
 * association.h, which comes with it. Without HDLC's LLC and without the wrapper's header: see
 * hdlc.h and wrapper.h for these. Logical name referencing, no ciphering. */
#ifndef CENCD_CODEC_COSEM_APDU_H
#define CENCD_CODEC_COSEM_APDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/bytes.h"
#include "codec/cosem/association.h"
#include "codec/result.h"

/* ---- GET ---- */

#define COSEM_OBIS_SIZE 6
#define COSEM_INVOKE    0xC1u /* invoke-id 1, confirmed, high priority: the usual one */

struct cosem_attribute {
    uint16_t class_id; /* 1 data, 3 register, 7 profile generic, 8 clock */
    uint8_t obis[COSEM_OBIS_SIZE];
    uint8_t attribute; /* 2 is the value, of a profile the buffer; 3 a register's scaler, unit */
};

enum cosem_get_kind {
    COSEM_GET_NORMAL = 1,
    COSEM_GET_NEXT = 2, /* the block after `block` */
};

struct cosem_get_request {
    enum cosem_get_kind kind;
    uint8_t invoke;
    struct cosem_attribute attribute; /* NORMAL */
    uint8_t access_selector;          /* NORMAL: 0 none, 1 range, 2 entries */
    const uint8_t *access;            /* its parameters, one encoded value */
    size_t access_size;
    uint32_t block; /* NEXT: the last block received */
};

void cosem_put_get_request(struct bytes_writer *writer, const struct cosem_get_request *request);
enum codec_result cosem_get_get_request(const uint8_t *apdu, size_t size,
                                        struct cosem_get_request *request) CODEC_MUST_CHECK;

/* data-access-result, the ones that a simulated meter or a reader meets */
enum cosem_access_result {
    COSEM_ACCESS_SUCCESS = 0,
    COSEM_ACCESS_HARDWARE_FAULT = 1,
    COSEM_ACCESS_TEMPORARY_FAILURE = 2,
    COSEM_ACCESS_READ_WRITE_DENIED = 3,
    COSEM_ACCESS_OBJECT_UNDEFINED = 4,
    COSEM_ACCESS_CLASS_INCONSISTENT = 9,
    COSEM_ACCESS_OBJECT_UNAVAILABLE = 11,
    COSEM_ACCESS_NO_LONG_GET = 16,
    COSEM_ACCESS_BLOCK_NUMBER_INVALID = 19,
};

struct cosem_get_response {
    bool in_blocks; /* false: the whole answer */
    uint8_t invoke;
    uint8_t access_result; /* not 0: refused, and there is no data */
    const uint8_t *data;   /* an encoded value, or a piece of one */
    size_t data_size;
    uint32_t block; /* in_blocks: from 1 */
    bool last;      /* in_blocks */
};

void cosem_put_get_response(struct bytes_writer *writer, const struct cosem_get_response *response);
/* An exception-response (D8) comes out as access_result 250, "other reason". */
enum codec_result cosem_get_get_response(const uint8_t *apdu, size_t size,
                                         struct cosem_get_response *response) CODEC_MUST_CHECK;

/* D8: state error 1 (not allowed: associate first), service error 1 (not possible), ... */
void cosem_put_exception(struct bytes_writer *writer, uint8_t state_error, uint8_t service_error);

/* ---- long answers ---- */

/* The meter's side. Set data (an encoded value of any size, kept until the last block) and size,
 * zero the rest. */
struct cosem_block_sender {
    const uint8_t *data;
    size_t size;
    size_t sent;
    uint32_t block; /* the last one put */
    bool in_blocks;
};

/* Puts the first answer (the whole if it fits into max_pdu_size, else block 1) or, after GET next,
 * the following block. max_pdu_size is at least 32 (smaller is taken as 32; 0 = any, which is
 * taken as 65535). */
void cosem_block_sender_put(struct cosem_block_sender *sender, uint8_t invoke, size_t max_pdu_size,
                            struct bytes_writer *writer);

/* True if a GET next that names `block` may be answered with the following one. */
bool cosem_block_sender_expects(const struct cosem_block_sender *sender, uint32_t block);

/* The client's side. Set buffer and capacity, zero the rest. */
struct cosem_block_receiver {
    uint8_t *buffer;
    size_t capacity;
    size_t size;    /* bytes of the value so far */
    uint32_t block; /* the last one taken: what GET next names */
};

/* CODEC_OK: buffer holds the value. CODEC_NEED_MORE: send GET next. CODEC_INVALID: not the block
 * that is due, or refused (access_result). CODEC_FULL: longer than capacity. */
enum codec_result
cosem_block_receiver_take(struct cosem_block_receiver *receiver,
                          const struct cosem_get_response *response) CODEC_MUST_CHECK;

#endif
