/* Addresses of a host: looked up on the helper thread, so that nobody waits. Embedded in its owner,
 * which must live until `done`; there is no way to call it off. */
#ifndef CENCD_REACTOR_RESOLVE_H
#define CENCD_REACTOR_RESOLVE_H

#include "server/reactor/reactor.h"

#define RESOLVE_MAX_ADDRESSES 16u
#define RESOLVE_HOST_SIZE     254u /* with NUL */

struct resolve {
    /* error: 0, or a negative errno with which there are no addresses; see resolve_error. */
    void (*done)(struct resolve *resolve, int error);
    struct address addresses[RESOLVE_MAX_ADDRESSES]; /* in the system's order, with the port */
    unsigned count;
    /* its own */
    struct operation operation;
    struct kernel *kernel;
    char host[RESOLVE_HOST_SIZE];
    uint16_t port;
    int result;
};

/* host: a name, or an IP address. `done` is called later, never from here. STATUS_INVALID: too
 * long; STATUS_NO_MEMORY: `done` will not come. */
enum status resolve_start(struct resolve *resolve, struct reactor *reactor, const char *host,
                          uint16_t port) MUST_CHECK;

/* What an error of done means: "no such host", ... */
const char *resolve_error(int error);

#endif
