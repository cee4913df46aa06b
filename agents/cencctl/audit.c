#include "agents/cencctl/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agents/cencctl/cencctl.h"
#include "codec/proto/event.h"
#include "codec/proto/json.h"
#include "server/journal/catalog.h"
#include "server/journal/journal.h"
#include "server/journal/scan.h"

#define TEXT_SIZE (16u * PROTO_PACKED_MAX)

struct audit {
    const char *agent; /* NULL: any, as of the following */
    const char *serial;
    uint64_t from;
    bool json;
    struct proto_arena arena;
    char *text;
};

/* ---- what is told ---- */

static void print_peer(const Cenc__V1__Endpoint *peer)
{
    if (peer != NULL)
        (void)printf(" from %s", peer->address);
}

static const char *or_nobody(const char *name)
{
    return name[0] != '\0' ? name : "(no account)";
}

static const char *path_name(Cenc__V1__AccessPath path)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&cenc__v1__access_path__descriptor, (int)path);

    return value != NULL && strlen(value->name) > 12 ? value->name + 12 : "?";
}

static void print_access(const Cenc__V1__Event *event)
{
    if (event->body_case == CENC__V1__EVENT__BODY_ACCESS_STARTED) {
        const Cenc__V1__AccessStarted *body = event->access_started;
        (void)printf(" session %" PRIu64 ": %s", body->session, or_nobody(body->agent));
        print_peer(body->agent_peer);
        (void)printf(" by %s", path_name(body->path));
    } else if (event->body_case == CENC__V1__EVENT__BODY_ACCESS_FINISHED) {
        const Cenc__V1__AccessFinished *body = event->access_finished;
        (void)printf(" session %" PRIu64 ": %s", body->session, or_nobody(body->agent));
        print_peer(body->agent_peer);
        (void)printf(", %" PRIu64 " bytes to the device, %" PRIu64 " to the agent, %" PRIu64
                     " ms, %s/%s",
                     body->bytes_to_device, body->bytes_to_agent, body->duration_ms,
                     body->reason != NULL ? body->reason->layer : "",
                     body->reason != NULL ? body->reason->cause : "");
    } else {
        const Cenc__V1__AccessRefused *body = event->access_refused;
        (void)printf(" %s", or_nobody(body->agent));
        print_peer(body->agent_peer);
        (void)printf(", %s/%s", body->reason != NULL ? body->reason->layer : "",
                     body->reason != NULL ? body->reason->cause : "");
    }
}

static void print_security(const Cenc__V1__SecurityEvent *body)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&cenc__v1__security_kind__descriptor, (int)body->kind);

    (void)printf(" %s", value != NULL && strlen(value->name) > 14 ? value->name + 14 : "?");
    if (body->account[0] != '\0')
        (void)printf(" %s", body->account);
    print_peer(body->peer);
    if (body->count > 1)
        (void)printf(", %" PRIu64 " times", body->count);
    if (body->text[0] != '\0')
        (void)printf(": %s", body->text);
}

static const char *name_of(const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_AGENT_ADDED:
        return event->agent_added->item != NULL ? event->agent_added->item->name : "";
    case CENC__V1__EVENT__BODY_AGENT_CHANGED:
        return event->agent_changed->item != NULL ? event->agent_changed->item->name : "";
    case CENC__V1__EVENT__BODY_AGENT_REMOVED:
        return event->agent_removed->item != NULL ? event->agent_removed->item->name : "";
    case CENC__V1__EVENT__BODY_GROUP_ADDED:
        return event->group_added->item != NULL ? event->group_added->item->name : "";
    case CENC__V1__EVENT__BODY_GROUP_CHANGED:
        return event->group_changed->item != NULL ? event->group_changed->item->name : "";
    case CENC__V1__EVENT__BODY_GROUP_REMOVED:
        return event->group_removed->item != NULL ? event->group_removed->item->name : "";
    case CENC__V1__EVENT__BODY_PROJECT_ADDED:
        return event->project_added->item != NULL ? event->project_added->item->name : "";
    case CENC__V1__EVENT__BODY_PROJECT_CHANGED:
        return event->project_changed->item != NULL ? event->project_changed->item->name : "";
    case CENC__V1__EVENT__BODY_PROJECT_REMOVED:
        return event->project_removed->item != NULL ? event->project_removed->item->name : "";
    case CENC__V1__EVENT__BODY_BINDING_CHANGED:
        return event->binding_changed->listener;
    default:
        return "";
    }
}

