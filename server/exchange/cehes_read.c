#include "server/exchange/cehes.h"

#include <stdio.h>
#include <string.h>

#include "server/exchange/cehes_internal.h"

#define SCHEMA "v1"

/* ---- faults ---- */

static void fault_at(struct cehes *cehes, size_t at, const char *path, const char *text)
{
    struct exchange_fault *fault = exchange_fault(&cehes->exchange->faults, "%s", text);

    (void)snprintf(fault->path, sizeof(fault->path), "%s", path);
    if (cehes->exchange->faults.found <= EXCHANGE_FAULTS)
        exchange_fault_at(fault, cehes->text, cehes->size, at);
}

void cehes_fault(const struct cehes_element *element, const char *field, const char *text)
{
    struct exchange *exchange = element->cehes->exchange;
    struct exchange_fault *fault = exchange_fault(&exchange->faults, "%s", text);

    if (exchange->faults.found > EXCHANGE_FAULTS)
        return;
    exchange_locate(exchange, fault, element->list, &element->place, element->is_device);
    size_t size = strlen(fault->path);
    (void)snprintf(fault->path + size, sizeof(fault->path) - size, "%s%s",
                   field[0] != '\0' ? "." : "", field);
}

bool cehes_has(struct cehes *cehes, const void *memory)
{
    if (memory == NULL)
        cehes->status = STATUS_NO_MEMORY;
    return memory != NULL;
}

/* ---- values ---- */

json_t *cehes_parse(struct cehes *cehes, const struct slice *slice,
                    char path[static EXCHANGE_PATH_SIZE])
{
    size_t at = (size_t)(slice->text - cehes->text);
    json_error_t error = {.position = 0};

    if (slice->size > EXCHANGE_ELEMENT_MAX) {
        fault_at(cehes, at, path, "this has more than 1048576 bytes");
        return NULL;
    }
    json_t *value =
        json_loadb(slice->text, slice->size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        char *near = strstr(error.text, " near '"); /* it would repeat what may be a password */
        if (near != NULL)
            *near = '\0';
        size_t within = error.position > 0 ? (size_t)error.position : 0;
        fault_at(cehes, at + (within < slice->size ? within : slice->size), path, error.text);
    }
    return value;
}

const char *cehes_text(const struct cehes_element *element, const char *field)
{
    const json_t *value = json_object_get(element->value, field);

    if (value == NULL || json_is_null(value))
        return NULL;
    if (!json_is_string(value)) {
        cehes_fault(element, field, "this is no text");
        return NULL;
    }
    if (json_string_length(value) <= EXCHANGE_FIELD_MAX)
        return json_string_value(value);
    cehes_fault(element, field, "this has more than 1024 bytes");
    return NULL;
}

const char *cehes_needed(const struct cehes_element *element, const char *field)
{
    size_t found = element->cehes->exchange->faults.found;
    const char *text = cehes_text(element, field);

    if ((text == NULL || text[0] == '\0') && found == element->cehes->exchange->faults.found)
        cehes_fault(element, field, "this is missing");
    return text != NULL && text[0] != '\0' ? text : NULL;
}

bool cehes_bool(const struct cehes_element *element, const json_t *object, const char *field,
                bool otherwise)
{
    const json_t *value = json_object_get(object, field);

    if (value == NULL)
        return otherwise;
    if (!json_is_boolean(value))
        cehes_fault(element, field, "this is neither true nor false");
    return json_is_true(value);
}

const char *cehes_details(const struct cehes_element *element, const char *text, size_t size)
{
    struct cehes *cehes = element->cehes;
    struct scrubbed out = {0};
    const char *kept = NULL;

    scrub(&out, text, size);
    cehes->exchange->secrets += out.secrets;
    if (!out.failed && out.size > EXCHANGE_DETAILS_MAX) {
        cehes_fault(element, "", "this has more than 32768 bytes, which is more than is kept");
    } else {
        if (!out.failed)
            kept = arena_text(&cehes->exchange->arena, out.text, out.size);
        (void)cehes_has(cehes, kept);
    }
    scrubbed_free(&out);
    return kept;
}

/* ---- lists ---- */

static void walk_fault(struct cehes *cehes, const struct slice_walk *walk, const char *path)
{
    fault_at(cehes, (size_t)(walk->text - cehes->text) + walk->at, path, walk->fault);
}

