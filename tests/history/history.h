/* A journal of events in memory, for tests of what is made of them. Record i has sequence i + 1. */
#ifndef CENCD_TESTS_HISTORY_HISTORY_H
#define CENCD_TESTS_HISTORY_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/proto/event.h"
#include "server/directory/directory.h"
#include "server/directory/restore.h"
#include "server/directory/store.h"

struct history_event {
    uint8_t *data;
    size_t size;
};

struct history {
    struct history_event *events;
    uint64_t count;
    uint64_t capacity;
    struct proto_arena arena;
};

/* What an event says; which of it goes into the event depends on the body. Texts are bytes, as a
 * device sent them; NULL is "". */
struct told {
    const char *scope;
    const char *serial;
    const char *kind;
    const char *model;
    const char *firmware;
    const char *hardware;
    const char *project;
    const char *listener;
    const char *note;
    const char *changed; /* a name in device_changed.changed; NULL: none */
    uint64_t first_seen_utc_ms;
    uint64_t last_seen_utc_ms;
    uint64_t gasp_utc_ms;
    uint64_t gasp_sequence;
    uint32_t epoch;
    uint16_t port;
    bool unapproved;
    uint8_t csq;
    bool unknown;   /* last_gasp.unknown_device */
    bool test;      /* last_gasp.test */
    bool raw;       /* device.serial_raw is there too */
    bool no_device; /* the event is about none */
};

void history_init(struct history *history);
void history_free(struct history *history);

/* Returns the sequence. */
uint64_t history_tell(struct history *history, Cenc__V1__Event__BodyCase body,
                      const struct told *told, uint64_t utc_ms);

/* Forgets all after the first `count`. */
void history_cut(struct history *history, uint64_t count);

/* Valid until the next call. */
const Cenc__V1__Event *history_event(struct history *history, uint64_t sequence);

/* Applies records first..last. */
void history_to_directory(struct history *history, struct directory *directory, uint64_t first,
                          uint64_t last);
void history_to_store(struct history *history, struct store *store, uint64_t first, uint64_t last);

/* What the store says, put into the directory. */
void history_load(struct store *store, struct directory *directory);

/* All that the directory says of its devices, removed ones too, one line each, sorted: for
 * comparing. To be freed. */
char *history_describe(struct directory *directory);

/* A folder of the test's own, and its end with all files in it. */
void history_make_folder(char folder[static 64]);
void history_remove_folder(const char *folder);

/* A reproducible choice. */
struct dice {
    uint64_t state;
};
uint64_t dice_below(struct dice *dice, uint64_t bound);

#endif
