/* Words of a command line made into a request. */
#ifndef CENCD_AGENTS_CENCCTL_REQUEST_H
#define CENCD_AGENTS_CENCCTL_REQUEST_H

#include <jansson.h>
#include <stdbool.h>

#include "agents/cencctl/commands.h"

#define OPERANDS_MAX 3
#define PASSWORD_MAX 256

struct request {
    const struct command *command;
    const char *operands[OPERANDS_MAX];
    int operand_count;
    const char *socket_path;
    const char *scope;
    const char *if_match;
    char *query; /* "a=b&c=d"; NULL: none */
    json_t *body;
    unsigned long limit; /* of a list; 0: all */
    bool json;
    bool watch;
    bool has_password;
    char new_password[PASSWORD_MAX]; /* one that was made here; "": none */
};

/* Returns EXIT_GOOD, or another code: it has been said then. request_free in any case. */
int request_read(const struct command *command, int argc, char **argv, struct request *request);
void request_free(struct request *request);

/* The path with its operands, escaped; to be freed. NULL: no memory. */
char *request_path(const struct request *request);

#endif