static void element_path(const struct cehes_element *element, char out[static EXCHANGE_PATH_SIZE])
{
    const struct exchange_place *place = &element->place;

    if (element->is_device)
        (void)snprintf(out, EXCHANGE_PATH_SIZE, "Groups[%u].Devices[%u]", place->outer,
                       place->inner);
    else
        (void)snprintf(out, EXCHANGE_PATH_SIZE, "%s[%u]", element->list, place->outer);
}

/* Parses the element and has it read. Groups may be large: they are taken apart first. */
static void take_element(struct cehes_element *element)
{
    char path[EXCHANGE_PATH_SIZE];

    element->place.at = (size_t)(element->slice.text - element->cehes->text);
    if (element->is_large) {
        element->read(element);
        return;
    }
    element_path(element, path);
    element->value = cehes_parse(element->cehes, &element->slice, path);
    if (element->value == NULL)
        return;
    if (json_is_object(element->value))
        element->read(element);
    else
        cehes_fault(element, "", "this is no object");
    json_decref(element->value);
}

/* index: what counts in element->place. An empty slice: the list isn't there. */
static void read_list(struct cehes_element *element, uint32_t *index, const struct slice *slice)
{
    struct cehes *cehes = element->cehes;
    struct slice_walk walk = {.text = slice->text, .size = slice->size};

    if (slice->size == 0)
        return;
    bool open = slice_open(&walk, '[');
    for (*index = 0; open && cehes->status == STATUS_OK &&
                     slice_element(&walk, *index == 0, &element->slice) == SLICE_ITEM;
         (*index)++)
        take_element(element);
    if (walk.fault != NULL)
        walk_fault(cehes, &walk, element->is_device ? "Groups" : element->list);
}

/* ---- groups ---- */

struct group_under_way {
    struct cehes_element element;
    struct slice devices;
    struct scrubbed rest; /* the object without them */
    uint32_t number;
};

/* A group that is new in the file; false: said why not. */
static bool make_group(struct group_under_way *group, const char *name)
{
    struct cehes_element *element = &group->element;
    struct exchange *exchange = element->cehes->exchange;
    uint32_t expected = (uint32_t)exchange->group_count;

    group->number = expected;
    if (name == NULL) {
        struct exchange_group *none = exchange_add_group(exchange);
        if (none != NULL)
            none->place = element->place;
        else
            element->cehes->status = STATUS_FULL;
    } else if (!exchange_group_called(exchange, 0, name, strlen(name), &element->place,
                                      &group->number)) {
        element->cehes->status = STATUS_FULL;
    } else if (group->number != expected) {
        cehes_fault(element, "Name", "another group has this Name already");
        return false;
    }
    return element->cehes->status == STATUS_OK;
}

/* Which group of the model it is; false: said why not. Only one that is there is known by its Id
 * from then on. */
static bool place_group(struct group_under_way *group)
{
    struct cehes_element *element = &group->element;
    struct exchange *exchange = element->cehes->exchange;
    struct names_index *ids = &element->cehes->group_ids;
    size_t found = exchange->faults.found;
    const char *id = cehes_text(element, "Id");
    const char *name = cehes_text(element, "Name");

    if (exchange->faults.found != found)
        return false;
    if (name != NULL && name[0] == '\0')
        name = NULL;
    if ((name == NULL) != (id == NULL) || (id != NULL && id[0] == '\0')) {
        cehes_fault(element, "", "Id and Name are both null (no group), or neither is");
        return false;
    }
    const char *known = id != NULL ? id : "";
    if (names_index_find(ids, 0, known, &group->number)) {
        const char *former = exchange->groups[group->number].name;
        if (former != NULL && strcmp(former, name) != 0)
            cehes_fault(element, "Id", "another group has this Id already");
        return exchange->faults.found == found;
    }
    if (!make_group(group, name))
        return false;
    known = arena_text(&exchange->arena, known, strlen(known));
    if (cehes_has(element->cehes, known))
        element->cehes->status = names_index_add(ids, &exchange->arena, 0, known, &group->number);
    return element->cehes->status == STATUS_OK;
}

static void read_devices(struct group_under_way *group)
{
    struct cehes_element device = {.cehes = group->element.cehes,
                                   .list = "Devices",
                                   .is_device = true,
                                   .group = group->number,
                                   .read = cehes_read_device};

    device.place.outer = group->element.place.outer;
    read_list(&device, &device.place.inner, &group->devices);
}

