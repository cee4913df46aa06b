/* A request to the server's admin API, over its Unix socket. Blocking, with a time limit. */
#ifndef CENCD_AGENTS_CENCCTL_CLIENT_H
#define CENCD_AGENTS_CENCCTL_CLIENT_H

#include <jansson.h>
#include <stdio.h>

struct client_answer {
    unsigned status; /* of HTTP */
    char etag[64];   /* "": none */
    json_t *value;   /* NULL: none; the caller's */
};

/* path: what follows /v1/, escaped. body and if_match may be NULL. Returns 0, or a negative errno:
 * the server can't be reached, or (EPROTO) it broke off, or it says what isn't JSON. */
int client_call(const char *socket_path, const char *method, const char *path, const json_t *body,
                const char *if_match, struct client_answer *answer);

/* The same with files: what upload holds is the body, and an answer of 200 goes into download as it
 * is. Either may be NULL. Patience for minutes. */
int client_transfer(const char *socket_path, const char *method, const char *path, FILE *upload,
                    FILE *download, struct client_answer *answer);

#endif
