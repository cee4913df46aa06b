/* Listening Unix sockets: a name in the file system, which a killed process leaves behind. */
#ifndef CENCD_BASE_UNIX_SOCKET_H
#define CENCD_BASE_UNIX_SOCKET_H

#include <sys/types.h>

#include "server/base/status.h"

/* A listening stream socket on this path, whose file has this mode. A file that is left of a former
 * run gives way; a socket on which somebody answers, or another file, doesn't. flags: SOCK_NONBLOCK
 * or 0. Returns the descriptor or a negative errno. Whoever closes it unlinks the path. */
int unix_socket_listen(const char *path, mode_t mode, int backlog, int flags) MUST_CHECK;

#endif
