#include "server/directory/item_event.h"

#include <string.h>

#include "server/base/check.h"

/* Where the message has its field of this name, a pointer. */
static void *pointer_in(ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);

    CHECK(field != NULL);
    return (uint8_t *)message + field->offset;
}

static void set_item(ProtobufCMessage *body, const char *name, ProtobufCMessage *item)
{
    memcpy(pointer_in(body, name), &item, sizeof(item));
}

static char *name_of(ProtobufCMessage *item)
{
    char *name;

    memcpy(&name, pointer_in(item, "name"), sizeof(name));
    return name;
}

void item_event_make(struct item_event *made, Cenc__V1__Event__BodyCase body,
                     ProtobufCMessage *item)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(&cenc__v1__event__descriptor, body);

    CHECK(field != NULL);
    const ProtobufCMessageDescriptor *descriptor = field->descriptor;
    CHECK(descriptor->sizeof_message <= sizeof(made->body));
    protobuf_c_message_init(descriptor, &made->body);
    set_item(&made->body.base, "item", item);
    cenc__v1__event__init(&made->event);
    made->event.body_case = body;
    made->event.project_added = &made->body.added; /* all bodies share the place */
}

void item_event_former(struct item_event *made, ProtobufCMessage *former)
{
    ProtobufCMessage *body = &made->body.base;
    ProtobufCMessage *item;
    char *name = name_of(former);

    memcpy(&item, pointer_in(body, "item"), sizeof(item));
    CHECK(item != NULL);
    set_item(body, "former", former);
    if (strcmp(name, name_of(item)) != 0)
        memcpy(pointer_in(body, "former_name"), &name, sizeof(name));
}

enum status item_event_visit(const struct account_visitor *visitor, Cenc__V1__Event__BodyCase body,
                             ProtobufCMessage *item)
{
    struct item_event made;

    item_event_make(&made, body, item);
    return visitor->event(&made.event, visitor->context);
}
