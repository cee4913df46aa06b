/* Server reflection, so that tools find out by themselves what this server speaks. The descriptors
 * are looked through as they are; nothing is unpacked or kept. Both versions of the service have
 * the same messages. */
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <string.h>

#include "codec/proto/descriptors.h"
#include "codec/proto/text.h"
#include "server/northbound/internal.h"

/* Fields of google.protobuf's descriptors. */
#define SET_FILE        1u
#define FILE_NAME       1u
#define FILE_PACKAGE    2u
#define FILE_DEPENDENCY 3u
#define FILE_MESSAGE    4u
#define FILE_ENUM       5u
#define FILE_SERVICE    6u
#define ANY_NAME        1u /* of a message, enum, service, method, field */
#define SERVICE_METHOD  2u
#define MESSAGE_FIELD   2u
#define MESSAGE_NESTED  3u
#define MESSAGE_ENUM    4u

#define FILES_MAX 32u
#define NAMES_MAX 32u
#define NAME_SIZE 256u
#define DEPTH_MAX 4u

struct bytes {
    const uint8_t *data;
    size_t size;
};

static bool equals(const struct bytes *bytes, const char *text)
{
    return bytes->size == strlen(text) && memcmp(bytes->data, text, bytes->size) == 0;
}

/* The field of this number that comes first after *at; false: there is none. */
static bool next_field(struct wire_reader *reader, uint32_t number, struct bytes *bytes)
{
    struct wire_field field;

    while (wire_next(reader, &field))
        if (field.number == number && field.type == WIRE_BYTES) {
            *bytes = (struct bytes){field.data, field.size};
            return true;
        }
    return false;
}

static struct bytes only_field(const struct bytes *message, uint32_t number)
{
    struct wire_reader reader = wire_reader_over(message->data, message->size);
    struct bytes found = {(const uint8_t *)"", 0};

    (void)next_field(&reader, number, &found);
    return found;
}

/* symbol without "name." in front, or NULL; "" if it is the name itself. */
static const char *inside(const char *symbol, const struct bytes *name)
{
    if (strncmp(symbol, (const char *)name->data, name->size) != 0)
        return NULL;
    if (symbol[name->size] == '\0')
        return symbol + name->size;
    return symbol[name->size] == '.' ? symbol + name->size + 1 : NULL;
}

/* Does one of the parts of this kind define the symbol, itself or in one of its own parts? */
static bool defines(const struct bytes *owner, uint32_t kind, uint32_t part, const char *symbol)
{
    struct wire_reader reader = wire_reader_over(owner->data, owner->size);
    struct bytes item;

    while (next_field(&reader, kind, &item)) {
        struct bytes name = only_field(&item, ANY_NAME);
        const char *rest = inside(symbol, &name);
        if (rest == NULL)
            continue;
        if (rest[0] == '\0')
            return true;
        struct wire_reader parts = wire_reader_over(item.data, item.size);
        struct bytes piece;
        while (part != 0 && next_field(&parts, part, &piece)) {
            struct bytes piece_name = only_field(&piece, ANY_NAME);
            if (equals(&piece_name, rest))
                return true;
        }
    }
    return false;
}

static bool file_defines(const struct bytes *file, const char *symbol)
{
    struct bytes package = only_field(file, FILE_PACKAGE);
    const char *rest = inside(symbol, &package);

    return rest != NULL && rest[0] != '\0' &&
           (defines(file, FILE_SERVICE, SERVICE_METHOD, rest) ||
            defines(file, FILE_MESSAGE, MESSAGE_NESTED, rest) ||
            defines(file, FILE_MESSAGE, MESSAGE_ENUM, rest) ||
            defines(file, FILE_MESSAGE, MESSAGE_FIELD, rest) || defines(file, FILE_ENUM, 0, rest));
}

static bool is_it(const struct bytes *file, const char *name, bool by_symbol)
{
    struct bytes own = only_field(file, FILE_NAME);

    return by_symbol ? file_defines(file, name) : equals(&own, name);
}

static bool find_file(const char *name, bool by_symbol, struct bytes *file)
{
    struct wire_reader reader = wire_reader_over(proto_descriptor_set, proto_descriptor_set_size);

    while (next_field(&reader, SET_FILE, file))
        if (is_it(file, name, by_symbol))
            return true;
    return false;
}

static bool is_listed(const struct bytes *files, size_t count, const struct bytes *file)
{
    for (size_t i = 0; i < count; i++)
        if (files[i].data == file->data)
            return true;
    return false;
}

/* The file, then all that it needs, directly or not. */
static size_t with_imports(const struct bytes *first, struct bytes files[static FILES_MAX])
{
    size_t count = 1;

    files[0] = *first;
    for (size_t i = 0; i < count; i++) {
        struct wire_reader reader = wire_reader_over(files[i].data, files[i].size);
        struct bytes dependency;
        struct bytes file;
        char name[NAME_SIZE];
        while (count < FILES_MAX && next_field(&reader, FILE_DEPENDENCY, &dependency)) {
            if (dependency.size >= sizeof(name))
                continue;
            memcpy(name, dependency.data, dependency.size);
            name[dependency.size] = '\0';
            if (find_file(name, false, &file) && !is_listed(files, count, &file))
                files[count++] = file;
        }
    }
    return count;
}

