/* A YAML file as a tree of nodes that know their place. Read by libyaml; what a configuration has
 * no use for and what would change it unseen is an error here: several documents, anchors and
 * aliases, merge keys, tags, keys given twice, NUL bytes, keys that are no text. Bounded in size,
 * depth and number of nodes. The caller owns the tree. */
#ifndef CENCD_CONFIG_TREE_H
#define CENCD_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/errors.h"
#include "server/base/status.h"

#define TREE_MAX_BYTES 4194304u
#define TREE_MAX_NODES 262144u
#define TREE_MAX_DEPTH 16u
#define TREE_MAX_KEYS  1024u /* of one map */

enum tree_kind {
    TREE_TEXT,
    TREE_LIST,
    TREE_MAP,
    TREE_BROKEN, /* an error was reported here already: pass over it */
};

struct tree_node {
    struct tree_node *next;  /* sibling, in the order of the file */
    struct tree_node *first; /* children: items of a list, values of a map */
    struct tree_node *last;
    struct tree_node *key;   /* of a value in a map */
    struct tree_node *older; /* all nodes of the tree, for freeing */
    struct config_mark mark;
    size_t count; /* children */
    enum tree_kind kind;
    bool plain; /* TEXT: without quotes, so it may be a number or a flag */
    char text[];
};

struct tree {
    struct tree_node *root; /* NULL: the file holds nothing */
    struct tree_node *newest;
    size_t count;
};

/* Reads text. Errors go to errors; STATUS_INVALID if because of them the tree isn't whole (the
 * tree is then empty), STATUS_OK if it can be looked at although errors may have been added. */
enum status tree_read(struct tree *tree, const char *text, size_t size,
                      struct config_errors *errors) MUST_CHECK;
void tree_free(struct tree *tree);

/* The value of a key, or NULL. map may be NULL or something else than a map. */
struct tree_node *tree_find(const struct tree_node *map, const char *key);

/* True for `key:` with nothing behind it. */
bool tree_is_nothing(const struct tree_node *node);

/* "a text", "a list", "a map", "unusable" */
const char *tree_kind_text(const struct tree_node *node);

#endif
