/* Names of hosts: a table that the test fills. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/reactor/sim/operation.h"

struct sim_name {
    struct sim_name *next;
    struct address addresses[SIM_NAME_ADDRESSES];
    unsigned count;
    char host[];
};

static struct sim_name *find(struct sim *sim, const char *host)
{
    struct sim_name *name = sim->names;

    while (name != NULL && strcmp(name->host, host) != 0)
        name = name->next;
    return name;
}

void sim_put_name(struct sim *sim, const char *host, const struct address *addresses,
                  unsigned count)
{
    struct sim_name *name = find(sim, host);

    CHECK(count <= SIM_NAME_ADDRESSES);
    if (name == NULL) {
        name = sim_allocate(sizeof *name + strlen(host) + 1);
        memcpy(name->host, host, strlen(host) + 1);
        name->next = sim->names;
        sim->names = name;
    }
    if (count > 0)
        memcpy(name->addresses, addresses, count * sizeof *addresses);
    name->count = count;
}

void sim_names_free(struct sim *sim)
{
    while (sim->names != NULL) {
        struct sim_name *name = sim->names;
        sim->names = name->next;
        free(name);
    }
}

int kernel_resolve(struct kernel *kernel, const char *host, struct address *addresses,
                   unsigned capacity)
{
    const struct sim_name *name = find(kernel->sim, host);
    unsigned count = name == NULL ? 0 : name->count;

    sim_trace(kernel->sim, "resolve", sim_hash(host, strlen(host)), count, 0);
    if (count == 0)
        return -ENOENT;
    if (count > capacity)
        count = capacity;
    for (unsigned i = 0; i < count; i++) {
        addresses[i] = name->addresses[i];
        addresses[i].port = 0;
    }
    return (int)count;
}
