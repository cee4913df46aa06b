/* A DLMS meter behind HDLC: SNRM/UA, DISC, association without a password, GET with block
 * transfer and HDLC segmentation, release. Its objects:
 *   1 0.0.42.0.0.255  logical device name        8 0.0.1.0.0.255    clock, UTC
 *   1 0.0.96.1.0.255  serial                     3 1.0.1.8.0.255    active energy import, Wh
 *   7 1.0.99.1.0.255  load profile, hourly: clock, energy; selective access by time
 * Meters with an even serial send a long answer in blocks that fit into a frame each; those with
 * an odd one in larger blocks, segmented by HDLC. */
#ifndef CENCD_FLEET_METER_DLMS_H
#define CENCD_FLEET_METER_DLMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/bytes.h"
#include "codec/cosem/apdu.h"
#include "codec/cosem/hdlc.h"

#define DLMS_METER_MAX_VALUE 2560u /* bytes of the longest encoded value: the whole profile */
#define DLMS_METER_MAX_APDU  1024u

struct dlms_meter {
    struct hdlc_scanner scanner;
    bool connected; /* between SNRM and DISC */
    bool associated;
    uint8_t send_sequence;
    uint8_t receive_sequence;
    uint16_t information_bytes; /* the largest field it may send */
    uint16_t max_pdu_size;
    struct cosem_block_sender blocks;
    size_t apdu_size; /* of apdu, while segments are left */
    size_t apdu_sent;
    uint8_t apdu[HDLC_LLC_SIZE + DLMS_METER_MAX_APDU];
    uint8_t value[DLMS_METER_MAX_VALUE];
};

void dlms_meter_take(struct dlms_meter *meter, uint32_t serial, uint64_t utc_s, const uint8_t *data,
                     size_t size, struct bytes_writer *answer);

#endif
