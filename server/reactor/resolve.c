#include "server/reactor/resolve.h"

#include <errno.h>
#include <string.h>

#include "server/base/check.h"

static void look_up(void *argument)
{
    struct resolve *resolve = argument;

    resolve->result =
        kernel_resolve(resolve->kernel, resolve->host, resolve->addresses, RESOLVE_MAX_ADDRESSES);
}

static void finished(struct operation *operation, int32_t result)
{
    struct resolve *resolve = container_of(operation, struct resolve, operation);

    (void)result;
    resolve->count = resolve->result > 0 ? (unsigned)resolve->result : 0;
    for (unsigned i = 0; i < resolve->count; i++)
        resolve->addresses[i].port = resolve->port;
    resolve->done(resolve, resolve->result > 0 ? 0 : resolve->result);
}

enum status resolve_start(struct resolve *resolve, struct reactor *reactor, const char *host,
                          uint16_t port)
{
    size_t size = strlen(host);

    CHECK(resolve->done != NULL);
    if (size >= RESOLVE_HOST_SIZE)
        return STATUS_INVALID;
    memcpy(resolve->host, host, size + 1);
    resolve->port = port;
    resolve->count = 0;
    resolve->result = -EIO;
    resolve->kernel = reactor_kernel(reactor);
    resolve->operation.done = finished;
    return reactor_work(reactor, &resolve->operation, look_up, resolve);
}

const char *resolve_error(int error)
{
    switch (error) {
    case -ENOENT:
        return "no such host";
    case -EAGAIN:
        return "the name servers don't answer";
    case -ENOMEM:
        return "not enough memory to look up the host";
    default:
        return "the host can't be looked up";
    }
}
