#include "codec/proto/event.h"

const char *event_kind(const Cenc__V1__Event *event)
{
    const ProtobufCFieldDescriptor *field = NULL;

    if (event->body_case != CENC__V1__EVENT__BODY__NOT_SET) {
        field = protobuf_c_message_descriptor_get_field(&cenc__v1__event__descriptor,
                                                        (unsigned)event->body_case);
    }
    return field == NULL ? "unknown" : field->name;
}

/* Without a default, so that the compiler asks for the class of a new kind. */
enum event_class event_class(const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_CONNECTED:
    case CENC__V1__EVENT__BODY_DISCONNECTED:
    case CENC__V1__EVENT__BODY_UNPARSED_BYTES:
        return EVENT_LATER;
    case CENC__V1__EVENT__BODY_ACCESS_STARTED:
    case CENC__V1__EVENT__BODY_ACCESS_FINISHED:
    case CENC__V1__EVENT__BODY_ACCESS_REFUSED:
    case CENC__V1__EVENT__BODY_PUSH_RECEIVED:
    case CENC__V1__EVENT__BODY_READINGS:
    case CENC__V1__EVENT__BODY_SECURITY_EVENT:
    case CENC__V1__EVENT__BODY__NOT_SET:
    case _CENC__V1__EVENT__BODY__CASE_IS_INT_SIZE:
        return EVENT_NORMAL;
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
    case CENC__V1__EVENT__BODY_DEVICE_MOVED:
    case CENC__V1__EVENT__BODY_DEVICE_APPROVED:
    case CENC__V1__EVENT__BODY_REGISTRATION_REPORTED:
    case CENC__V1__EVENT__BODY_LAST_GASP:
    case CENC__V1__EVENT__BODY_POWER_RESTORED:
    case CENC__V1__EVENT__BODY_AGENT_ADDED:
    case CENC__V1__EVENT__BODY_AGENT_CHANGED:
    case CENC__V1__EVENT__BODY_AGENT_REMOVED:
    case CENC__V1__EVENT__BODY_GROUP_ADDED:
    case CENC__V1__EVENT__BODY_GROUP_CHANGED:
    case CENC__V1__EVENT__BODY_GROUP_REMOVED:
    case CENC__V1__EVENT__BODY_PROJECT_ADDED:
    case CENC__V1__EVENT__BODY_PROJECT_CHANGED:
    case CENC__V1__EVENT__BODY_PROJECT_REMOVED:
    case CENC__V1__EVENT__BODY_BINDING_CHANGED:
    case CENC__V1__EVENT__BODY_CHANNEL_ADDED:
    case CENC__V1__EVENT__BODY_CHANNEL_CHANGED:
    case CENC__V1__EVENT__BODY_CHANNEL_REMOVED:
    case CENC__V1__EVENT__BODY_TOKEN_ADDED:
    case CENC__V1__EVENT__BODY_TOKEN_CHANGED:
    case CENC__V1__EVENT__BODY_TOKEN_REMOVED:
    case CENC__V1__EVENT__BODY_IMPORTED:
    case CENC__V1__EVENT__BODY_CONFIGURATION_CHANGED:
    case CENC__V1__EVENT__BODY_SERVER_STARTED:
    case CENC__V1__EVENT__BODY_SERVER_STOPPING:
    case CENC__V1__EVENT__BODY_DURABILITY_LOST:
    case CENC__V1__EVENT__BODY_DURABILITY_REGAINED:
    case CENC__V1__EVENT__BODY_EVENTS_REFUSED:
    case CENC__V1__EVENT__BODY_EVENTS_FORGOTTEN:
    case CENC__V1__EVENT__BODY_DATAGRAMS_LOST:
    case CENC__V1__EVENT__BODY_LISTENER_STOPPED:
    case CENC__V1__EVENT__BODY_LISTENER_STARTED:
        return EVENT_FIRST;
    }
    return EVENT_NORMAL;
}

const char *event_class_name(enum event_class class)
{
    static const char *const names[] = {"first", "normal", "later"};

    CODEC_CHECK((size_t) class < sizeof(names) / sizeof(names[0]));
    return names[class];
}
