/* A recorded or made connection of a device, and what the plugin must make of it: the .hex files.
 *
 * A line is a word and its value; '#' begins a comment, except inside a value. Words:
 *
 *   set KEY VALUE      a setting of the plugin that is not its default (numbers, true, false, and
 *                      for choices the word)
 *   quiet MS           the line is silent for so long before the next `in`
 *   in HEX, in "TEXT"  bytes that the device sends; several in a row are one run without a pause.
 *                      In TEXT \r and \n stand for these bytes
 *   idle, session      from here on nobody reads, or a session runs (as at the start). While idle
 *                      the host never wakes the plugin, and what remains of data is thrown away
 *   timeless           pauses don't matter: the test also joins and cuts everything regardless
 *   uncut              what a cut of a run would mean is ambiguous: it is not cut
 *   host-late MS       the host wakes the plugin so much later than it asked
 *
 * What must come of it; what isn't named must be empty, zero, or absent:
 *
 *   serial TEXT, model TEXT, firmware TEXT, hardware TEXT, signal N, flags receive|both
 *                      the identity
 *   not-mine TEXT      declined instead, and why contains TEXT
 *   waiting            neither identified nor declined
 *   reply HEX          all that is answered to the device
 *   data HEX           what reading software gets; several lines are one
 *   keepalives N       calls that noticed keepalives: at least one, at most N (0: none)
 *   malformed          broken framing was noticed
 *   new-signal N       a signal was noticed later, this is the last one
 *   late N             of data, so many bytes came only after a wake
 *
 *   push KIND          a push is handed on: data, alarm, last-gasp, test, restored; several in
 *                      order. Of the last one named: push-serial TEXT, push-rule TEXT, push-raw HEX
 *                      or "TEXT", push-time MS (of 1970, UTC), push-zone-unknown, push-alarm N,
 *                      push-name HEX, push-ack HEX or "TEXT"
 *
 * With the word `datagram` each run is one datagram, given to identify as such; a run that makes no
 * push is declined. */
#ifndef CENCD_TESTS_FRAMES_VECTOR_H
#define CENCD_TESTS_FRAMES_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/plugin.h"

#define VECTOR_MAX_RUNS   32
#define VECTOR_MAX_BYTES  8192
#define VECTOR_MAX_PUSHES 32

struct vector_run {
    uint64_t quiet_ms; /* before it */
    size_t start;      /* in bytes of the vector */
    size_t size;
    bool idle;
};

struct vector_push {
    struct plugin_push push; /* raw is not its own */
    uint8_t raw[VECTOR_MAX_BYTES];
};

struct vector {
    char name[128];
    const struct plugin *plugin;
    void *instance; /* configured as the vector says */

    uint8_t bytes[VECTOR_MAX_BYTES];
    size_t size;
    struct vector_run runs[VECTOR_MAX_RUNS];
    size_t run_count;
    uint64_t quiet_after_ms; /* of a last `quiet` without `in` */
    bool timeless;
    bool uncut;
    uint32_t host_late_ms;
    bool datagram;

    struct plugin_identity identity; /* expected, as the rest */
    uint32_t link_flags;
    char not_mine[128];
    bool waiting;
    uint8_t reply[1024];
    size_t reply_size;
    uint8_t data[VECTOR_MAX_BYTES];
    size_t data_size;
    uint32_t keepalives;
    bool malformed;
    bool has_new_signal;
    uint8_t new_signal;
    size_t late;
    struct vector_push pushes[VECTOR_MAX_PUSHES];
    size_t push_count;
};

/* Reads the file for this plugin; a file that breaks the format ends the test. */
struct vector *vector_read(const char *path, const struct plugin *plugin);
void vector_free(struct vector *vector);

/* True if a push is the expected one. */
bool vector_push_equal(const struct vector_push *expected, const struct plugin_push *push);

/* One stretch of bytes that arrives at once. */
struct vector_piece {
    uint64_t quiet_ms;
    size_t start;
    size_t size;
    bool idle;
};

/* Plays the pieces (and the vector's last quiet) to the plugin as the server would, and compares.
 * how names the way of cutting in a failure's message. */
void vector_play(const struct vector *vector, const struct vector_piece *pieces, size_t count,
                 const char *how);

#endif
