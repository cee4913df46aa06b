/* Projects, groups inside them, and bindings: which project a device joins that registers on a
 * listener's port. Copies of what is there, for reports and decisions; they change only through
 * edits (edit.h). Thread-safe, short; binding_project takes no lock.
 *
 * An id names a project, a group or an agent for ever: it is small, outlives renaming and never
 * comes again. 0 is none. A revision grows with every change of its object. Tables are small
 * (thousands), so they are read whole or by name. */
#ifndef CENCD_DIRECTORY_PROJECTS_H
#define CENCD_DIRECTORY_PROJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "server/base/status.h"
#include "server/directory/directory.h"

#define DIRECTORY_NAME_SIZE 96  /* of projects, groups, agents; bytes with NUL */
#define DIRECTORY_NOTE_SIZE 256 /* bytes with NUL */

struct project_info {
    uint32_t id;
    uint64_t revision;
    char name[DIRECTORY_NAME_SIZE];
    char note[DIRECTORY_NOTE_SIZE];
    uint64_t devices; /* now */
    uint32_t groups;
};

struct group_info {
    uint32_t id;
    uint64_t revision;
    uint32_t project;
    char project_name[DIRECTORY_NAME_SIZE];
    char name[DIRECTORY_NAME_SIZE]; /* unique in its project */
    char note[DIRECTORY_NOTE_SIZE];
    uint64_t devices; /* now */
};

/* A listener that was bound once stays in the table when its binding is removed (project 0), with
 * its revision. */
struct binding_info {
    char listener[CONFIG_NAME_SIZE]; /* its name in the configuration, which may have gone */
    uint64_t revision;
    uint32_t project; /* 0: not bound */
    char project_name[DIRECTORY_NAME_SIZE];
    bool sweeping; /* devices are still being moved to where the binding says */
};

/* False: there is none. info may be NULL. */
bool project_get(struct directory *directory, uint32_t id, struct project_info *info);
bool project_find(struct directory *directory, const char *name, struct project_info *info);
bool group_get(struct directory *directory, uint32_t id, struct group_info *info);
bool group_find(struct directory *directory, uint32_t project, const char *name,
                struct group_info *info);
bool binding_find(struct directory *directory, const char *listener, struct binding_info *info);

/* Fill at most capacity entries with ids greater than `after`, in order of their ids; return how
 * many. bindings: from the position `from`. */
size_t projects_list(struct directory *directory, uint32_t after, struct project_info *infos,
                     size_t capacity);
size_t groups_list(struct directory *directory, uint32_t after, struct group_info *infos,
                   size_t capacity);
size_t bindings_list(struct directory *directory, size_t from, struct binding_info *infos,
                     size_t capacity);

/* The project that devices join which register on this listener (index in the configuration);
 * 0: none, it is not bound. */
uint32_t binding_project(const struct directory *directory, uint32_t listener);

#endif
