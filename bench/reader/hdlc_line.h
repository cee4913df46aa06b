/* A client's HDLC connection over a line: SNRM, APDUs with segments put together, DISC. */
#ifndef CENCD_READER_HDLC_LINE_H
#define CENCD_READER_HDLC_LINE_H

#include "bench/reader/line.h"
#include "codec/cosem/hdlc.h"

#define HDLC_LINE_MAX_APDU 8192u

struct hdlc_line {
    struct line *line;
    struct hdlc_address client;
    struct hdlc_address meter;
    struct hdlc_scanner scanner;
    uint8_t send_sequence;
    uint8_t receive_sequence;
    uint8_t received[2048]; /* what the scanner has not taken yet */
    size_t received_size;
    size_t taken;
    uint8_t apdu[HDLC_LINE_MAX_APDU]; /* the last answer, with its LLC */
    size_t apdu_size;
};

/* line, client and meter are set, the rest is zero. STATUS_NOT_FOUND: no answer within wait_ms. */
enum status hdlc_line_connect(struct hdlc_line *hdlc, uint32_t wait_ms) MUST_CHECK;

/* Sends an APDU and waits for the answer, which stays until the next call. what: for errors. */
enum status hdlc_line_ask(struct hdlc_line *hdlc, const char *what, const uint8_t *apdu,
                          size_t size, const uint8_t **answer, size_t *answer_size) MUST_CHECK;

enum status hdlc_line_disconnect(struct hdlc_line *hdlc) MUST_CHECK;

#endif
