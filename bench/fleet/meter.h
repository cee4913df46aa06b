/* The meters behind the fleet's modems: bytes from the line in, an answer out. No sockets and no
 * clock: the time comes as an argument, and what a meter shows depends on nothing but its modem's
 * IMEI and the time, so that a test knows what to expect.
 *
 * A meter's state is a union in the memory of a session (see session.h), zeroed at the start. */
#ifndef CENCD_FLEET_METER_H
#define CENCD_FLEET_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/fleet/meter_dlms.h"
#include "bench/fleet/meter_iec.h"
#include "codec/bytes.h"

enum meter_kind { METER_NONE, METER_ECHO, METER_DLMS, METER_IEC };
enum meter_choice {
    METER_CHOICE_NONE,
    METER_CHOICE_ECHO,
    METER_CHOICE_DLMS,
    METER_CHOICE_IEC,
    METER_CHOICE_MIXED, /* the first, third ... device has a DLMS meter, the others IEC 62056-21 */
};

union meter {
    struct dlms_meter dlms;
    struct iec_meter iec;
};

bool meter_choice_parse(const char *name, enum meter_choice *choice);
enum meter_kind meter_kind_of(enum meter_choice choice, uint32_t device);

/* Takes what came and puts what the meter answers, if it does. utc_s: its clock. */
void meter_take(union meter *meter, enum meter_kind kind, uint32_t serial, uint64_t utc_s,
                const uint8_t *data, size_t size, struct bytes_writer *answer);

/* After a pause inside a message a meter forgets its beginning; so long. */
#define METER_PAUSE_MS 1500u
void meter_forget_piece(union meter *meter, enum meter_kind kind);

/* True if nobody is associated or signed on: the state may be thrown away. */
bool meter_at_rest(const union meter *meter, enum meter_kind kind);

/* An answer, or a run of them to one received piece, is at most this long. */
#define METER_MAX_ANSWER 4096u

#endif
