#include "server/northbound/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/proto/event.h"
#include "server/base/siphash.h"
#include "server/northbound/grpc.h"

#define KIND_BITS 256u /* field numbers of bodies are below */

struct key {
    char *scope;
    char *serial;
    struct key *next;
};

struct filter {
    const struct consumer *consumer;
    bool everything; /* no look at the event is needed */
    char **projects;
    size_t project_count;
    bool by_kind;
    bool kinds[KIND_BITS];
    struct siphash_key seed;
    struct key **buckets; /* NULL: whatever device */
    size_t bucket_count;
    struct key *keys;
    size_t key_count;
};

void filter_free(struct filter *filter)
{
    if (filter == NULL)
        return;
    for (size_t i = 0; i < filter->project_count; i++)
        free(filter->projects[i]);
    for (size_t i = 0; i < filter->key_count; i++) {
        free(filter->keys[i].scope);
        free(filter->keys[i].serial);
    }
    free(filter->projects);
    free(filter->keys);
    free((void *)filter->buckets);
    free(filter);
}

/* ---- making one ---- */

static enum status take_projects(struct filter *filter, const Cenc__V1__EventFilter *wanted,
                                 char *error)
{
    char shown[GRPC_NAME_SHOWN];

    filter->projects = calloc(wanted->n_projects + 1, sizeof(char *));
    if (filter->projects == NULL)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < wanted->n_projects; i++) {
        const char *name = wanted->projects[i];
        if (!consumer_sees(filter->consumer, name, strlen(name))) {
            (void)snprintf(error, FILTER_ERROR_SIZE, "project \"%s\" isn't one of consumer %s's",
                           grpc_shown(name, shown), filter->consumer->config->name);
            return STATUS_REFUSED;
        }
        filter->projects[i] = strdup(name);
        if (filter->projects[i] == NULL)
            return STATUS_NO_MEMORY;
        filter->project_count++;
    }
    return STATUS_OK;
}

static const ProtobufCFieldDescriptor *body_of(const char *kind)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(&cenc__v1__event__descriptor, kind);

    if (field == NULL || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
        field->id >= KIND_BITS)
        return NULL;
    return field;
}

static enum status take_kinds(struct filter *filter, const Cenc__V1__EventFilter *wanted,
                              char *error)
{
    char shown[GRPC_NAME_SHOWN];

    filter->by_kind = wanted->n_kinds > 0;
    for (size_t i = 0; i < wanted->n_kinds; i++) {
        const ProtobufCFieldDescriptor *field = body_of(wanted->kinds[i]);
        if (field == NULL) {
            (void)snprintf(error, FILTER_ERROR_SIZE,
                           "there are no events of kind \"%s\"; kinds are as in \"last_gasp\"",
                           grpc_shown(wanted->kinds[i], shown));
            return STATUS_INVALID;
        }
        filter->kinds[field->id] = true;
    }
    return STATUS_OK;
}

static uint64_t hash_of(const struct filter *filter, const void *serial, size_t size)
{
    return siphash(&filter->seed, serial, size) & (filter->bucket_count - 1);
}

static enum status take_devices(struct filter *filter, const Cenc__V1__EventFilter *wanted)
{
    if (wanted->n_devices == 0)
        return STATUS_OK;
    filter->seed = siphash_random_key();
    for (filter->bucket_count = 16; filter->bucket_count < wanted->n_devices * 2;)
        filter->bucket_count *= 2;
    filter->buckets = (struct key **)calloc(filter->bucket_count, sizeof(struct key *));
    filter->keys = calloc(wanted->n_devices, sizeof(*filter->keys));
    if (filter->buckets == NULL || filter->keys == NULL)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < wanted->n_devices; i++) {
        struct key *key = &filter->keys[filter->key_count++];
        const char *serial = wanted->devices[i]->serial;
        key->scope = strdup(wanted->devices[i]->scope);
        key->serial = strdup(serial);
        if (key->scope == NULL || key->serial == NULL)
            return STATUS_NO_MEMORY;
        uint64_t hash = hash_of(filter, serial, strlen(serial));
        key->next = filter->buckets[hash];
        filter->buckets[hash] = key;
    }
    return STATUS_OK;
}

static enum status take_wanted(struct filter *filter, const Cenc__V1__EventFilter *wanted,
                               char *error)
{
    if (wanted->n_projects > FILTER_MAX_NAMES || wanted->n_kinds > FILTER_MAX_NAMES ||
        wanted->n_devices > FILTER_MAX_DEVICES) {
        (void)snprintf(error, FILTER_ERROR_SIZE,
                       "the filter is too long; at most %u projects, %u kinds, %u devices",
                       FILTER_MAX_NAMES, FILTER_MAX_NAMES, FILTER_MAX_DEVICES);
        return STATUS_INVALID;
    }
    enum status status = take_projects(filter, wanted, error);
    if (status == STATUS_OK)
        status = take_kinds(filter, wanted, error);
    return status == STATUS_OK ? take_devices(filter, wanted) : status;
}

