/* An IEC 62056-21 mode C meter, an Energomera CE102M: sign-on, programming mode, reads of
 *   SNUMB  its serial
 *   ET0PE  active energy import, kWh: the sum, then four tariffs
 *   TIME_  hh:mm:ss, and DATE_ weekday.dd.mm.yy with 00 for Sunday
 * and break. */
#ifndef CENCD_FLEET_METER_IEC_H
#define CENCD_FLEET_METER_IEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/bytes.h"
#include "codec/iec62056_21/iec62056_21.h"

struct iec_meter {
    struct iec21_scanner scanner;
    bool signed_on; /* it has identified itself */
    bool programming;
};

void iec_meter_take(struct iec_meter *meter, uint32_t serial, uint64_t utc_s, const uint8_t *data,
                    size_t size, struct bytes_writer *answer);

#endif
