/* ListDevices, GetDevice, ListLinks. The directory is in memory and answers at once; what was said
 * of registrations is in the ledger, where the helper thread looks. */
#include <cenc/v1/northbound.pb-c.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/northbound/internal.h"
#include "server/northbound/records.h"

#define PAGE_DEFAULT 500u
#define PAGE_MAX     1000u
#define VISITS_MAX   20000u /* of the directory for one page: others want their turn */
#define ITEM_MAX     3072u  /* bytes of a device's record: its texts are bounded */
#define PROJECTS_MAX 100u
#define FIELD_DEVICES                                                                              \
    1u /* of ListDevicesResponse; GetDeviceResponse's device, ListLinksResponse's links */
#define FIELD_TOKEN    2u
#define FIELD_SEQUENCE 3u
#define TOKEN_SIZE     64u /* of pages: three numbers */

/* A page on its way through the helper thread; outlives its call. */
struct page {
    struct operation work;
    struct northbound *northbound;
    struct grpc_call *call; /* NULL: it is gone */
    bool single;            /* GetDevice */
    uint64_t sequence;
    uint64_t next; /* position in the directory; 0: it was the last page */
    enum status status;
    struct ledger_error error;
    size_t count;
    const struct device **devices;
    struct ledger_row *rows;
};

struct page_call {
    struct page *page;
};

/* What a walk of the directory looks for. */
struct search {
    const struct grpc_call *call;
    char *const *projects;
    size_t project_count;
    bool online;
    const struct device **devices;
    size_t count;
    size_t wanted;
    size_t visits;
};

void northbound_no_device(struct grpc_call *call, const Cenc__V1__DeviceKey *key)
{
    char scope[GRPC_NAME_SHOWN];
    char serial[GRPC_NAME_SHOWN];

    grpc_finish(call, GRPC_NOT_FOUND,
                "consumer %s sees no device of scope \"%s\" and serial \"%s\"",
                call->consumer->config->name, grpc_shown(key != NULL ? key->scope : "", scope),
                grpc_shown(key != NULL ? key->serial : "", serial));
}

bool northbound_check_projects(struct grpc_call *call, char *const *projects, size_t count)
{
    char shown[GRPC_NAME_SHOWN];

    if (count > PROJECTS_MAX) {
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "%zu projects; at most %u", count, PROJECTS_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (!consumer_sees(call->consumer, projects[i], strlen(projects[i]))) {
            grpc_finish(call, GRPC_PERMISSION_DENIED, "project \"%s\" isn't one of consumer %s's",
                        grpc_shown(projects[i], shown), call->consumer->config->name);
            return false;
        }
    return true;
}

bool northbound_wants(const struct consumer *consumer, char *const *projects, size_t count,
                      const char *project)
{
    if (count == 0)
        return consumer_sees(consumer, project, strlen(project));
    for (size_t i = 0; i < count; i++)
        if (strcmp(projects[i], project) == 0)
            return true;
    return false;
}

static bool visit(const struct device_info *info, void *context)
{
    struct search *search = context;

    if ((!search->online || info->link.id != 0) &&
        northbound_wants(search->call->consumer, search->projects, search->project_count,
                         info->project))
        search->devices[search->count++] = info->device;
    return ++search->visits < VISITS_MAX && search->count < search->wanted;
}

/* Where the next page begins; 0: there is none. */
static uint64_t run_search(struct search *search, uint64_t from)
{
    struct directory *directory = search->call->northbound->directory;
    uint64_t next = directory_walk(directory, from, visit, search);

    return search->count < search->wanted && search->visits < VISITS_MAX ? 0 : next;
}

/* ---- tokens of pages ---- */

/* "SEQUENCE.RUN.POSITION" */
static bool parse_token(const char *token, uint64_t numbers[static 3])
{
    const char *at = token;
    char *end = NULL;

    if (strlen(token) >= TOKEN_SIZE || strspn(token, "0123456789.") != strlen(token))
        return false;
    for (int i = 0; i < 3; i++) {
        numbers[i] = strtoull(at, &end, 10);
        if (end == at || *end != (i < 2 ? '.' : '\0'))
            return false;
        at = end + 1;
    }
    return true;
}

/* In another run of the server devices may stand in another order. */
static bool read_token(struct grpc_call *call, const char *token, uint64_t *sequence,
                       uint64_t *position)
{
    uint64_t numbers[3];

    *sequence = northbound_told(call->northbound) + 1;
    *position = 0;
    if (token[0] == '\0')
        return true;
    if (!parse_token(token, numbers)) {
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "page_token is no next_page_token of an answer");
        return false;
    }
    if (numbers[1] != call->northbound->run) {
        grpc_finish(call, GRPC_ABORTED,
                    "page_token is from before a restart of the server: begin with the first page");
        return false;
    }
    *sequence = numbers[0];
    *position = numbers[2];
    return true;
}

