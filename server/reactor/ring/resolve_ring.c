/* Names of hosts, by the C library. */
#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <string.h>
#include <sys/socket.h>

#include "server/reactor/ring/ring.h"

#define PATIENCE_S 2 /* with a name server that doesn't answer: other slow work waits behind */

static int error_of(int code)
{
    switch (code) {
    case EAI_NONAME:
    case EAI_NODATA:
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

int kernel_resolve(struct kernel *kernel, const char *host, struct address *addresses,
                   unsigned capacity)
{
    const struct addrinfo wish = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    unsigned count = 0;

    (void)kernel;
    /* the thread's own settings; read anew, since resolv.conf may have changed */
    if (res_init() == 0) {
        _res.retrans = PATIENCE_S;
        _res.retry = 1;
    }
    int code = getaddrinfo(host, NULL, &wish, &found);
    if (code != 0)
        return error_of(code);
    for (const struct addrinfo *one = found; one != NULL && count < capacity; one = one->ai_next) {
        union socket_address address = {0};

        if (one->ai_addrlen > sizeof address)
            continue;
        memcpy(&address, one->ai_addr, one->ai_addrlen);
        address_from_socket(&address, &addresses[count]);
        if (addresses[count].family != 0)
            count++;
    }
    freeaddrinfo(found);
    return count > 0 ? (int)count : -ENOENT;
}
