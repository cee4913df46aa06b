/* What somebody may do with the admin API: each role may do what those below it may. Pure. */
#ifndef CENCD_DIRECTORY_ROLE_H
#define CENCD_DIRECTORY_ROLE_H

enum role {
    ROLE_NONE,     /* nothing */
    ROLE_VIEWER,   /* look */
    ROLE_OPERATOR, /* and run it: devices, sessions, listeners */
    ROLE_ADMIN,    /* and decide who may: agents, projects, tokens */
    ROLE_COUNT,
};

const char *role_name(enum role role);   /* "viewer" */
enum role role_called(const char *name); /* ROLE_NONE: there is no such role */

#endif
