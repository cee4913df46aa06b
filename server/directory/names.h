/* Which names projects, groups and agents may have. Pure functions.
 *
 * A name is printable UTF-8 of Latin and Cyrillic letters, digits, single spaces inside and the
 * signs . _ - + @ # ( ) № « » and, but for agents, the colon and comma; it begins with a letter
 * or a digit. Nothing is rewritten: what is not allowed is refused. A word of letters of both
 * scripts is refused, and a name is taken as well when it only looks like one that there is: the
 * same but for case, or with letters of the other script in the same shape. */
#ifndef CENCD_DIRECTORY_NAMES_H
#define CENCD_DIRECTORY_NAMES_H

#include <stdbool.h>

#include "server/directory/projects.h"

enum name_use {
    NAME_OF_AGENT,  /* also without spaces: it travels in SOCKS5, HTTP and modem commands */
    NAME_OF_OTHERS, /* projects and groups */
};

/* NULL: it may be used. Otherwise what is wrong with it, in words that follow "the name ". */
const char *name_fault(const char *name, enum name_use use);

/* A note: printable UTF-8 on one line, maybe empty. */
const char *note_fault(const char *note);

/* Names that look alike have the same shape. */
void name_shape(const char *name, char shape[static DIRECTORY_NAME_SIZE]);
bool names_look_alike(const char *a, const char *b);

#endif
