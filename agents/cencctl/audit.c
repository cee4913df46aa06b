#include "agents/cencctl/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agents/cencctl/audit_row.h"
#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/moment.h"
#include "agents/cencctl/table.h"
#include "codec/proto/event.h"
#include "codec/proto/json.h"
#include "server/journal/catalog.h"
#include "server/journal/journal.h"
#include "server/journal/scan.h"

#define TEXT_SIZE (16u * PROTO_PACKED_MAX)
#define PART      500u /* rows that are laid out together */

struct audit {
    const char *agent; /* NULL: any, as of the following */
    const char *serial;
    const char *project;
    uint64_t from;
    int64_t since_ms;
    int64_t until_ms;
    bool json;
    bool no_memory;
    struct proto_arena arena;
    char *text;
    struct table table;
    json_t *rows; /* that wait to be printed */
};

/* ---- which are told ---- */

static bool is_access(const Cenc__V1__Event *event)
{
    return event->body_case >= CENC__V1__EVENT__BODY_ACCESS_STARTED &&
           event->body_case <= CENC__V1__EVENT__BODY_ACCESS_REFUSED;
}

/* A device that comes by itself is no change that somebody made. */
static bool is_change(const Cenc__V1__Event *event)
{
    return (event->body_case >= CENC__V1__EVENT__BODY_AGENT_ADDED &&
            event->body_case <= CENC__V1__EVENT__BODY_TOKEN_REMOVED) ||
           event->body_case == CENC__V1__EVENT__BODY_DEVICE_MOVED ||
           event->body_case == CENC__V1__EVENT__BODY_DEVICE_APPROVED ||
           event->body_case == CENC__V1__EVENT__BODY_DEVICE_REMOVED ||
           event->body_case == CENC__V1__EVENT__BODY_IMPORTED ||
           event->body_case == CENC__V1__EVENT__BODY_CONFIGURATION_CHANGED ||
           event->body_case == CENC__V1__EVENT__BODY_LISTENER_STOPPED ||
           event->body_case == CENC__V1__EVENT__BODY_LISTENER_STARTED ||
           (event->body_case == CENC__V1__EVENT__BODY_DEVICE_ADDED && event->actor != NULL);
}

static const void *field_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (const char *)message + field->offset;
}

/* Additions, changes and removals all have their object in the field `item`, with a `name`. */
static const char *name_of(const Cenc__V1__Event *event)
{
    const ProtobufCFieldDescriptor *body =
        protobuf_c_message_descriptor_get_field(event->base.descriptor, (unsigned)event->body_case);

    if (event->body_case == CENC__V1__EVENT__BODY_BINDING_CHANGED)
        return event->binding_changed->listener;
    if (body == NULL || !is_change(event))
        return "";
    const ProtobufCMessage *message = *(ProtobufCMessage *const *)field_of(&event->base, body);
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "item");
    if (field == NULL)
        return "";
    const ProtobufCMessage *item = *(ProtobufCMessage *const *)field_of(message, field);
    if (item == NULL)
        return "";
    field = protobuf_c_message_descriptor_get_field_by_name(item->descriptor, "name");
    return field != NULL ? *(const char *const *)field_of(item, field) : "";
}

static const char *agent_of(const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_ACCESS_STARTED:
        return event->access_started->agent;
    case CENC__V1__EVENT__BODY_ACCESS_FINISHED:
        return event->access_finished->agent;
    case CENC__V1__EVENT__BODY_ACCESS_REFUSED:
        return event->access_refused->agent;
    case CENC__V1__EVENT__BODY_SECURITY_EVENT:
        return event->security_event->account;
    case CENC__V1__EVENT__BODY_AGENT_ADDED:
    case CENC__V1__EVENT__BODY_AGENT_CHANGED:
    case CENC__V1__EVENT__BODY_AGENT_REMOVED:
        return name_of(event);
    default:
        return "";
    }
}

/* An agent by its own doings, and what was done to it or by it as an operator. */
static bool concerns(const struct audit *audit, const Cenc__V1__Event *event)
{
    return audit->agent == NULL || strcmp(agent_of(event), audit->agent) == 0 ||
           (event->body_case == CENC__V1__EVENT__BODY_AGENT_CHANGED &&
            strcmp(event->agent_changed->former_name, audit->agent) == 0) ||
           (event->actor != NULL && strcmp(event->actor->name, audit->agent) == 0);
}

static bool wanted(const struct audit *audit, const Cenc__V1__Event *event)
{
    if (!is_access(event) && !is_change(event) &&
        event->body_case != CENC__V1__EVENT__BODY_SECURITY_EVENT)
        return false;
    return event->received_unix_ms >= audit->since_ms &&
           event->received_unix_ms < audit->until_ms && concerns(audit, event) &&
           (audit->project == NULL || strcmp(event->project, audit->project) == 0) &&
           (audit->serial == NULL ||
            (event->device != NULL && strcmp(event->device->serial, audit->serial) == 0));
}

/* ---- telling ---- */

static void print_rows(struct audit *audit)
{
    if (json_array_size(audit->rows) > 0)
        table_rows(&audit->table, audit->rows);
    (void)json_array_clear(audit->rows);
}

static void add_row(struct audit *audit, size_t size, const char *kind)
{
    json_t *event = json_loadb(audit->text, size, 0, NULL);
    json_t *row = event != NULL ? audit_row(event, kind) : NULL;

    json_decref(event);
    if (row == NULL || json_array_append_new(audit->rows, row) != 0)
        audit->no_memory = true;
    if (json_array_size(audit->rows) >= PART)
        print_rows(audit);
}

