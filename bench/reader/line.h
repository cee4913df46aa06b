/* The way to the meter: a TCP connection that stands for a serial cable. Blocking, with a time
 * limit on each wait. What went wrong is kept as one sentence. */
#ifndef CENCD_READER_LINE_H
#define CENCD_READER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"

#define LINE_ERROR_SIZE 256u

struct line {
    int socket;          /* -1: not open */
    uint32_t timeout_ms; /* longest wait for an answer */
    bool trace;          /* bytes both ways to stderr */
    char error[LINE_ERROR_SIZE];
};

/* "127.0.0.1:20000", "[::1]:20000" or "localhost:20000". */
enum status line_open(struct line *line, const char *address) MUST_CHECK;
void line_close(struct line *line);

enum status line_send(struct line *line, const uint8_t *data, size_t size) MUST_CHECK;

/* Waits for bytes until the time of line_now_ms, and takes what there is. STATUS_NOT_FOUND: none
 * came in time. */
enum status line_receive(struct line *line, uint64_t until_ms, uint8_t *data, size_t capacity,
                         size_t *size) MUST_CHECK;

uint64_t line_now_ms(void);

/* Keeps the sentence and returns status, for `return line_fail(...)`. */
enum status line_fail(struct line *line, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
