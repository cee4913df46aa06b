/* The northbound in a thread and a reactor of its own, so that head-end systems and shards don't
 * hold each other up. */
#ifndef CENCD_NORTHBOUND_THREAD_H
#define CENCD_NORTHBOUND_THREAD_H

#include "server/link/shard.h"

struct northbound_thread;

/* When shards and journal run; server->northbound is there then. Opens the port. STATUS_REFUSED: it
 * can't be listened on; STATUS_INVALID: tokens, certificates or the ledger can't be used. error:
 * one sentence. */
enum status northbound_thread_start(struct server *server, struct northbound_thread **started,
                                    struct kernel_error *error) MUST_CHECK;
/* Waits until nothing of it is under way; before the journal stops. */
void northbound_thread_stop(struct northbound_thread *thread);
/* Afterwards, when the journal's threads ended: until then they may be about to wake it. */
void northbound_thread_free(struct northbound_thread *thread);

#endif
