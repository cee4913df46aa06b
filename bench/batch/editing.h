/* Journal, directory and store, with the threads that they have in the server: one writes the
 * journal, one reads it for the store and edits the directory. One caller's thread. */
#ifndef CENCD_BENCH_BATCH_EDITING_H
#define CENCD_BENCH_BATCH_EDITING_H

#include "server/directory/edit.h"
#include "server/directory/keeper.h"
#include "server/directory/load.h"
#include "server/reactor/thread.h"

struct editing {
    struct journal *journal;
    struct directory *directory;
    struct store *store;
    struct keeper *keeper;
    struct editor *editor;
    struct reactor_thread writer;
    struct reactor_thread reader;
    bool writer_gone;
    bool keeper_gone;
    bool editor_gone;
};

/* A folder for the files. */
struct editing_folder {
    char path[256];
    char journal[300];
    char store[300];
};

/* False: there can't be one in this folder. */
bool editing_make_folder(struct editing_folder *folder, const char *parent);
/* When all has stopped. False: something is left of it. */
bool editing_remove_folder(const struct editing_folder *folder);

struct editing_config {
    const struct editing_folder *folder;
    struct journal_config journal; /* but for its folder */
    struct directory_config directory;
};

/* NULL: all of it runs. Otherwise a sentence on why not, and the process is to end. */
const char *editing_start(struct editing *editing, const struct editing_config *config);
void editing_stop(struct editing *editing);

#endif
