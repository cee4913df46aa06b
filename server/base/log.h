/* The log: one logfmt line per event on a descriptor (stderr unless told otherwise), written by a
 * thread of its own, so that a slow reader of the log never stops a shard. Lines wait in a bounded
 * ring; when it is full, a line is dropped and counted, never waited for. Thread-safe. Before
 * log_start and after log_stop lines are written directly.
 *
 *   time=2026-01-31T12:00:00.123Z level=info module=link link=17 serial=868441 msg="registered"
 *
 * Device text may hold any byte: values are quoted and escaped here, callers need not. Secrets are
 * never passed in. */
#ifndef CENCD_BASE_LOG_H
#define CENCD_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Who a line is about; zero fields are left out. */
struct log_context {
    const char *module;
    uint64_t link;      /* 0: none */
    const char *serial; /* NULL or "": none */
};

/* Starts the writer thread. fd stays the caller's. */
enum status log_start(int fd, enum log_level level) MUST_CHECK;

/* Writes what waits and ends the thread. */
void log_stop(void);

bool log_enabled(enum log_level level);

/* fields is a printf format of further logfmt fields ("peer=%s reason=%s", values that may need
 * quoting go through log_quote) or "" for none; message is quoted by the log. */
void log_line(enum log_level level, const struct log_context *context, const char *message,
              const char *fields, ...) __attribute__((format(printf, 4, 5)));

/* Writes text as a logfmt value (quoted and escaped where needed: spaces, quotes, control bytes and
 * invalid UTF-8 as \xNN) into out, at most out_size bytes with NUL, and returns out. */
char *log_quote(const char *text, char *out, size_t out_size);

/* Lines lost since the start because the ring was full or the descriptor broken. */
uint64_t log_dropped(void);

/* "error", "warn", "info", "debug"; false if name is none of them. */
bool log_level_parse(const char *name, enum log_level *level);

#endif
