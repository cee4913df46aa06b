/* Details: what a file that was imported said of objects, beyond what the server has a use for. It
 * is kept in the store only, never in memory, and read by whoever exports or imports. It comes
 * there by edits (EDIT_DETAILS_SET) and goes with its object. JSON, without passwords.
 *
 * A reader has a connection of its own to the store's file and sees it as it was when it was
 * opened, whatever the keeper writes meanwhile. Its calls block; one thread at a time. */
#ifndef CENCD_DIRECTORY_DETAILS_H
#define CENCD_DIRECTORY_DETAILS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/status.h"

#define DETAILS_MAX      32768u /* bytes of JSON */
#define DETAILS_KEY_SIZE 128u   /* with NUL */

enum details_kind {
    DETAILS_DEVICE,  /* by scope and serial (key) */
    DETAILS_GROUP,   /* by its id */
    DETAILS_CHANNEL, /* by its id */
    /* of what has no object of its own: by its project's id and a key */
    DETAILS_TOP,
    DETAILS_PROTOCOL,
    DETAILS_OTHER_CHANNEL,
    DETAILS_NO_GROUP,
    DETAILS_KINDS,
};

const char *details_kind_name(enum details_kind kind); /* "no_group" */
bool details_kind_of(const char *name, enum details_kind *kind);

/* Whose details. */
struct details_key {
    enum details_kind kind;
    uint32_t owner;    /* id; of a device 0 */
    const char *scope; /* of a device; otherwise "" */
    const char *key;   /* of a device its serial as in events; "": of those that have none */
};

struct details;

/* path: of the store. STATUS_SYSTEM, STATUS_NO_MEMORY. */
enum status details_open(const char *path, struct details **details) MUST_CHECK;
void details_close(struct details *details); /* NULL: nothing */

/* The JSON, until the next call; NULL: there is none, or (details_failed) it can't be read. */
const char *details_find(struct details *details, const struct details_key *key);

/* The same for all of the project's of this kind, in order of their coming: NULL at the end. */
const char *details_first(struct details *details, enum details_kind kind, uint32_t project);
const char *details_next(struct details *details);

bool details_failed(const struct details *details);

#endif
