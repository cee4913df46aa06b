/* Inside the admin API: a request with its answer, and what the handlers of all resources share. */
#ifndef CENCD_OPS_ADMIN_REQUEST_H
#define CENCD_OPS_ADMIN_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>

#include "server/directory/edit.h"
#include "server/link/shard.h"
#include "server/ops/admin_roles.h"

#define ADMIN_PAGE     100u /* entries of a list, unless asked for another number */
#define ADMIN_PAGE_MAX 1000u
#define ADMIN_ANY      UINT64_MAX

struct admin_upload;

struct admin_request {
    struct server *server;
    struct MHD_Connection *connection;
    enum admin_method method;
    char parts[ADMIN_PARTS][ADMIN_PART_SIZE]; /* of the path behind /v1/, decoded */
    unsigned part_count;
    const json_t *body;                /* an object, or NULL */
    const struct admin_upload *upload; /* of an import, in place of it; NULL: not taken */
    uint32_t if_id;                    /* of If-Match "ID-REVISION"; devices and bindings have 0 */
    uint64_t if_revision;              /* 0: none given */
    struct edit_actor actor;
    enum role role; /* the actor's */

    unsigned status;
    unsigned retry_after_s;        /* 0: it isn't told */
    json_t *answer;                /* NULL: none */
    uint32_t id;                   /* told as ETag, with the revision */
    uint64_t revision;             /* 0: none */
    struct MHD_Response *response; /* not NULL: what is to be sent in place of it */
};

/* Answers {"error": word, "text": sentence}. */
void admin_refuse(struct admin_request *request, unsigned status, const char *word,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* 200 with the value, which becomes the answer's; NULL: out of memory. */
void admin_answer(struct admin_request *request, json_t *value);

/* 204: what the path names is gone. */
void admin_answer_removed(struct admin_request *request);
void admin_refuse_method(struct admin_request *request);

/* Runs the edit with the request's actor and revision; true if it is done. Otherwise it has been
 * answered. */
bool admin_edit(struct admin_request *request, struct edit *edit);

/* ---- query ---- */

/* NULL: not given. The value lives as long as the request. */
const char *admin_query(struct admin_request *request, const char *name);
/* False: answered that it is no number, or too large. */
bool admin_query_number(struct admin_request *request, const char *name, uint64_t most,
                        uint64_t otherwise, uint64_t *value);
/* False: answered that there is a parameter which isn't among the names, NULL at their end. */
bool admin_query_known(struct admin_request *request, const char *const *names);

/* The parameters `limit` and `after` (at most most_after), and that there are none but the names.
 */
bool admin_query_page(struct admin_request *request, const char *const *names, uint64_t most_after,
                      uint64_t *limit, uint64_t *after);

/* {"items": [...], "next": "CURSOR" or null} */
void admin_answer_list(struct admin_request *request, json_t *items, uint64_t next);

/* ---- body ---- */

/* False: answered that there is no body, or a field which isn't among the names. */
bool admin_body_known(struct admin_request *request, const char *const *names);
/* Copies a text; *given tells whether there is one. False: answered that it is no text, too long,
 * or has a NUL inside. */
bool admin_body_text(struct admin_request *request, const char *name, char *out, size_t size,
                     bool *given);
bool admin_body_bool(struct admin_request *request, const char *name, bool *value, bool *given);

/* An array with at most `most` entries; NULL: it isn't given. False: answered. */
bool admin_body_list(struct admin_request *request, const char *name, size_t most,
                     const json_t **list);
/* "2027-01-31T12:00:00Z", or null: never (0). False: answered that it is no time. */
bool admin_body_time(struct admin_request *request, const char *name, uint64_t *utc_ms,
                     bool *given);
/* A list of networks, "10.0.0.0/8". False: answered. */
bool admin_body_networks(struct admin_request *request, const char *name, struct cidr *networks,
                         uint32_t most, uint32_t *count, bool *given);
/* The same shown. NULL: no memory. */
json_t *admin_networks(const struct cidr *networks, uint32_t count);

/* Name and note, and which of them are given. */
bool admin_body_named(struct admin_request *request, struct edit *edit);

/* ---- names ---- */

/* Of a port given in a path: all of it is digits. 0: it is none. */
uint16_t admin_port_called(const char *text);
/* Finds the project; "" or null is none (id 0). False: answered that there is none. */
bool admin_project_called(struct admin_request *request, const char *name, uint32_t *id);
bool admin_channel_called(struct admin_request *request, const char *name, uint32_t *id);
bool admin_group_called(struct admin_request *request, uint32_t project, const char *name,
                        uint32_t *id);

/* ---- resources ---- */

/* Projects, groups, agents, channels and tokens: each has a number, and is listed and edited alike.
 */
struct admin_resource {
    unsigned parts; /* of a path that names a single one */
    /* Whom it names. False: answered that there is none. */
    bool (*find)(struct admin_request *request, uint32_t *id);
    void (*list)(struct admin_request *request);
    void (*show)(struct admin_request *request, uint32_t id);
    /* Fills the edit from the body. False: answered what is wrong with it. */
    bool (*read)(struct admin_request *request, struct edit *edit);
    enum edit_kind add;
    enum edit_kind change;
    enum edit_kind remove;
};

void admin_serve(struct admin_request *request, const struct admin_resource *resource);

void admin_projects(struct admin_request *request);
void admin_groups(struct admin_request *request);
void admin_agents(struct admin_request *request);
void admin_channels(struct admin_request *request);
void admin_bindings(struct admin_request *request);
void admin_tokens(struct admin_request *request);
void admin_devices(struct admin_request *request);
void admin_listeners(struct admin_request *request);
void admin_consumers(struct admin_request *request);
void admin_links(struct admin_request *request);
void admin_sessions(struct admin_request *request);
void admin_import(struct admin_request *request);
void admin_export(struct admin_request *request);

#endif
