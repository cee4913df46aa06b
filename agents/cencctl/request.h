/* Words of a command line made into a request. --option VALUE and --option=VALUE are the same; what
 * comes behind -- is no option. */
#ifndef CENCD_AGENTS_CENCCTL_REQUEST_H
#define CENCD_AGENTS_CENCCTL_REQUEST_H

#include <jansson.h>
#include <stdbool.h>

#include "agents/cencctl/client.h"
#include "agents/cencctl/commands.h"

#define DEFAULT_SCOPE "default"
#define OPERANDS_MAX  3
#define GIVEN_MAX     16
#define NEW_PASSWORD  24u /* bytes with a NUL */

/* An option that the command looks at itself. */
struct given {
    const struct option_spec *option;
    const char *value;
};

struct request {
    const struct command *command;
    const char *operands[OPERANDS_MAX];
    int operand_count;
    const char **more; /* further ones where the command takes any number; operands are in turn */
    int more_count;
    struct client_server server;
    const char *token_file; /* for server.url */
    const char *scope;      /* NULL: not given */
    const char *if_match;
    char *query; /* "a=b&c=d"; NULL: none */
    json_t *body;
    struct given filters[GIVEN_MAX]; /* option NULL ends them */
    struct given own[GIVEN_MAX];
    unsigned long limit;   /* of a list; 0: all */
    unsigned long watch_s; /* 0: once */
    bool json;
    bool has_password;
    char new_password[NEW_PASSWORD]; /* one that was made here; "": none */
};

/* Returns EXIT_GOOD, or another code: it has been said then. request_free in any case. */
int request_read(const struct command *command, int argc, char **argv, struct request *request);
void request_free(struct request *request);

/* The value of an OPTION_OWN; NULL: not given. */
const char *request_given(const struct request *request, const char *name);

/* A text as a part of a path or a query; to be freed. NULL: no memory. */
char *request_escape(const char *text);

/* The path with its operands, escaped; to be freed. NULL: no memory. */
char *request_path(const struct request *request);

#endif
