/* Walks JSON by its brackets, so that a file of a hundred megabytes is taken apart into elements
 * that are parsed one at a time. It sees strings and brackets, nothing else: that an element is
 * JSON is for its parser to say. Pure functions; nothing is copied. */
#ifndef CENCD_EXCHANGE_SLICE_H
#define CENCD_EXCHANGE_SLICE_H

#include <stdbool.h>
#include <stddef.h>

#define SLICE_DEPTH_MAX 32u /* brackets inside of one another */

struct slice {
    const char *text;
    size_t size;
};

struct slice_walk {
    const char *text;
    size_t size;
    size_t at;         /* how far the walk is; after a failure, where that is */
    const char *fault; /* what is wrong, in words; NULL: nothing */
};

enum slice_next { SLICE_ITEM, SLICE_END, SLICE_BAD };

/* Spaces, then this bracket, { or [. False: it isn't there. */
bool slice_open(struct slice_walk *walk, char bracket);

/* In an open object: the next member's name, with its quotes, and value. first: none came yet. */
enum slice_next slice_member(struct slice_walk *walk, bool first, struct slice *name,
                             struct slice *value);

/* In an open array: its next value. */
enum slice_next slice_element(struct slice_walk *walk, bool first, struct slice *value);

/* Nothing but spaces is left. */
bool slice_ended(struct slice_walk *walk);

/* The place behind spaces, from `at` on. */
size_t slice_skip_space(const char *text, size_t size, size_t at);

/* The place behind the string, in quotes, that begins at `at`; 0: it has no end. */
size_t slice_skip_string(const char *text, size_t size, size_t at);

/* The place behind the value that begins at `at`; 0: it has no end, or too many brackets. */
size_t slice_skip_value(const char *text, size_t size, size_t at);

#endif