static bool read_size(struct grpc_call *call, uint32_t wanted, size_t *size)
{
    *size = wanted == 0 ? PAGE_DEFAULT : wanted;
    if (*size <= PAGE_MAX)
        return true;
    grpc_finish(call, GRPC_INVALID_ARGUMENT, "page_size is %u; at most %u", wanted, PAGE_MAX);
    return false;
}

/* ---- writing ---- */

/* A repeated message of the answer. False: it doesn't fit, which bounded texts don't do. */
static bool put_item(uint8_t *out, size_t *at, uint32_t field, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    if (size > ITEM_MAX - 2 * WIRE_VARINT_MAX)
        return false;
    *at += wire_put_tag(out + *at, field, WIRE_BYTES);
    *at += wire_put_varint(out + *at, size);
    if (proto_pack(message, out + *at, size, &size) != CODEC_OK)
        return false;
    *at += size;
    return true;
}

static void put_token(const struct northbound *northbound, uint8_t *out, size_t *at,
                      uint64_t sequence, uint64_t next)
{
    char token[TOKEN_SIZE];
    int size = snprintf(token, sizeof(token), "%" PRIu64 ".%" PRIu64 ".%" PRIu64, sequence,
                        northbound->run, next);

    if (next == 0)
        return;
    *at += wire_put_tag(out + *at, FIELD_TOKEN, WIRE_BYTES);
    *at += wire_put_varint(out + *at, (uint64_t)size);
    memcpy(out + *at, token, (size_t)size);
    *at += (size_t)size;
}

static bool sees(const struct grpc_call *call, const struct device_message *message)
{
    return consumer_sees(call->consumer, message->info.project, strlen(message->info.project));
}

static uint8_t *reserve_page(struct grpc_call *call, size_t count)
{
    return grpc_reserve(call, count * ITEM_MAX + 256);
}

static void finish_page(struct grpc_call *call, size_t size, bool good)
{
    if (!good) {
        grpc_finish(call, GRPC_INTERNAL, "a device that can't be told");
        return;
    }
    grpc_wrote(call, size);
    grpc_finish_with(call, GRPC_OK, "", NULL, 0);
}

/* ---- the ledger's part ---- */

static void page_free(struct page *page)
{
    free((void *)page->devices);
    free(page->rows);
    free(page);
}

static void look_up(void *argument)
{
    struct page *page = argument;

    page->status = STATUS_OK;
    for (size_t i = 0; i < page->count && page->status == STATUS_OK; i++)
        page->status = ledger_find(page->northbound->ledger, &page->rows[i], &page->error);
}

static void write_page(struct page *page)
{
    struct northbound *northbound = page->northbound;
    const uint32_t field = FIELD_DEVICES; /* of both answers */
    uint64_t utc_ms = reactor_utc_ms(northbound->reactor);
    uint8_t *out = reserve_page(page->call, page->count);
    struct device_message message;
    bool good = true;
    size_t size = 0;

    if (out == NULL)
        return;
    for (size_t i = 0; i < page->count && good; i++) {
        device_message_fill(northbound->directory, page->devices[i], northbound->config, utc_ms,
                            &page->rows[i], &message);
        /* it may have moved to another project since */
        if (sees(page->call, &message))
            good = put_item(out, &size, field, &message.record.base);
    }
    if (page->single && good && size == 0) {
        const Cenc__V1__DeviceKey key = {.scope = page->rows[0].scope,
                                         .serial = page->rows[0].serial};
        northbound_no_device(page->call, &key);
        return;
    }
    if (!page->single) {
        put_token(northbound, out, &size, page->sequence, page->next);
        size += wire_put_tag(out + size, FIELD_SEQUENCE, WIRE_VARINT);
        size += wire_put_varint(out + size, page->sequence);
    }
    finish_page(page->call, size, good);
}

static void looked_up(struct operation *operation, int32_t result)
{
    struct page *page = container_of(operation, struct page, work);

    (void)result;
    page->northbound->jobs--;
    if (page->call != NULL && !page->call->finished) {
        if (page->status == STATUS_OK)
            write_page(page);
        else
            grpc_finish(page->call, GRPC_UNAVAILABLE, "registrations can't be read");
    }
    if (page->call != NULL)
        ((struct page_call *)(void *)page->call->state)->page = NULL;
    page_free(page);
}

