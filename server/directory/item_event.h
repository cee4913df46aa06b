/* Inside the directory: events that say of a project, group, agent, channel or token that it was
 * added, changed, removed. Their bodies are alike: `item` is the object, and where it changed
 * `former` is what it was, and `former_name` its name if that was another. */
#ifndef CENCD_DIRECTORY_ITEM_EVENT_H
#define CENCD_DIRECTORY_ITEM_EVENT_H

#include "server/directory/accounts_message.h"

/* The event points into it, and to the items, which must live as long. */
struct item_event {
    Cenc__V1__Event event;
    union {
        ProtobufCMessage base;
        Cenc__V1__ProjectAdded added; /* and removed: as large */
        Cenc__V1__ProjectChanged changed;
        Cenc__V1__AgentChanged agent_changed; /* the largest */
    } body;
};

/* body: one of these, of the item's sort. item may be NULL: none. */
void item_event_make(struct item_event *made, Cenc__V1__Event__BodyCase body,
                     ProtobufCMessage *item);

/* What the item was. Only of an event that says that there is one, and that it changed. */
void item_event_former(struct item_event *made, ProtobufCMessage *former);

/* Shows the visitor such an event. */
enum status item_event_visit(const struct account_visitor *visitor, Cenc__V1__Event__BodyCase body,
                             ProtobufCMessage *item) MUST_CHECK;

#endif
