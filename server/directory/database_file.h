/* The file of a SQLite database: only the server's user reads it, whatever the umask. SQLite gives
 * the files beside it the same mode. */
#ifndef CENCD_DIRECTORY_DATABASE_FILE_H
#define CENCD_DIRECTORY_DATABASE_FILE_H

/* Makes it, empty, if it isn't there. 0, or an errno. Blocks. */
int database_file_make(const char *path);

#endif
