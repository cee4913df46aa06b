/* IEC 62056-21 mode C, as Energomera's CE meters speak it: sign-on, option select, programming
 * mode with R1 reads, break; both directions, for a reader and for a meter.
 *
 *   /?<address>!\r\n             sign-on
 *   /EKT5CE301v12\r\n            identification: maker, baud rate character, the meter's text
 *   06 0 5 1 \r\n                option select (051: programming mode)
 *   01 P0 02 (777777) 03 bcc     what the meter answers to it
 *   01 R1 02 SNUMB() 03 bcc      read; 01 W1 write; 01 P1 password
 *   02 SNUMB(009112010000001)\r\n 03 bcc   the answer
 *   01 B0 03 bcc                 break
 *
 * The block check of these meters is the arithmetic sum of the bytes after SOH or STX through ETX,
 * 7 bits (captured); the standard's own is their XOR. The line is 7E1: behind a modem set to 8N1
 * the parity bit shows in bit 7 (iec21_strip_parity). */
#ifndef CENCD_CODEC_IEC62056_21_H
#define CENCD_CODEC_IEC62056_21_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/bytes.h"
#include "codec/result.h"

#define IEC21_MAX_MESSAGE 1024u /* bytes of one message with its frame */

enum iec21_check {
    IEC21_CHECK_SUM, /* Energomera CE */
    IEC21_CHECK_XOR, /* the standard */
};

uint8_t iec21_check(enum iec21_check check, const uint8_t *data, size_t size);

/* 7E1 in 8N1: masks bit 7 of each byte; sets it to even parity. In place. */
void iec21_strip_parity(uint8_t *data, size_t size);
void iec21_add_parity(uint8_t *data, size_t size);

/* ---- writing; ask bytes_written() at the end ---- */

void iec21_put_sign_on(struct bytes_writer *writer, const char *address); /* "" for any meter */
/* maker: 3 letters; baud: '0'..'6' */
void iec21_put_identification(struct bytes_writer *writer, const char *maker, char baud,
                              const char *text);
/* protocol '0', baud '5', mode '1': programming mode */
void iec21_put_option(struct bytes_writer *writer, char protocol, char baud, char mode);
/* command "R1", "P0", "P1", "W1", "B0"; text NULL: none, without STX, as break has it */
void iec21_put_command(struct bytes_writer *writer, enum iec21_check check, const char *command,
                       const char *text);
/* An answer: text is one or more data sets as they go over the line, "SNUMB(1)\r\n". */
void iec21_put_data(struct bytes_writer *writer, enum iec21_check check, const char *text);

/* ---- reading a stream ---- */

enum iec21_kind {
    IEC21_SIGN_ON,        /* text: the address, may be empty */
    IEC21_IDENTIFICATION, /* maker, baud, text */
    IEC21_OPTION,         /* command: protocol and baud characters; mode */
    IEC21_COMMAND,        /* command and text: reads, P0, and break (B0) */
    IEC21_DATA,           /* text */
    IEC21_ACK,            /* seen only when the byte that follows is no option's */
    IEC21_NAK,
};

struct iec21_message {
    enum iec21_kind kind;
    char maker[4]; /* with NUL */
    char baud;
    char mode;
    char command[3];  /* with NUL */
    const char *text; /* inside the scanner, without NUL at the end */
    size_t text_size;
};

/* Zeroed at the start; set check, and strip_parity for a 7E1 line behind 8N1. Messages may come cut
 * anywhere, with noise between them. */
struct iec21_scanner {
    enum iec21_check check;
    bool strip_parity;
    size_t size;
    size_t yielded;         /* bytes of buffer that the last message took */
    uint64_t dropped_bytes; /* noise, and messages longer than IEC21_MAX_MESSAGE */
    uint64_t failed_checks; /* messages thrown away for their block check */
    uint8_t buffer[IEC21_MAX_MESSAGE];
};

/* Takes bytes up to the end of the first message and returns how many; call again with the rest.
 * found tells whether message holds one; it points into the scanner until the next call. Takes all
 * bytes when found is false. */
size_t iec21_scanner_feed(struct iec21_scanner *scanner, const uint8_t *data, size_t size,
                          struct iec21_message *message, bool *found);

/* The index-th value in parentheses of the data sets in text, from 0: of "ET0PE(68.02)\r\n(1.5)"
 * 0 is 68.02, 1 is 1.5. name: what must stand in front of the first one, NULL for anything. The
 * value points into text. */
bool iec21_value(const char *text, size_t text_size, const char *name, size_t index,
                 const char **value, size_t *value_size);

#endif
