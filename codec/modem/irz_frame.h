/* The keepalive of iRZ modems and the encapsulation ("COLPROT") in which data, keepalives and
 * control share a connection; for the server and for a simulated modem.
 *
 *   C8CACBCCCD | type | length (2, BE) | payload | 0D0A   no checksum, no escaping
 *
 * The keepalive is captured from an ATM21, the frames read from working code. */
#ifndef CENCD_CODEC_MODEM_IRZ_FRAME_H
#define CENCD_CODEC_MODEM_IRZ_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/result.h"

#define IRZ_KEEPALIVE_SIZE 5u
#define IRZ_LAST_CSQ       31u
#define IRZ_CSQ_UNKNOWN    255u

extern const uint8_t irz_keepalive[IRZ_KEEPALIVE_SIZE]; /* B5BCBDBEBF */

#define IRZ_MAX_PAYLOAD    1448u
#define IRZ_FRAME_OVERHEAD 10u

enum irz_type {
    IRZ_TYPE_DATA = 0x01,
    IRZ_TYPE_KEEPALIVE = 0x02,
    IRZ_TYPE_FIRMWARE = 0x04,
    IRZ_TYPE_SETTINGS = 0x05,
    IRZ_TYPE_CONTROL = 0x0C, /* request 00 40 cmd, reply 01 40 cmd ... */
};

enum irz_command {
    IRZ_COMMAND_SIGNAL = 0x01, /* reply: one byte as CSQ */
    IRZ_COMMAND_GPIO = 0x02,   /* four bytes: 80/82 input 0/1, C0/C2 output 0/1; also unasked */
    IRZ_COMMAND_CELLS = 0x04,  /* ASCII */
    IRZ_COMMAND_TEMPERATURE = 0x05, /* degrees + 100 */
    IRZ_COMMAND_ICCID = 0x0B,       /* ASCII */
};

/* Writes a frame of at most IRZ_MAX_PAYLOAD bytes of payload; CODEC_FULL if it doesn't fit. */
enum codec_result irz_frame_encode(enum irz_type type, const uint8_t *payload, size_t payload_size,
                                   uint8_t *out, size_t capacity,
                                   size_t *out_size) CODEC_MUST_CHECK;

#define IRZ_CONTROL_HEAD 4u /* bytes of a control payload that the decoder keeps */

/* What is known between two pieces of the stream. Zeroed at the start. Small, since every link of
 * an encapsulating modem has one: payload is passed on as it comes, never collected. */
struct irz_decoder {
    uint8_t head[8]; /* bytes of a frame's head (or of a bare keepalive) so far */
    uint8_t head_size;
    uint8_t type;      /* inside a frame: enum irz_type; else 0 */
    uint8_t tail_size; /* bytes of 0D0A seen */
    uint8_t control_size;
    uint8_t control[IRZ_CONTROL_HEAD];
    uint16_t left; /* payload bytes still to come */
};

/* What one call found. */
struct irz_decoded {
    size_t data_size;    /* bytes of type 01 payload, now at the front of data */
    uint32_t keepalives; /* framed or bare */
    uint32_t controls;   /* control frames that ended; the last one's head is in control */
    uint8_t control[IRZ_CONTROL_HEAD];
    uint8_t control_size;
    size_t dropped_bytes;   /* outside of any frame */
    uint32_t broken_frames; /* without the 0D0A at their end */
    bool has_signal;        /* a control reply told it: csq */
    uint8_t csq;
};

/* Takes all of data, cut anywhere, and leaves at its front what type 01 frames carried. A frame
 * with an unknown type, a length over IRZ_MAX_PAYLOAD or without its 0D0A is left there, and
 * decoding goes on at the next C8CACBCCCD; payload that was passed on by then stays passed on. */
void irz_decode(struct irz_decoder *decoder, uint8_t *data, size_t size,
                struct irz_decoded *decoded);

/* True, and csq set (0..31 or IRZ_CSQ_UNKNOWN), if the control head is a reply with the signal. */
bool irz_control_signal(const uint8_t *control, size_t size, uint8_t *csq);

#endif