static void take(const struct record *record, void *context)
{
    struct audit *audit = context;
    Cenc__V1__Event *event = NULL;
    size_t size = 0;

    if (record->kind != JOURNAL_EVENT || record->sequence < audit->from)
        return;
    audit->arena.used = 0;
    audit->arena.full = false;
    if (event_unpack(record->payload, record->size, &audit->arena, &event) != CODEC_OK ||
        !wanted(audit, event))
        return;
    event->sequence = record->sequence;
    if (proto_json(&event->base, PROTO_JSON_ALL, audit->text, TEXT_SIZE, &size) != CODEC_OK)
        return;
    if (audit->json)
        (void)printf("%s\n", audit->text);
    else
        add_row(audit, size, event_kind(event));
}

/* ---- the journal ---- */

/* Nothing was written to it since then: all of it is older. A copy of a file may be younger than
 * what is in it; it is read then. */
static bool is_older(const struct audit *audit, const char *path)
{
    struct stat about;

    return stat(path, &about) == 0 && (int64_t)(about.st_mtime + 1) * 1000 < audit->since_ms;
}

static int read_segment(const char *path, uint64_t first, uint64_t end, struct audit *audit)
{
    struct segment_scan scan;

    if (is_older(audit, path))
        return EXIT_GOOD;
    enum status status = segment_scan(path, first, end, take, audit, &scan);
    if (status == STATUS_OK)
        return EXIT_GOOD;
    (void)fprintf(stderr, "cencctl: %s %s\n", path,
                  status == STATUS_INVALID ? "is damaged: the audit is not whole"
                                           : "can't be read: the audit is not whole");
    return status == STATUS_INVALID ? EXIT_DAMAGED : EXIT_UNREAD;
}

static int read_journal(const char *folder, struct audit *audit)
{
    struct catalog catalog;
    int code = EXIT_GOOD;
    int result = catalog_read(folder, &catalog);

    if (result < 0) {
        (void)fprintf(stderr, "cencctl: can't read %s: %s\n", folder, strerrordesc_np(-result));
        code = EXIT_UNREAD;
    }
    for (size_t i = 0; i < catalog.count && result == 0; i++) {
        char path[PATH_SIZE];
        uint64_t end = catalog_end(&catalog, i);
        if (catalog_outdone(&catalog, i) || end <= audit->from)
            continue;
        segment_file_path(folder, &catalog.segments[i], path);
        int now = read_segment(path, catalog.segments[i].first, end, audit);
        code = now > code ? now : code;
    }
    catalog_free(&catalog);
    return code;
}

/* ---- what is asked ---- */

static int read_time(const struct request *request, const char *name, int64_t *unix_ms)
{
    const char *text = request_given(request, name);

    if (text == NULL || moment_parse(text, (int64_t)time(NULL) * 1000, unix_ms))
        return EXIT_GOOD;
    return usage_error("no time: ", text);
}

static int read_options(const struct request *request, struct audit *audit)
{
    const char *from = request_given(request, "from");
    char *end = NULL;

    audit->agent = request_given(request, "agent");
    audit->serial = request_given(request, "device");
    audit->project = request_given(request, "project");
    audit->json = request->json;
    errno = 0;
    if (from != NULL)
        audit->from = strtoull(from, &end, 10);
    if (from != NULL && (from[0] < '0' || from[0] > '9' || *end != '\0' || errno != 0))
        return usage_error("no sequence: ", from);
    int code = read_time(request, "since", &audit->since_ms);
    return code == EXIT_GOOD ? read_time(request, "until", &audit->until_ms) : code;
}

/* In the folder of the socket; to be freed. NULL: no memory. */
static char *journal_of(const struct request *request)
{
    const char *slash = strrchr(request->server.socket_path, '/');
    char *folder = NULL;
    int size = slash != NULL ? (int)(slash + 1 - request->server.socket_path) : 0;

    if (request->operand_count > 0)
        return strdup(request->operands[0]);
    return asprintf(&folder, "%.*sjournal", size, request->server.socket_path) >= 0 ? folder : NULL;
}

static int run(const struct request *request, struct audit *audit)
{
    char *folder = journal_of(request);
    int code = EXIT_UNREAD;

    if (folder != NULL && audit->arena.memory != NULL && audit->text != NULL && audit->rows != NULL)
        code = read_journal(folder, audit);
    print_rows(audit);
    free(folder);
    if (fflush(stdout) == 0 && !audit->no_memory)
        return code;
    (void)fputs("cencctl: the audit is not whole: memory, or the output takes no more\n", stderr);
    return EXIT_UNREAD;
}

int audit_command(const struct request *request)
{
    static const char *const columns[] = {"=time", "=event", "=device", "who", "what", NULL};
    struct audit audit = {.arena = {.size = PROTO_ARENA_SIZE}, .until_ms = INT64_MAX};
    int code = read_options(request, &audit);

    if (code != EXIT_GOOD)
        return code;
    audit.table = (struct table){.out = stdout, .columns = columns, .room = table_room()};
    audit.arena.memory = malloc(PROTO_ARENA_SIZE);
    audit.text = malloc(TEXT_SIZE);
    audit.rows = json_array();
    code = run(request, &audit);
    free(audit.arena.memory);
    free(audit.text);
    json_decref(audit.rows);
    return code;
}