static void print_change(const Cenc__V1__Event *event)
{
    const char *name = name_of(event);

    if (name[0] != '\0')
        (void)printf(" %s", name);
    if (event->body_case == CENC__V1__EVENT__BODY_BINDING_CHANGED)
        (void)printf(": %s -> %s", event->binding_changed->former_project,
                     event->binding_changed->project);
    if (event->body_case == CENC__V1__EVENT__BODY_DEVICE_MOVED)
        (void)printf(
            ": %s/%s -> %s/%s", event->device_moved->former_project,
            event->device_moved->n_former_groups > 0 ? event->device_moved->former_groups[0] : "",
            event->project,
            event->device_moved->n_groups > 0 ? event->device_moved->groups[0] : "");
    if (event->body_case == CENC__V1__EVENT__BODY_AGENT_CHANGED &&
        event->agent_changed->password_changed)
        (void)printf(" (password, too)");
    if (event->actor != NULL && event->actor->name[0] != '\0')
        (void)printf(", by %s", event->actor->name);
    if (event->actor != NULL && event->actor->via[0] != '\0')
        (void)printf(" via %s", event->actor->via);
}

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
            event->body_case <= CENC__V1__EVENT__BODY_BINDING_CHANGED) ||
           event->body_case == CENC__V1__EVENT__BODY_DEVICE_MOVED ||
           event->body_case == CENC__V1__EVENT__BODY_DEVICE_REMOVED ||
           event->body_case == CENC__V1__EVENT__BODY_CONFIGURATION_CHANGED ||
           (event->body_case == CENC__V1__EVENT__BODY_DEVICE_ADDED && event->actor != NULL);
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

static bool wanted(const struct audit *audit, const Cenc__V1__Event *event)
{
    if (!is_access(event) && !is_change(event) &&
        event->body_case != CENC__V1__EVENT__BODY_SECURITY_EVENT)
        return false;
    if (audit->agent != NULL && strcmp(agent_of(event), audit->agent) != 0)
        return false;
    return audit->serial == NULL ||
           (event->device != NULL && strcmp(event->device->serial, audit->serial) == 0);
}

static void print_line(const Cenc__V1__Event *event)
{
    time_t seconds = (time_t)(event->received_unix_ms / 1000);
    struct tm parts;
    char date[32] = "";

    if (gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &parts);
    (void)printf("%s %s", date, event_kind(event));
    if (event->device != NULL)
        (void)printf(" device %s", event->device->serial);
    if (is_access(event))
        print_access(event);
    else if (event->body_case == CENC__V1__EVENT__BODY_SECURITY_EVENT)
        print_security(event->security_event);
    else
        print_change(event);
    (void)fputc('\n', stdout);
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
    if (!audit->json) {
        print_line(event);
        return;
    }
    event->sequence = record->sequence;
    if (proto_json(&event->base, PROTO_JSON_ALL, audit->text, TEXT_SIZE, &size) == CODEC_OK)
        (void)printf("%s\n", audit->text);
}

/* ---- the journal ---- */

static int read_journal(const char *folder, struct audit *audit)
{
    struct catalog catalog;
    int code = EXIT_GOOD;
    int result = catalog_read(folder, &catalog);

    if (result < 0) {
        (void)fprintf(stderr, "cencctl: can't read %s: %s\n", folder, strerror(-result));
        code = EXIT_UNREAD;
    }
    for (size_t i = 0; i < catalog.count && result == 0; i++) {
        struct segment_scan scan;
        char path[PATH_SIZE];
        uint64_t end = catalog_end(&catalog, i);
        if (catalog_outdone(&catalog, i) || end <= audit->from)
            continue;
        segment_file_path(folder, &catalog.segments[i], path);
        enum status status = segment_scan(path, catalog.segments[i].first, end, take, audit, &scan);
        if (status == STATUS_OK)
            continue;
        (void)fprintf(stderr, "cencctl: %s %s\n", path,
                      status == STATUS_INVALID ? "is damaged: the audit is not whole"
                                               : "can't be read");
        code = status == STATUS_INVALID && code == EXIT_GOOD ? EXIT_DAMAGED : EXIT_UNREAD;
    }
    catalog_free(&catalog);
    return code;
}

static int read_options(struct audit *audit, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            audit->json = true;
            continue;
        }
        bool is_agent = strcmp(argv[i], "--agent") == 0;
        bool is_serial = strcmp(argv[i], "--serial") == 0;
        if (!is_agent && !is_serial && strcmp(argv[i], "--from") != 0)
            return usage_error("no such option: ", argv[i]);
        if (i + 1 == argc)
            return usage_error("a value is missing after ", argv[i]);
        i++;
        if (is_agent)
            audit->agent = argv[i];
        else if (is_serial)
            audit->serial = argv[i];
        else
            audit->from = strtoull(argv[i], NULL, 10);
    }
    return EXIT_GOOD;
}

int audit_command(int argc, char **argv)
{
    struct audit audit = {.arena = {.size = PROTO_ARENA_SIZE}};

    if (argc < 1 || argv[0][0] == '-')
        return usage_error("the journal's folder is missing", "");
    int code = read_options(&audit, argc - 1, argv + 1);
    if (code != EXIT_GOOD)
        return code;
    audit.arena.memory = malloc(PROTO_ARENA_SIZE);
    audit.text = malloc(TEXT_SIZE);
    if (audit.arena.memory == NULL || audit.text == NULL)
        code = EXIT_UNREAD;
    else
        code = read_journal(argv[0], &audit);
    free(audit.arena.memory);
    free(audit.text);
    return fflush(stdout) == 0 ? code : EXIT_UNREAD;
}
