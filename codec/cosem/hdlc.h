/* HDLC frames of DLMS/COSEM: IEC 62056-46, frame format type 3. Both ends of the line use it: a
 * client puts the meter's address into destination, a meter into source.
 *
 *   7E | Axxx: format, segmentation bit, length | destination | source | control | HCS |
 *   information | FCS | 7E
 *
 * The length counts everything between the flags; nothing is escaped, a 7E may occur inside. HCS
 * is there only with information. HCS and FCS are CRC-16/X-25, low byte first. */
#ifndef CENCD_CODEC_COSEM_HDLC_H
#define CENCD_CODEC_COSEM_HDLC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/result.h"

#define HDLC_FLAG            0x7Eu
#define HDLC_MAX_LENGTH      2047u                  /* between the flags: 11 bits */
#define HDLC_MAX_FRAME       (HDLC_MAX_LENGTH + 2)  /* with the flags */
#define HDLC_MAX_INFORMATION (HDLC_MAX_LENGTH - 15) /* with the longest addresses */
/* largest information field unless SNRM and UA agreed on more */
#define HDLC_DEFAULT_INFORMATION 128u
#define HDLC_LLC_SIZE            3u

/* In front of each APDU in I frames: E6E600 from the client, E6E700 from the meter. Of an APDU in
 * several segments only the first frame has it. */
extern const uint8_t hdlc_llc_request[HDLC_LLC_SIZE];
extern const uint8_t hdlc_llc_response[HDLC_LLC_SIZE];

/* 1 byte: upper (0..127), lower is 0. 2 bytes: upper = logical device, lower = physical device,
 * 0..127 each. 4 bytes: the same, 0..16383 each. A client's is 1 byte: 16 public, 32 reader. */
struct hdlc_address {
    uint16_t upper;
    uint16_t lower;
    uint8_t size; /* 1, 2 or 4 */
};

enum hdlc_kind {
    HDLC_I,  /* carries information; send and receive sequence */
    HDLC_RR, /* acknowledges; receive sequence */
    HDLC_RNR,
    HDLC_SNRM, /* connect; information may hold parameters */
    HDLC_UA,   /* the meter's yes to SNRM (with parameters) and DISC */
    HDLC_DISC,
    HDLC_DM, /* the meter's no: not connected */
    HDLC_FRMR,
    HDLC_UI,
    HDLC_UNKNOWN,
};

struct hdlc_frame {
    struct hdlc_address destination;
    struct hdlc_address source;
    enum hdlc_kind kind;
    uint8_t send_sequence;    /* N(S), 0..7 */
    uint8_t receive_sequence; /* N(R), 0..7: the next one expected */
    bool poll_final;
    bool segmented;             /* more segments of this APDU follow; to be acknowledged with RR */
    const uint8_t *information; /* with the LLC, if the frame has one; decoded: inside the input */
    size_t information_size;
};

/* CRC-16/X-25; sent low byte first. */
uint16_t hdlc_crc(const uint8_t *data, size_t size);

/* Writes a whole frame with both flags. CODEC_FULL if it doesn't fit into capacity or into
 * HDLC_MAX_LENGTH; CODEC_INVALID if an address or sequence is out of range. */
enum codec_result hdlc_encode(const struct hdlc_frame *frame, uint8_t *out, size_t capacity,
                              size_t *out_size) CODEC_MUST_CHECK;

/* Takes one frame, flags included, that fills data exactly: CODEC_OK or CODEC_INVALID. */
enum codec_result hdlc_decode(const uint8_t *data, size_t size,
                              struct hdlc_frame *frame) CODEC_MUST_CHECK;

/* The APDU of an I frame's first segment: skips the LLC (either direction's). false, and apdu and
 * apdu_size untouched, if there is none. */
bool hdlc_skip_llc(const struct hdlc_frame *frame, const uint8_t **apdu, size_t *apdu_size);

/* ---- parameters of SNRM and UA ---- */

struct hdlc_parameters {
    uint16_t transmit_information; /* largest information field this side sends, bytes */
    uint16_t receive_information;  /* ... and takes */
    uint8_t transmit_window;       /* frames in a row, 1..7 */
    uint8_t receive_window;
};

#define HDLC_PARAMETERS_SIZE 23 /* bytes that encoding takes at most */

/* Writes the information field of SNRM or UA (81 80 ...). */
enum codec_result hdlc_parameters_encode(const struct hdlc_parameters *parameters, uint8_t *out,
                                         size_t capacity, size_t *out_size) CODEC_MUST_CHECK;

/* Reads it; what isn't in it keeps the standard's default (128 bytes, 1 frame), also when the
 * field is empty. */
enum codec_result hdlc_parameters_decode(const uint8_t *data, size_t size,
                                         struct hdlc_parameters *parameters) CODEC_MUST_CHECK;

/* ---- a stream of bytes to frames ---- */

/* Zeroed at the start. Finds frames in a stream cut anywhere, with noise between them: after bytes
 * that are no frame it goes on at the next 7E. Neighbours may share one flag. */
struct hdlc_scanner {
    uint8_t buffer[HDLC_MAX_FRAME];
    size_t size;
    size_t yielded;         /* bytes of buffer that the last frame took */
    uint64_t dropped_bytes; /* noise so far, flags between frames not counted */
};

/* Takes bytes up to the end of the first frame and returns how many it took; call again with the
 * rest. found tells whether frame holds one; it points into the scanner until the next call. Takes
 * all bytes when found is false. */
size_t hdlc_scanner_feed(struct hdlc_scanner *scanner, const uint8_t *data, size_t size,
                         struct hdlc_frame *frame, bool *found);

#endif
