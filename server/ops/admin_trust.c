#include "server/ops/admin_trust.h"

#include "server/base/check.h"

void admin_trust_init(struct admin_trust *trust)
{
    CHECK(pthread_mutex_init(&trust->lock, NULL) == 0);
    list_init(&trust->visits);
}

void admin_trust_destroy(struct admin_trust *trust)
{
    CHECK(list_empty(&trust->visits));
    (void)pthread_mutex_destroy(&trust->lock);
}

/* Under the lock. */
static struct admin_visit *find(struct admin_trust *trust, int http_fd)
{
    for (struct list *node = trust->visits.next; node != &trust->visits; node = node->next) {
        struct admin_visit *visit = container_of(node, struct admin_visit, node);
        if (visit->http_fd == http_fd)
            return visit;
    }
    return NULL;
}

void admin_trust_enter(struct admin_trust *trust, struct admin_visit *visit, int http_fd)
{
    visit->http_fd = http_fd;
    CHECK(pthread_mutex_lock(&trust->lock) == 0);
    struct admin_visit *former = find(trust, http_fd);
    if (former != NULL)
        list_remove(&former->node);
    list_append(&trust->visits, &visit->node);
    CHECK(pthread_mutex_unlock(&trust->lock) == 0);
}

void admin_trust_leave(struct admin_trust *trust, struct admin_visit *visit)
{
    CHECK(pthread_mutex_lock(&trust->lock) == 0);
    list_remove(&visit->node);
    CHECK(pthread_mutex_unlock(&trust->lock) == 0);
}

void admin_trust_good(struct admin_trust *trust, int http_fd)
{
    CHECK(pthread_mutex_lock(&trust->lock) == 0);
    struct admin_visit *visit = find(trust, http_fd);
    if (visit != NULL)
        atomic_store(&visit->trusted, true);
    CHECK(pthread_mutex_unlock(&trust->lock) == 0);
}