static void add_member(struct scrubbed *rest, const struct slice *name, const struct slice *value)
{
    scrubbed_add(rest, rest->size > 1 ? "," : "", rest->size > 1 ? 1 : 0);
    scrubbed_add(rest, name->text, name->size);
    scrubbed_add(rest, ":", 1);
    scrubbed_add(rest, value->text, value->size);
}

/* Takes the group apart. False: it was said what is wrong. */
static bool split_group(struct group_under_way *group)
{
    struct cehes_element *element = &group->element;
    struct slice_walk walk = {.text = element->slice.text, .size = element->slice.size};
    struct slice name;
    struct slice value;
    char path[EXCHANGE_PATH_SIZE];
    enum slice_next next = SLICE_BAD;

    element_path(element, path);
    scrubbed_add(&group->rest, "{", 1);
    bool open = slice_open(&walk, '{');
    for (bool first = true;
         open && (next = slice_member(&walk, first, &name, &value)) == SLICE_ITEM; first = false) {
        bool is_devices = name.size == 9 && memcmp(name.text, "\"Devices\"", 9) == 0;
        if (is_devices && group->devices.size > 0) {
            cehes_fault(element, "Devices", "this is there twice");
            return false;
        }
        if (is_devices) {
            group->devices = value;
            continue;
        }
        json_t *parsed = cehes_parse(element->cehes, &value, path); /* to name its place */
        json_decref(parsed);
        if (parsed == NULL)
            return false;
        add_member(&group->rest, &name, &value);
    }
    scrubbed_add(&group->rest, "}", 1);
    if (next == SLICE_BAD)
        walk_fault(element->cehes, &walk, path);
    return next == SLICE_END && cehes_has(element->cehes, group->rest.failed ? NULL : group);
}

static void keep_group_details(struct group_under_way *group)
{
    struct exchange_group *kept = &group->element.cehes->exchange->groups[group->number];

    if (kept->details == NULL)
        kept->details = cehes_details(&group->element, group->rest.text, group->rest.size);
}

static void read_group(struct cehes_element *element)
{
    struct group_under_way group = {.element = *element};
    struct exchange *exchange = element->cehes->exchange;
    json_error_t error;

    if (split_group(&group)) {
        group.element.value =
            json_loadb(group.rest.text, group.rest.size, JSON_REJECT_DUPLICATES, &error);
        if (group.element.value == NULL)
            cehes_fault(&group.element, "", "a name is not JSON, or there twice");
        else if (place_group(&group))
            keep_group_details(&group);
        else
            group.number = EXCHANGE_NONE; /* its devices are looked at all the same */
        if (exchange->faults.found < EXCHANGE_FAULTS && group.element.value != NULL)
            read_devices(&group);
        json_decref(group.element.value);
    }
    scrubbed_free(&group.rest);
}

/* ---- the file ---- */

struct sections {
    struct slice channels;
    struct slice protocols;
    struct slice groups;
};

/* Kept with its name, so that what the name says of it counts. */
static void keep_top(struct cehes *cehes, const struct slice *name, const struct slice *value,
                     const char *decoded)
{
    struct cehes_element element = {.cehes = cehes, .list = decoded};
    struct scrubbed whole = {0};
    struct exchange_piece *piece = exchange_add_piece(cehes->exchange);

    element.place.at = (size_t)(value->text - cehes->text);
    scrubbed_add(&whole, "{", 1);
    add_member(&whole, name, value);
    scrubbed_add(&whole, "}", 1);
    if (piece == NULL)
        cehes->status = STATUS_FULL;
    else if (cehes_has(cehes, whole.failed ? NULL : &whole)) {
        piece->kind = EXCHANGE_PIECE_TOP;
        piece->place = element.place;
        piece->key = arena_text(&cehes->exchange->arena, decoded, strlen(decoded));
        piece->details = cehes_details(&element, whole.text, whole.size);
        (void)cehes_has(cehes, piece->key);
    }
    scrubbed_free(&whole);
}

static void check_meta(struct cehes *cehes, const struct slice *slice, const json_t *meta)
{
    const json_t *version = json_object_get(meta, "SchemaVersion");
    size_t at = (size_t)(slice->text - cehes->text);

    if (!json_is_object(meta))
        fault_at(cehes, at, "Meta", "this is no object");
    else if (version != NULL &&
             (!json_is_string(version) || strcmp(json_string_value(version), SCHEMA) != 0))
        fault_at(cehes, at, "Meta.SchemaVersion", "only v1 is understood");
}

