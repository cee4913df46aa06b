/* All commands and options, as a table: from it come what is understood, the help, the manual page
 * and what the shell completes. */
#ifndef CENCD_AGENTS_CENCCTL_COMMANDS_H
#define CENCD_AGENTS_CENCCTL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

enum option_sort {
    OPTION_QUERY,      /* a parameter of the request */
    OPTION_QUERY_TRUE, /* one without a value: true */
    OPTION_QUERY_FALSE,
    OPTION_TEXT, /* a field of the body */
    OPTION_NUMBER,
    OPTION_TRUE,
    OPTION_FALSE,
    OPTION_NULL,        /* the field becomes null: none */
    OPTION_EMPTY,       /* the field becomes an empty list */
    OPTION_LIST,        /* may be given several times */
    OPTION_GROUPS,      /* PROJECT/GROUP, several times */
    OPTION_PASSWORD,    /* a file with it; without a value: it is asked for */
    OPTION_NO_PASSWORD, /* where it is offered, one is made and shown unless something is said */
    OPTION_SCOPE,       /* a part of the path */
    OPTION_IF_MATCH,
    OPTION_FILTER, /* items with this value in the field, or they aren't shown */
    OPTION_LIMIT,
    OPTION_OWN, /* the command looks at it itself */
    OPTION_SOCKET,
    OPTION_SERVER,
    OPTION_TOKEN_FILE,
    OPTION_CA,
    OPTION_JSON,
    OPTION_WATCH, /* its value may be missing */
};

struct option_spec {
    const char *name;  /* without dashes; NULL ends a list */
    const char *value; /* what stands for its value in the help; NULL: it has none */
    const char *field;
    enum option_sort sort;
    const char *help;
};

enum command_sort {
    COMMAND_LIST,
    COMMAND_SHOW,
    COMMAND_SEND,
    COMMAND_IMPORT, /* a file goes to the server */
    COMMAND_EXPORT, /* and comes from it */
    COMMAND_AUDIT,  /* from here on: they read files */
    COMMAND_VERIFY,
    COMMAND_DUMP,
};

struct command {
    const char *noun;
    const char *verb;     /* "": it has none */
    const char *operands; /* "NAME", "PROJECT GROUP", "[MAY BE MISSING]"; "": none */
    const char *help;
    enum command_sort sort;
    const char *method;
    const char *path;          /* with {0}, {1}: operands; {scope} */
    const char *const *fields; /* of the body: those of the operands, in order; NULL: none */
    const char *constant;      /* a field that is set to true (or with ! to false); NULL: none */
    const struct option_spec *options;
    const char *const *columns; /* LIST: see table.h */
};

extern const struct command commands[];
extern const size_t command_count;

/* Options of all commands that ask the server. */
extern const struct option_spec server_options[];

/* verb may be NULL. NULL: there is none. */
const struct command *command_find(const char *noun, const char *verb);

/* The command's options, then those of all commands of its sort: 0, 1 ... up to NULL. */
const struct option_spec *command_option(const struct command *command, size_t index);

#endif
