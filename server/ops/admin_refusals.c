#include "server/ops/admin_refusals.h"

#include <stdio.h>
#include <string.h>

#include "server/base/check.h"

void admin_refusals_init(struct admin_refusals *refusals)
{
    memset(refusals->list, 0, sizeof(refusals->list));
    CHECK(pthread_mutex_init(&refusals->lock, NULL) == 0);
}

void admin_refusals_destroy(struct admin_refusals *refusals)
{
    (void)pthread_mutex_destroy(&refusals->lock);
}

/* Under the lock; the one told longest ago gives way. */
static struct admin_refusal *find_or_add(struct admin_refusals *refusals, const char *name,
                                         const char *method, const char *resource)
{
    struct admin_refusal *oldest = &refusals->list[0];

    for (size_t i = 0; i < ADMIN_REFUSALS; i++) {
        struct admin_refusal *refusal = &refusals->list[i];
        if (refusal->name[0] != '\0' && strcmp(refusal->name, name) == 0 &&
            strcmp(refusal->method, method) == 0 && strcmp(refusal->resource, resource) == 0)
            return refusal;
        if (refusal->told_ms < oldest->told_ms)
            oldest = refusal;
    }
    *oldest = (struct admin_refusal){.method = method, .resource = resource};
    (void)snprintf(oldest->name, sizeof(oldest->name), "%s", name);
    return oldest;
}

uint64_t admin_refusals_count(struct admin_refusals *refusals, const char *name, const char *method,
                              const char *resource, uint64_t now_ms)
{
    uint64_t count = 0;

    CHECK(pthread_mutex_lock(&refusals->lock) == 0);
    struct admin_refusal *refusal = find_or_add(refusals, name, method, resource);
    refusal->untold++;
    if (refusal->told_ms == 0 || now_ms - refusal->told_ms >= ADMIN_REFUSAL_MS) {
        count = refusal->untold;
        refusal->untold = 0;
        refusal->told_ms = now_ms;
    }
    CHECK(pthread_mutex_unlock(&refusals->lock) == 0);
    return count;
}
