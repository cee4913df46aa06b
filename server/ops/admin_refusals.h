/* Actions that were refused: each of the same actor, method and resource is told once a minute,
 * with how many there were, so that a script that goes on asking doesn't fill the journal. Any
 * thread. */
#ifndef CENCD_OPS_ADMIN_REFUSALS_H
#define CENCD_OPS_ADMIN_REFUSALS_H

#include <pthread.h>
#include <stdint.h>

#include "server/directory/projects.h"

#define ADMIN_REFUSALS   256u
#define ADMIN_REFUSAL_MS 60000u

struct admin_refusal {
    char name[DIRECTORY_NAME_SIZE]; /* whose; "": the place is free */
    const char *method;
    const char *resource;
    uint64_t told_ms;
    uint64_t untold; /* since then */
};

struct admin_refusals {
    pthread_mutex_t lock;
    struct admin_refusal list[ADMIN_REFUSALS];
};

void admin_refusals_init(struct admin_refusals *refusals);
void admin_refusals_destroy(struct admin_refusals *refusals);

/* How many are to be told of now; 0: it is told of with a later one. method and resource are
 * literals: they stay. */
uint64_t admin_refusals_count(struct admin_refusals *refusals, const char *name, const char *method,
                              const char *resource, uint64_t now_ms);

#endif
