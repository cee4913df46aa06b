#include "server/base/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket of a former run is in the way. Returns 0 or a negative errno: it is something else, or
 * somebody answers there. */
static int make_room(const struct sockaddr_un *name)
{
    struct stat found;

    if (lstat(name->sun_path, &found) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(found.st_mode))
        return -EEXIST;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return -errno;
    int error = connect(descriptor, (const struct sockaddr *)name, sizeof(*name)) != 0 ? errno : 0;
    (void)close(descriptor);
    if (error != ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(name->sun_path) == 0 ? 0 : -errno;
}

int unix_socket_listen(const char *path, mode_t mode, int backlog, int flags)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t size = strlen(path);

    if (size >= sizeof(name.sun_path))
        return -ENAMETOOLONG;
    memcpy(name.sun_path, path, size + 1);
    int error = make_room(&name);
    if (error < 0)
        return error;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (descriptor < 0)
        return -errno;
    /* nobody connects before listen: the mode is right by then */
    if (bind(descriptor, (const struct sockaddr *)&name, sizeof(name)) != 0 ||
        chmod(path, mode) != 0 || listen(descriptor, backlog) != 0) {
        error = -errno;
        (void)close(descriptor);
        return error;
    }
    return descriptor;
}