static void start_page(struct page *page)
{
    struct northbound *northbound = page->northbound;

    for (size_t i = 0; i < page->count; i++) {
        struct device_info info;
        struct ledger_row *row = &page->rows[i];
        directory_get(northbound->directory, page->devices[i], &info);
        (void)snprintf(row->scope, sizeof(row->scope), "%s", info.scope);
        (void)proto_text(info.serial, strlen(info.serial), row->serial, sizeof(row->serial));
    }
    page->work.done = looked_up;
    if (reactor_work(northbound->reactor, &page->work, look_up, page) != STATUS_OK) {
        grpc_finish(page->call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
        page_free(page);
        return;
    }
    northbound->jobs++;
    ((struct page_call *)(void *)page->call->state)->page = page;
}

static struct page *page_make(struct grpc_call *call, size_t capacity)
{
    struct page *page = calloc(1, sizeof(*page));

    if (page != NULL) {
        page->northbound = call->northbound;
        page->call = call;
        page->devices = (const struct device **)calloc(capacity, sizeof(struct device *));
        page->rows = calloc(capacity, sizeof(*page->rows));
        if (page->devices != NULL && page->rows != NULL)
            return page;
        page_free(page);
    }
    grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
    return NULL;
}

static void page_call_gone(struct grpc_call *call)
{
    struct page_call *state = (struct page_call *)(void *)call->state;

    if (state->page != NULL)
        state->page->call = NULL;
}

/* ---- ListDevices ---- */

static void list_devices(struct grpc_call *call, const uint8_t *data, size_t size)
{
    const Cenc__V1__ListDevicesRequest *request =
        (const void *)grpc_unpack(call, &cenc__v1__list_devices_request__descriptor, data, size);
    struct page *page;
    uint64_t sequence;
    uint64_t position;
    size_t wanted;

    if (request == NULL || !read_token(call, request->page_token, &sequence, &position) ||
        !read_size(call, request->page_size, &wanted) ||
        !northbound_check_projects(call, request->projects, request->n_projects))
        return;
    page = page_make(call, wanted);
    if (page == NULL)
        return;
    struct search search = {
        .call = call,
        .projects = request->projects,
        .project_count = request->n_projects,
        .devices = page->devices,
        .wanted = wanted,
    };
    page->sequence = sequence;
    page->next = run_search(&search, position);
    page->count = search.count;
    start_page(page);
}

const struct grpc_method method_list_devices = {
    .path = "/cenc.v1.Northbound/ListDevices",
    .state_size = sizeof(struct page_call),
    .request = list_devices,
    .gone = page_call_gone,
};

/* ---- GetDevice ---- */

static void get_device(struct grpc_call *call, const uint8_t *data, size_t size)
{
    const Cenc__V1__GetDeviceRequest *request =
        (const void *)grpc_unpack(call, &cenc__v1__get_device_request__descriptor, data, size);
    const struct device *device = NULL;
    struct device_info info;
    struct page *page;

    if (request == NULL)
        return;
    if (request->device != NULL)
        device = registry_device(call->northbound->directory, request->device->scope,
                                 request->device->serial);
    if (device != NULL)
        directory_get(call->northbound->directory, device, &info);
    if (device == NULL || !consumer_sees(call->consumer, info.project, strlen(info.project))) {
        northbound_no_device(call, request->device);
        return;
    }
    page = page_make(call, 1);
    if (page == NULL)
        return;
    page->single = true;
    page->devices[page->count++] = device;
    start_page(page);
}

const struct grpc_method method_get_device = {
    .path = "/cenc.v1.Northbound/GetDevice",
    .state_size = sizeof(struct page_call),
    .request = get_device,
    .gone = page_call_gone,
};

/* ---- ListLinks ---- */

static void list_links(struct grpc_call *call, const uint8_t *data, size_t size)
{
    const Cenc__V1__ListLinksRequest *request =
        (const void *)grpc_unpack(call, &cenc__v1__list_links_request__descriptor, data, size);
    const struct device *devices[PAGE_MAX];
    struct device_message message;
    uint64_t sequence;
    uint64_t position;
    size_t wanted;
    size_t at = 0;
    bool good = true;

    if (request == NULL || !read_token(call, request->page_token, &sequence, &position) ||
        !read_size(call, request->page_size, &wanted) ||
        !northbound_check_projects(call, request->projects, request->n_projects))
        return;
    struct search search = {
        .call = call,
        .projects = request->projects,
        .project_count = request->n_projects,
        .online = true,
        .devices = devices,
        .wanted = wanted,
    };
    uint64_t next = run_search(&search, position);
    uint8_t *out = reserve_page(call, search.count);
    for (size_t i = 0; out != NULL && i < search.count && good; i++) {
        device_message_status(call->northbound->directory, devices[i], call->northbound->config,
                              reactor_utc_ms(call->northbound->reactor), &message);
        /* it may have left since */
        if (message.info.link.id != 0 && sees(call, &message))
            good = put_item(out, &at, FIELD_DEVICES, &message.status.base);
    }
    if (out == NULL)
        return;
    put_token(call->northbound, out, &at, sequence, next);
    finish_page(call, at, good);
}

const struct grpc_method method_list_links = {
    .path = "/cenc.v1.Northbound/ListLinks",
    .request = list_links,
};