enum status filter_create(const struct consumer *consumer, const Cenc__V1__EventFilter *wanted,
                          struct filter **created, char error[static FILTER_ERROR_SIZE])
{
    struct filter *filter = calloc(1, sizeof(*filter));

    if (filter == NULL)
        return STATUS_NO_MEMORY;
    filter->consumer = consumer;
    enum status status = wanted != NULL ? take_wanted(filter, wanted, error) : STATUS_OK;
    if (status != STATUS_OK) {
        filter_free(filter);
        return status;
    }
    filter->everything = consumer->config->projects.all && filter->project_count == 0 &&
                         !filter->by_kind && filter->buckets == NULL;
    *created = filter;
    return STATUS_OK;
}

/* ---- using it ---- */

static bool same(const char *text, const struct wire_text *bytes)
{
    return strlen(text) == bytes->size && memcmp(text, bytes->data, bytes->size) == 0;
}

static bool takes_project(const struct filter *filter, const struct wire_text *project)
{
    if (filter->project_count == 0)
        return consumer_sees(filter->consumer, project->data, project->size);
    for (size_t i = 0; i < filter->project_count; i++)
        if (same(filter->projects[i], project))
            return true;
    return false;
}

/* Who had the device is told where it went, or would never know. */
static bool takes_leaving(const struct filter *filter, const struct event_outline *outline)
{
    return outline->body == CENC__V1__EVENT__BODY_DEVICE_MOVED &&
           takes_project(filter, &outline->former_project);
}

static bool takes_device(const struct filter *filter, const struct event_outline *outline)
{
    if (filter->buckets == NULL)
        return true;
    if (!outline->has_device)
        return false;
    uint64_t hash = hash_of(filter, outline->serial.data, outline->serial.size);
    for (const struct key *key = filter->buckets[hash]; key != NULL; key = key->next)
        if (same(key->serial, &outline->serial) && same(key->scope, &outline->scope))
            return true;
    return false;
}

static bool sees(const struct filter *filter, const struct wire_text *project)
{
    return consumer_sees(filter->consumer, project->data, project->size);
}

static bool hides(const struct filter *filter, const struct event_outline *outline)
{
    return outline->body == CENC__V1__EVENT__BODY_DEVICE_MOVED &&
           (!sees(filter, &outline->project) || !sees(filter, &outline->former_project));
}

enum filter_answer filter_takes(const struct filter *filter, const uint8_t *data, size_t size)
{
    struct event_outline outline;

    if (filter->everything)
        return FILTER_TAKES;
    if (!event_outline(data, size, &outline) ||
        (filter->by_kind && (outline.body >= KIND_BITS || !filter->kinds[outline.body])) ||
        (!takes_project(filter, &outline.project) && !takes_leaving(filter, &outline)) ||
        !takes_device(filter, &outline))
        return FILTER_LEAVES_OUT;
    return hides(filter, &outline) ? FILTER_TAKES_PART : FILTER_TAKES;
}

/* ---- a part of an event ---- */

static void hide_former(Cenc__V1__DeviceMoved *moved)
{
    moved->former_project = proto_string("");
    moved->n_former_groups = 0;
    moved->former_channel = proto_string("");
}

static void hide_new(Cenc__V1__Event *event)
{
    Cenc__V1__DeviceMoved *moved = event->device_moved;

    event->project = proto_string("");
    moved->project_id = 0;
    moved->n_groups = 0;
    moved->group_id = 0;
    moved->channel = proto_string("");
    moved->channel_id = 0;
}

size_t filter_part(const struct filter *filter, const uint8_t *data, size_t size,
                   struct proto_arena *arena, uint8_t *out, size_t capacity)
{
    Cenc__V1__Event *event;
    size_t packed = 0;

    arena->used = 0;
    if (event_unpack(data, size, arena, &event) != CODEC_OK ||
        event->body_case != CENC__V1__EVENT__BODY_DEVICE_MOVED)
        return 0;
    Cenc__V1__DeviceMoved *moved = event->device_moved;
    if (!consumer_sees(filter->consumer, moved->former_project, strlen(moved->former_project)))
        hide_former(moved);
    if (!consumer_sees(filter->consumer, event->project, strlen(event->project)))
        hide_new(event);
    return event_pack(event, out, capacity, &packed) == CODEC_OK ? packed : 0;
}
