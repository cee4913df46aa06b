/* Channels: configured addresses with one or many devices behind them. Copies of what is there;
 * they change only through edits (edit.h). Thread-safe, short.
 *
 * Devices on an exclusive channel share one line: a session with one of them holds all
 * (server/bridge/channel_line.h). Names of channels are unique in the server. A project that a
 * channel belongs to says who sees it, not which devices may be on it. */
#ifndef CENCD_DIRECTORY_CHANNELS_H
#define CENCD_DIRECTORY_CHANNELS_H

#include "server/base/host.h"
#include "server/directory/projects.h"

struct channel_settings {
    char host[HOST_SIZE]; /* a name, or an IP address without brackets */
    uint16_t port;        /* TCP; not 0 */
    bool exclusive;
    bool enabled; /* false: it is not dialled for now; its line is shared as before */
};

struct channel_info {
    uint32_t id;
    uint64_t revision;
    uint32_t project; /* 0: none */
    char project_name[DIRECTORY_NAME_SIZE];
    char name[DIRECTORY_NAME_SIZE];
    char note[DIRECTORY_NOTE_SIZE];
    struct channel_settings settings;
    uint64_t devices; /* now */
};

/* False: there is none. info may be NULL. */
bool channel_get(struct directory *directory, uint32_t id, struct channel_info *info);
bool channel_find(struct directory *directory, const char *name, struct channel_info *info);

/* Fills at most capacity entries with ids greater than `after`, in order of their ids; returns how
 * many. */
size_t channels_list(struct directory *directory, uint32_t after, struct channel_info *infos,
                     size_t capacity);

struct channel_counts {
    uint32_t channels;
    uint32_t exclusive;
};
void channels_count(struct directory *directory, struct channel_counts *counts);

/* False: it is not exclusive, or there is none. */
bool channel_is_exclusive(struct directory *directory, uint32_t id);

#endif
