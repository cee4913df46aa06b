/* iRZ ATM modems (ATM2, ATM21, ATM31, ATM3): the hello that they send after connecting and the
 * greeting of the server. What follows, keepalives and encapsulation, is in irz_frame.h, which
 * comes with it.
 *
 *   hello: AT$IMEI=<imei>,PSW=<password>,TYP=ATM,DEV=ATM31,VER=01,...  pairs, each with a comma
 *   greeting: YYYYMMDDhhmmss,MOD=DAT,\r
 *
 * The hello is captured from an ATM21, the greeting read from working code. The password (PSW) is
 * skipped where it stands and copied nowhere. */
#ifndef CENCD_CODEC_MODEM_IRZ_H
#define CENCD_CODEC_MODEM_IRZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/modem/irz_frame.h"
#include "codec/result.h"

/* ---- hello ---- */

#define IRZ_IMEI_SIZE  32   /* with NUL; usually 15 digits, but not always */
#define IRZ_VALUE_SIZE 24   /* other values; longer ones are cut */
#define IRZ_MAX_HELLO  512u /* bytes */

struct irz_hello {
    char imei[IRZ_IMEI_SIZE];
    char device[IRZ_VALUE_SIZE];     /* DEV */
    char version[IRZ_VALUE_SIZE];    /* VER */
    char revision[IRZ_VALUE_SIZE];   /* REV */
    char build[IRZ_VALUE_SIZE];      /* BLD */
    char hardware[IRZ_VALUE_SIZE];   /* HDW */
    char colprot[IRZ_VALUE_SIZE];    /* COLPROT: version of the encapsulation */
    char interfaces[IRZ_VALUE_SIZE]; /* INT: "485+232" */
    uint8_t csq;                     /* 0..31, or IRZ_CSQ_UNKNOWN */
    uint8_t sim;
    bool has_colprot;  /* the modem encapsulates */
    bool has_password; /* PSW stood in the hello */
};

enum irz_hello_result {
    IRZ_HELLO_NEED_MORE, /* so far so good, and the end can't be there yet */
    IRZ_HELLO_MAYBE,     /* complete if the line now stays silent */
    IRZ_HELLO_NOT_MINE,  /* why says what was expected */
    IRZ_HELLO_COMPLETE,
};

/* Looks at everything received since the connection began. A hello has no length: it is complete
 * at a CR or LF, or, after a comma, at the first byte that can't begin a key. On COMPLETE and MAYBE
 * hello is set and consumed counts its bytes with one CR and one LF that follow. */
enum irz_hello_result irz_hello_parse(const uint8_t *data, size_t size, struct irz_hello *hello,
                                      size_t *consumed, const char **why) CODEC_MUST_CHECK;

/* Replaces the value of each PSW= (in any case, also when cut off) by '*'. */
void irz_mask(uint8_t *data, size_t size);

/* ---- greeting ---- */

#define IRZ_GREETING_SIZE 24u /* bytes, without NUL */

/* utc_ms: since 1970-01-01. Writes YYYYMMDDhhmmss,MOD=DAT,\r */
void irz_greeting(uint64_t utc_ms, uint8_t out[IRZ_GREETING_SIZE]);

#endif
