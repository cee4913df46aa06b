#include "server/redis/projection.h"

#include <stdio.h>
#include <string.h>

#include "server/base/check.h"
#include "server/directory/replay.h"

#define SCOPE_SIZE 64
#define ID_SIZE    (SCOPE_SIZE + FACTS_SERIAL_SIZE + 1)
#define TEXT_MAX   512u /* of kind, model and firmware, each; a device's are far shorter */

/* ---- who ---- */

static void make_id(const char *scope, const char *serial, char id[static ID_SIZE])
{
    (void)snprintf(id, ID_SIZE, "%.*s:%s", SCOPE_SIZE - 1, scope, serial);
}

static void info_id(const struct device_info *info, char id[static ID_SIZE])
{
    char serial[FACTS_SERIAL_SIZE];

    (void)proto_text(info->serial, strlen(info->serial), serial, sizeof(serial));
    make_id(info->scope, serial, id);
}

/* ---- operations ---- */

static void begin(struct command *command, const char *letter, const char *id)
{
    command_text(command, letter);
    command_text(command, id);
}

static void add_text(struct command *command, const char *text)
{
    size_t size = strlen(text);

    command_add(command, text, size < TEXT_MAX ? size : TEXT_MAX);
}

static uint64_t time_of(int64_t unix_ms)
{
    return unix_ms > 0 ? (uint64_t)unix_ms : 0;
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void update(struct command *command, const char *id, const Cenc__V1__Event *event,
                   const Cenc__V1__DeviceState *state)
{
    bool connects = event->body_case == CENC__V1__EVENT__BODY_CONNECTED;
    uint32_t port = 0;
    uint64_t seen = time_of(event->received_unix_ms);
    uint32_t epoch = event->link_epoch;

    if (connects)
        port = event->connected->direct_port;
    if (state != NULL) {
        port = state->direct_port;
        seen = time_of(state->last_seen_unix_ms);
        epoch = later(epoch, state->link_epoch);
    }
    begin(command, "U", id);
    command_number(command, epoch);
    add_text(command, event->device->kind);
    add_text(command, event->device->model);
    add_text(command, event->device->firmware);
    command_number(command, port);
    command_number(command, seen);
    command_text(command, connects ? device_state_name(DEVICE_IDLE) : "");
}

static void set_state(struct command *command, const char *id, const Cenc__V1__Event *event,
                      enum device_state state)
{
    /* that a link is gone may be noticed long after */
    bool seen = state != DEVICE_OFFLINE;

    begin(command, "S", id);
    command_number(command, event->link_epoch);
    command_text(command, device_state_name(state));
    command_number(command, seen ? time_of(event->received_unix_ms) : 0);
}

static void set_gasp(struct command *command, const char *letter, const char *id,
                     const Cenc__V1__Event *event, int64_t unix_ms)
{
    begin(command, letter, id);
    command_number(command, event->link_epoch);
    command_number(command, time_of(unix_ms));
}

static void restored(struct command *command, const char *id, const Cenc__V1__Event *event)
{
    int64_t named_ms = event->power_restored->last_gasp_unix_ms;

    set_gasp(command, "C", id, event, named_ms != 0 ? named_ms : event->received_unix_ms);
}

static void add_body(struct command *command, const char *id, const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
        update(command, id, event, event->device_added->state);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
        update(command, id, event, event->device_changed->state);
        break;
    case CENC__V1__EVENT__BODY_CONNECTED:
        update(command, id, event, NULL);
        break;
    case CENC__V1__EVENT__BODY_DISCONNECTED:
        /* also if a newer link was about to come: it may have gone again before it was one, and if
         * it is there its epoch says so */
        set_state(command, id, event, DEVICE_OFFLINE);
        break;
    case CENC__V1__EVENT__BODY_ACCESS_STARTED:
        set_state(command, id, event, DEVICE_IN_SESSION);
        break;
    case CENC__V1__EVENT__BODY_ACCESS_FINISHED:
        set_state(command, id, event, DEVICE_IDLE);
        break;
    case CENC__V1__EVENT__BODY_LAST_GASP:
        set_gasp(command, "G", id, event, event->received_unix_ms);
        break;
    case CENC__V1__EVENT__BODY_POWER_RESTORED:
        restored(command, id, event);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
        begin(command, "R", id);
        break;
    default:
        break;
    }
}

void projection_event(struct command *command, const Cenc__V1__Event *event)
{
    char serial[FACTS_SERIAL_SIZE];
    char id[ID_SIZE];

    CHECK(projection_fits(command));
    if (!replay_serial(event, serial))
        return;
    make_id(event->device->scope, serial, id);
    add_body(command, id, event);
}

/* Texts of the directory are bytes of a device. */
static void add_device_text(struct command *command, const char *text)
{
    char plain[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];

    (void)proto_text(text, strlen(text), plain, sizeof(plain));
    add_text(command, plain);
}

void projection_device(struct command *command, const struct device_info *info)
{
    char id[ID_SIZE];

    CHECK(projection_fits(command));
    info_id(info, id);
    begin(command, "F", id);
    command_number(command, info->epoch);
    add_device_text(command, info->kind);
    add_device_text(command, info->model);
    add_device_text(command, info->firmware);
    command_number(command, info->direct_port);
    command_number(command, info->last_seen_utc_ms);
    command_text(command, device_state_name(info->state));
    command_number(command, info->gasp.utc_ms);
}

void projection_presence(struct command *command, const struct device_info *info)
{
    char id[ID_SIZE];

    CHECK(projection_fits(command));
    info_id(info, id);
    begin(command, "T", id);
    command_number(command, info->epoch);
    command_text(command, device_state_name(info->state));
}