static void take_other(struct cehes *cehes, const struct slice *name, const struct slice *value,
                       const char *decoded)
{
    char path[EXCHANGE_PATH_SIZE];

    (void)snprintf(path, sizeof(path), "%.100s", decoded);
    json_t *parsed = cehes_parse(cehes, value, path);
    if (parsed == NULL)
        return;
    if (strlen(decoded) > EXCHANGE_ID_MAX)
        fault_at(cehes, (size_t)(name->text - cehes->text), path,
                 "the name has more than 95 bytes");
    if (strcmp(decoded, "Meta") == 0)
        check_meta(cehes, value, parsed);
    keep_top(cehes, name, value, decoded);
    json_decref(parsed);
}

static void take_top(struct cehes *cehes, struct sections *sections, struct names_index *seen,
                     const struct slice *name, const struct slice *value)
{
    char path[EXCHANGE_PATH_SIZE] = "";
    uint32_t number = 0;
    json_t *decoded = cehes_parse(cehes, name, path);
    const char *text = json_string_value(decoded);
    const char *kept =
        text != NULL ? arena_text(&cehes->exchange->arena, text, strlen(text)) : NULL;

    json_decref(decoded);
    if (text == NULL || !cehes_has(cehes, kept))
        return;
    enum status status = names_index_add(seen, &cehes->exchange->arena, 0, kept, &number);
    if (status == STATUS_EXISTS)
        fault_at(cehes, (size_t)(name->text - cehes->text), "", "this name is there twice");
    else if (status != STATUS_OK)
        cehes->status = status;
    else if (strcmp(kept, "Channels") == 0)
        sections->channels = *value;
    else if (strcmp(kept, "Protocols") == 0)
        sections->protocols = *value;
    else if (strcmp(kept, "Groups") == 0)
        sections->groups = *value;
    else
        take_other(cehes, name, value, kept);
}

static void read_top(struct cehes *cehes, struct sections *sections)
{
    struct slice_walk walk = {.text = cehes->text, .size = cehes->size};
    struct names_index seen = {0};
    struct slice name;
    struct slice value;
    enum slice_next next = SLICE_BAD;

    if (cehes->size >= 3 && memcmp(cehes->text, "\xef\xbb\xbf", 3) == 0)
        walk.at = 3; /* the mark that some write before UTF-8 */
    bool open = slice_open(&walk, '{');
    for (bool first = true; open && cehes->status == STATUS_OK &&
                            (next = slice_member(&walk, first, &name, &value)) == SLICE_ITEM;
         first = false)
        take_top(cehes, sections, &seen, &name, &value);
    if (walk.fault != NULL || (next == SLICE_END && !slice_ended(&walk)))
        walk_fault(cehes, &walk, "");
    else if (sections->groups.size == 0 && sections->channels.size == 0)
        (void)exchange_fault(&cehes->exchange->faults,
                             "this is no ceHes file: neither Groups nor Channels are in it");
    names_index_free(&seen);
}

static void read_section(struct cehes *cehes, const char *list, const struct slice *slice,
                         void (*read)(struct cehes_element *element))
{
    struct cehes_element element = {
        .cehes = cehes, .list = list, .read = read, .is_large = read == read_group};

    read_list(&element, &element.place.outer, slice);
}

enum status cehes_read(const char *text, size_t size, const char *project,
                       struct exchange *exchange)
{
    struct cehes cehes = {.exchange = exchange, .text = text, .size = size};
    struct sections sections = {0};
    uint32_t number;

    exchange->format = EXCHANGE_CEHES;
    exchange->text = text;
    exchange->size = size;
    if (!exchange_project_called(exchange, project, strlen(project), &(struct exchange_place){0},
                                 &number))
        return STATUS_NO_MEMORY;
    read_top(&cehes, &sections);
    if (exchange->faults.found == 0 && cehes.status == STATUS_OK) {
        read_section(&cehes, "Channels", &sections.channels, cehes_read_channel);
        read_section(&cehes, "Protocols", &sections.protocols, cehes_read_protocol);
        read_section(&cehes, "Groups", &sections.groups, read_group);
    }
    names_index_free(&cehes.channels);
    names_index_free(&cehes.protocols);
    names_index_free(&cehes.group_ids);
    return cehes.status;
}
