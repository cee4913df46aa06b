#include "server/directory/database_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

int database_file_make(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (file < 0)
        return errno == EEXIST ? 0 : errno;
    (void)close(file);
    return 0;
}

void database_file_keep(struct sqlite3 *database)
{
    int yes = 1;

    (void)sqlite3_file_control(database, NULL, SQLITE_FCNTL_PERSIST_WAL, &yes);
}

void database_file_settle(struct sqlite3 *database)
{
    (void)sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}
