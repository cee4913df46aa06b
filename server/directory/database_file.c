#include "server/directory/database_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int database_file_make(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (file < 0)
        return errno == EEXIST ? 0 : errno;
    (void)close(file);
    return 0;
}
