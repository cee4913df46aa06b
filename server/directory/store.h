/* The directory's store: a SQLite file (WAL) with a row for each device, project, group, agent,
 * channel and binding, and in the same file, of the same transaction, the sequence of the last
 * journal record that it stands for. The journal is the durable log; the store saves reading all of
 * it at the start.
 *
 * All calls block. One thread at a time may use a store. A file that is damaged, of another program
 * or of a newer version is left as it is. */
#ifndef CENCD_DIRECTORY_STORE_H
#define CENCD_DIRECTORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cenc/private/v1/records.pb-c.h>

#include "server/base/status.h"
#include "server/directory/replay.h"

#define STORE_VERSION 7 /* of the schema */

struct store;
struct account_visitor;

/* A sentence for people. */
struct store_error {
    char text[1024];
};

/* Opens the file, makes it if it isn't there, brings an older schema to STORE_VERSION.
 * STATUS_INVALID: it can't be used as it is; STATUS_SYSTEM: the disk, rights, or another process
 * has it; STATUS_NO_MEMORY. */
enum status store_open(const char *path, struct store **store,
                       struct store_error *error) MUST_CHECK;
void store_close(struct store *store); /* NULL: nothing */

/* What the store stands for: all records of the journal up to this one. 0: none. */
uint64_t store_sequence(const struct store *store);

/* Calls visit for each device, in order of first registration. Texts live during the call.
 * STATUS_SYSTEM, STATUS_INVALID (damage), STATUS_NO_MEMORY. */
enum status store_load(struct store *store,
                       void (*visit)(const struct device_facts *facts, void *context),
                       void *context, struct store_error *error) MUST_CHECK;

/* The same for projects, groups, agents, channels and bindings, as records that make them. */
enum status store_load_accounts(struct store *store, const struct account_visitor *visitor,
                                struct store_error *error) MUST_CHECK;

/* A transaction: begin, what is to be written, end. Until store_end returns STATUS_OK nothing of it
 * counts, then all of it is on the disk, and the store stands for `sequence`. After an error the
 * store is as before store_begin, and all of it may be tried again. STATUS_SYSTEM: the disk
 * refuses, or another process holds the file for now. */
enum status store_begin(struct store *store, struct store_error *error) MUST_CHECK;
enum status store_event(struct store *store, const Cenc__V1__Event *event, uint64_t sequence,
                        struct store_error *error) MUST_CHECK;
enum status store_private(struct store *store, const Cenc__Private__V1__Record *record,
                          struct store_error *error) MUST_CHECK;
/* Projects, groups, agents, channels and bindings as the directory has them, in place of what was
 * known. */
enum status store_put_accounts(struct store *store, struct directory *directory,
                               struct store_error *error) MUST_CHECK;
/* Writes the facts as they are, in place of what was known. */
enum status store_put(struct store *store, const struct device_facts *facts,
                      struct store_error *error) MUST_CHECK;
enum status store_end(struct store *store, uint64_t sequence, struct store_error *error) MUST_CHECK;

#endif