/* ---- answers ---- */

static void refuse(Grpc__Reflection__V1__ServerReflectionResponse *response,
                   Grpc__Reflection__V1__ErrorResponse *error)
{
    grpc__reflection__v1__error_response__init(error);
    error->error_code = GRPC_NOT_FOUND;
    error->error_message = proto_string("there is no such thing here");
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response->error_response = error;
}

static void answer_file(struct grpc_call *call, const char *name, bool by_symbol,
                        Grpc__Reflection__V1__ServerReflectionResponse *response)
{
    Grpc__Reflection__V1__FileDescriptorResponse found =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    Grpc__Reflection__V1__ErrorResponse error;
    ProtobufCBinaryData data[FILES_MAX];
    struct bytes files[FILES_MAX];
    struct bytes first;

    if (!find_file(name, by_symbol, &first)) {
        refuse(response, &error);
        (void)grpc_send(call, &response->base);
        response->error_response = NULL;
        return;
    }
    found.n_file_descriptor_proto = with_imports(&first, files);
    for (size_t i = 0; i < found.n_file_descriptor_proto; i++)
        data[i] = (ProtobufCBinaryData){files[i].size, (uint8_t *)(uintptr_t)files[i].data};
    found.file_descriptor_proto = data;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response->file_descriptor_response = &found;
    (void)grpc_send(call, &response->base);
    response->file_descriptor_response = NULL; /* it was this function's own */
}

static void add_service(Grpc__Reflection__V1__ListServiceResponse *list,
                        const struct bytes *package, const struct bytes *service,
                        char names[][NAME_SIZE])
{
    char *name = names[list->n_service];

    (void)snprintf(name, NAME_SIZE, "%.*s.%.*s", (int)package->size, (const char *)package->data,
                   (int)service->size, (const char *)service->data);
    list->service[list->n_service]->name = name;
    list->n_service++;
}

static void answer_services(struct grpc_call *call,
                            Grpc__Reflection__V1__ServerReflectionResponse *response)
{
    Grpc__Reflection__V1__ListServiceResponse list =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    Grpc__Reflection__V1__ServiceResponse services[NAMES_MAX];
    Grpc__Reflection__V1__ServiceResponse *pointers[NAMES_MAX];
    char names[NAMES_MAX][NAME_SIZE];
    struct wire_reader files = wire_reader_over(proto_descriptor_set, proto_descriptor_set_size);
    struct bytes file;
    struct bytes service;

    list.service = pointers;
    for (size_t i = 0; i < NAMES_MAX; i++) {
        grpc__reflection__v1__service_response__init(&services[i]);
        pointers[i] = &services[i];
    }
    while (next_field(&files, SET_FILE, &file)) {
        struct wire_reader reader = wire_reader_over(file.data, file.size);
        struct bytes package = only_field(&file, FILE_PACKAGE);
        while (list.n_service < NAMES_MAX && next_field(&reader, FILE_SERVICE, &service)) {
            struct bytes name = only_field(&service, ANY_NAME);
            add_service(&list, &package, &name, names);
        }
    }
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response->list_services_response = &list;
    (void)grpc_send(call, &response->base);
    response->list_services_response = NULL;
}

static void request(struct grpc_call *call, const uint8_t *data, size_t size)
{
    Grpc__Reflection__V1__ServerReflectionResponse response =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    Grpc__Reflection__V1__ErrorResponse error;
    const Grpc__Reflection__V1__ServerReflectionRequest *wanted = (const void *)grpc_unpack(
        call, &grpc__reflection__v1__server_reflection_request__descriptor, data, size);

    if (wanted == NULL)
        return;
    response.original_request = (Grpc__Reflection__V1__ServerReflectionRequest *)(uintptr_t)wanted;
    if (http2_waiting(call->stream) >= 4u * HTTP2_OUT_HIGH) {
        grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "answers aren't read");
        return;
    }
    switch (wanted->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        answer_file(call, wanted->file_by_filename, false, &response);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        answer_file(call, wanted->file_containing_symbol, true, &response);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        answer_services(call, &response);
        break;
    default:
        refuse(&response, &error);
        (void)grpc_send(call, &response.base);
        break;
    }
}

static void ended(struct grpc_call *call)
{
    grpc_finish_with(call, GRPC_OK, "", NULL, 0);
}

const struct grpc_method method_reflection_v1 = {
    .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    .endless = true,
    .many_requests = true,
    .request = request,
    .ended = ended,
};

const struct grpc_method method_reflection_v1alpha = {
    .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    .endless = true,
    .many_requests = true,
    .request = request,
    .ended = ended,
};
