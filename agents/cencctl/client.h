/* A request to the server's admin API, over its Unix socket, or by HTTPS with an access token; then
 * the server's certificate is verified, always. Blocking, with a time limit. */
#ifndef CENCD_AGENTS_CENCCTL_CLIENT_H
#define CENCD_AGENTS_CENCCTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "agents/cencctl/secret.h"

#define CLIENT_REASON_SIZE 256u

/* Where the server is. */
struct client_server {
    const char *socket_path; /* if url is NULL */
    const char *url;         /* "https://HOST:PORT" */
    const char *ca_file;     /* NULL: the system's */
    char token[SECRET_SIZE]; /* for the url; to be wiped by the caller */
};

struct client_answer {
    int download_error;              /* an errno: the file took no more */
    unsigned status;                 /* of HTTP */
    char etag[64];                   /* "": none */
    json_t *value;                   /* NULL: none; the caller's */
    char reason[CLIENT_REASON_SIZE]; /* of what failed, in words; "": none */
};

/* False: it is no such url as above. */
bool client_url_is_good(const char *url);

/* path: what follows /v1/, escaped. body and if_match may be NULL. Returns 0, or a negative errno:
 * the server can't be reached, or (EPROTO) it broke off, or it says what isn't JSON. */
int client_call(const struct client_server *server, const char *method, const char *path,
                const json_t *body, const char *if_match, struct client_answer *answer);

/* The same with files: what upload holds is the body, and an answer of 200 goes into download as it
 * is. Either may be NULL. Patience for minutes. */
int client_transfer(const struct client_server *server, const char *method, const char *path,
                    FILE *upload, FILE *download, struct client_answer *answer);

#endif
