/* The file of a SQLite database: only the server's user reads it, whatever the umask. SQLite gives
 * the files beside it the same mode. */
#ifndef CENCD_DIRECTORY_DATABASE_FILE_H
#define CENCD_DIRECTORY_DATABASE_FILE_H

struct sqlite3;

/* Makes it, empty, if it isn't there. 0, or an errno. Blocks. */
int database_file_make(const char *path);

/* The files beside it stay when the database is closed, so that the next opening needs no room for
 * them: on a full disk a server that stopped can start. */
void database_file_keep(struct sqlite3 *database);

/* Before it is closed: the file has all of it, and the log beside it is empty, as far as the disk
 * and others who read allow. So a file that is put in its place finds nothing of the old one. */
void database_file_settle(struct sqlite3 *database);

#endif
