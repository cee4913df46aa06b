/* The ledger: what head-end systems said, on the disk. A SQLite file of its own in the state
 * folder: how far each consumer has acknowledged, and for every device what was answered to its
 * registration. Registrations follow the journal (device_added, device_removed,
 * registration_reported) and say up to which record they do; if the file is lost, all devices wait
 * for an answer anew and consumers begin with the oldest event: nothing is missed, much repeated.
 *
 * All calls block; one thread at a time. Texts are as in events. */
#ifndef CENCD_NORTHBOUND_LEDGER_H
#define CENCD_NORTHBOUND_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"

#define LEDGER_TEXT_SIZE   129u /* of ids and reasons, with NUL */
#define LEDGER_SCOPE_SIZE  128u
#define LEDGER_SERIAL_SIZE 160u

struct ledger;

/* Numbers as cenc.v1.RegistrationState. */
enum ledger_state { LEDGER_NONE = 0, LEDGER_WAITING = 1, LEDGER_ACCEPTED = 2, LEDGER_REFUSED = 3 };

struct ledger_row {
    char scope[LEDGER_SCOPE_SIZE];
    char serial[LEDGER_SERIAL_SIZE];
    enum ledger_state state;
    char id[LEDGER_TEXT_SIZE];
    char reason[LEDGER_TEXT_SIZE];
    char consumer[64];
    uint64_t utc_ms; /* of the answer, or since when it waits */
};

struct ledger_error {
    char text[400];
};

/* path NULL: in memory. STATUS_INVALID: a file that can't be used as it is, and is left so;
 * STATUS_SYSTEM; STATUS_NO_MEMORY. *fresh: the file was made just now. */
enum status ledger_open(const char *path, struct ledger **ledger, bool *fresh,
                        struct ledger_error *error) MUST_CHECK;
void ledger_close(struct ledger *ledger); /* NULL: nothing */

/* The sequence of the last record that registrations follow; 0: none. */
enum status ledger_sequence(struct ledger *ledger, uint64_t *sequence,
                            struct ledger_error *error) MUST_CHECK;
enum status ledger_positions(struct ledger *ledger,
                             void (*visit)(const char *name, uint64_t position, void *context),
                             void *context, struct ledger_error *error) MUST_CHECK;
enum status ledger_waiting(struct ledger *ledger,
                           void (*visit)(const char *scope, const char *serial, void *context),
                           void *context, struct ledger_error *error) MUST_CHECK;

/* Fills in the rest for scope and serial of row; state LEDGER_NONE: nothing is known. */
enum status ledger_find(struct ledger *ledger, struct ledger_row *row,
                        struct ledger_error *error) MUST_CHECK;

/* A transaction: begin, what is to be written, end. After an error nothing of it counts. */
enum status ledger_begin(struct ledger *ledger, struct ledger_error *error) MUST_CHECK;
enum status ledger_end(struct ledger *ledger, struct ledger_error *error) MUST_CHECK;
enum status ledger_put_position(struct ledger *ledger, const char *name, uint64_t position,
                                struct ledger_error *error) MUST_CHECK;
enum status ledger_put_sequence(struct ledger *ledger, uint64_t sequence,
                                struct ledger_error *error) MUST_CHECK;
/* Removes what is known of devices for which stays is false. */
enum status ledger_sweep(struct ledger *ledger,
                         bool (*stays)(const char *scope, const char *serial, void *context),
                         void *context, struct ledger_error *error) MUST_CHECK;
/* In place of what was known; a row that waits doesn't take the place of an answer. */
enum status ledger_put(struct ledger *ledger, const struct ledger_row *row,
                       struct ledger_error *error) MUST_CHECK;
enum status ledger_remove(struct ledger *ledger, const char *scope, const char *serial,
                          struct ledger_error *error) MUST_CHECK;

#endif
