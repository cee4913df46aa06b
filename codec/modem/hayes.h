/* The modem's side of a Hayes modem's command set (ITU-T V.250, and what software made for GSM
 * modems sends): for software that knows meters behind telephone numbers only. One `struct hayes`
 * is one modem; the caller owns it, passes the time in, and does what a step's event says.
 *
 *   command   lines are read and answered; a dial or ATO leaves it
 *   dialling  the caller looks for the device; ends with hayes_connected or hayes_on_hook
 *   online    bytes are the line's; hayes_online looks for the escape: +++ between two pauses
 *   escaped   command again, with the line held: ATO goes back, ATH hangs up
 *
 * Taken and answered: D, E, F, H, I, L, M, N, O, P, Q, S, T, V, W, X, Z, &x, \x, %x, and +...
 * commands up to the end of the line; everything else is ERROR. */
#ifndef CENCD_CODEC_MODEM_HAYES_H
#define CENCD_CODEC_MODEM_HAYES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/result.h"

#define HAYES_LINE_SIZE   200u /* with NUL; a longer line is an error as a whole */
#define HAYES_NUMBER_SIZE 64   /* what is dialled, with NUL */
#define HAYES_TEXT_SIZE   64   /* names and passwords of the login line, with NUL */
#define HAYES_OUT_SIZE    512u /* the most that one step answers */
#define HAYES_RESULT_SIZE 24u

enum hayes_state { HAYES_COMMAND, HAYES_DIALLING, HAYES_ONLINE, HAYES_ESCAPED };

enum hayes_result {
    HAYES_OK = 0,
    HAYES_NO_CARRIER = 3,
    HAYES_ERROR = 4,
    HAYES_NO_DIALTONE = 6,
    HAYES_BUSY = 7,
    HAYES_NO_ANSWER = 8,
    HAYES_CONNECT_9600 = 12,
};

struct hayes {
    const char *login; /* the login line as in hayes_login_is_good; NULL: there is none */
    char line[HAYES_LINE_SIZE];
    uint16_t size;         /* bytes in line; HAYES_LINE_SIZE: too long, and is thrown away */
    uint8_t state;         /* enum hayes_state */
    bool echo;             /* E */
    bool verbose;          /* V */
    bool quiet;            /* Q */
    bool after_cr;         /* an LF that follows belongs to the CR */
    uint8_t escape;        /* S2: the escape character; above 127: none */
    uint8_t guard_20ms;    /* S12: the pause around it */
    uint8_t escapes;       /* characters of an escape that have come */
    uint64_t last_byte_ms; /* online: of the last byte from the software */
};

/* A fresh modem, as after ATZ. */
void hayes_init(struct hayes *modem, const char *login);

enum hayes_event {
    HAYES_NOTHING,
    HAYES_DIAL,      /* number; the modem is dialling */
    HAYES_GO_ONLINE, /* ATO while escaped; the modem is online, and has said CONNECT */
    HAYES_LOGIN,     /* name and password; the caller answers with a result */
};

struct hayes_step {
    size_t consumed;
    size_t out_size;
    unsigned texts; /* informations in out */
    enum hayes_event event;
    bool hangs_up; /* the line that was held is given up: before out is sent */
    char number[HAYES_NUMBER_SIZE];
    char name[HAYES_TEXT_SIZE];
    char password[HAYES_TEXT_SIZE];
    char out[HAYES_OUT_SIZE]; /* echo and answers */
};

/* In state command or escaped: reads at most one line. Call again while there are bytes and the
 * state is one of the two; bytes after a dial are the line's. size > 0. */
void hayes_command(struct hayes *modem, const uint8_t *data, size_t size, struct hayes_step *step);

/* Writes a result as the modem is set: "\r\nBUSY\r\n", "7\r" or nothing. Returns its bytes. */
size_t hayes_write(const struct hayes *modem, enum hayes_result result,
                   char out[HAYES_RESULT_SIZE]);

/* The line is there, or is not: the caller sends the result. now_ms: any clock. */
void hayes_connected(struct hayes *modem, uint64_t now_ms);
void hayes_on_hook(struct hayes *modem);

/* True if the first byte from the software is an LF that belongs to its dial line: drop it. */
bool hayes_drops_first(struct hayes *modem, uint8_t byte);

/* Bytes from the software went to the line. Returns 0, or after how many milliseconds of silence
 * hayes_escaped is to be asked. */
uint32_t hayes_online(struct hayes *modem, const uint8_t *data, size_t size, uint64_t now_ms);
/* True if the pause after +++ is over: the modem is escaped; the caller sends OK. */
bool hayes_escaped(struct hayes *modem, uint64_t now_ms);

/* A login line has "{name}" and behind it "{password}", each once, with something before the first
 * and between the two: AT+LOGIN={name},{password}. Letters around them match in either case. */
bool hayes_login_is_good(const char *login);

#endif
