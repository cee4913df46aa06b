/* The APDUs of DLMS/COSEM (IEC 62056-5-3) with which a client associates without a password, as the
 * public client does, and releases; for the client and for a meter. */
#ifndef CENCD_CODEC_COSEM_ASSOCIATION_H
#define CENCD_CODEC_COSEM_ASSOCIATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/bytes.h"
#include "codec/result.h"

/* The first byte of an APDU. */
enum cosem_apdu {
    COSEM_AARQ = 0x60,
    COSEM_AARE = 0x61,
    COSEM_RLRQ = 0x62,
    COSEM_RLRE = 0x63,
    COSEM_GET_REQUEST = 0xC0,
    COSEM_GET_RESPONSE = 0xC4,
    COSEM_EXCEPTION_RESPONSE = 0xD8,
};

#define COSEM_CONFORMANCE_ASKED 0x007E1Fu /* what a reader asks for, as vendors' tools do */
#define COSEM_CONFORMANCE_GET   0x001010u /* block transfer with get, get: the meter's answer */

struct cosem_associate_request {
    uint32_t conformance;  /* 24 bits */
    uint16_t max_pdu_size; /* longest APDU that the client takes, bytes; 0 = any */
    bool authenticated;    /* decoded: it asks for a mechanism (a password), which isn't kept */
};

struct cosem_associate_response {
    uint8_t result;     /* 0 accepted, 1 rejected for good, 2 rejected for now */
    uint8_t diagnostic; /* 0 none, 1 no reason given, 13 authentication failed ... */
    uint32_t conformance;
    uint16_t max_pdu_size; /* longest APDU that the meter takes */
};

void cosem_put_associate_request(struct bytes_writer *writer,
                                 const struct cosem_associate_request *request);
enum codec_result
cosem_get_associate_request(const uint8_t *apdu, size_t size,
                            struct cosem_associate_request *request) CODEC_MUST_CHECK;

void cosem_put_associate_response(struct bytes_writer *writer,
                                  const struct cosem_associate_response *response);
/* conformance and max_pdu_size are 0 if a rejection doesn't say. */
enum codec_result
cosem_get_associate_response(const uint8_t *apdu, size_t size,
                             struct cosem_associate_response *response) CODEC_MUST_CHECK;

/* RLRQ and RLRE, reason normal. The apdu's first byte tells them from others. */
void cosem_put_release_request(struct bytes_writer *writer);
void cosem_put_release_response(struct bytes_writer *writer);

#endif
