/* Edits that stop and start listeners, made into records. */
#include <string.h>

#include "server/directory/edit_internal.h"
#include "server/directory/halts.h"
#include "server/directory/internal.h"

static enum edit_result pack(const struct edit_scene *scene, struct edit *edit,
                             const struct edit_listener *found, struct edit_records *records)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__ListenerStopped stopped = CENC__V1__LISTENER_STOPPED__INIT;
    Cenc__V1__ListenerStarted started = CENC__V1__LISTENER_STARTED__INIT;

    event.listener = stopped.listener = started.listener = edit->listener;
    stopped.port = started.port = found->port;
    stopped.of_agents = started.of_agents = found->of_agents;
    stopped.revision = started.revision = edit->revision;
    stopped.close_links = edit->close_links;
    if (edit->kind == EDIT_LISTENER_STOP) {
        event.body_case = CENC__V1__EVENT__BODY_LISTENER_STOPPED;
        event.listener_stopped = &stopped;
    } else {
        event.body_case = CENC__V1__EVENT__BODY_LISTENER_STARTED;
        event.listener_started = &started;
    }
    return edit_pack(scene, edit, &event, records);
}

enum edit_result edit_prepare_listener(const struct edit_scene *scene, struct edit *edit,
                                       struct edit_records *records)
{
    const struct edit_listeners *listeners = scene->listeners;
    bool stops = edit->kind == EDIT_LISTENER_STOP;
    struct edit_listener found = {0};
    struct halt_info former;

    if (listeners->find == NULL || !listeners->find(listeners->context, edit->listener, &found))
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such listener");
    (void)halt_find(scene->directory, edit->listener, &former);
    /* what is stopped already may have links that are to be closed now */
    if (former.stopped == stops && !edit->close_links)
        return edit_refuse(edit, EDIT_EXISTS, "it %s already", stops ? "is stopped" : "runs");
    enum edit_result result = edit_check_revision(edit, former.revision);
    if (result != EDIT_DONE)
        return result;
    edit->revision = former.revision + 1;
    result = pack(scene, edit, &found, records);
    /* whoever can't be started isn't recorded as running */
    if (result == EDIT_DONE && !stops &&
        !listeners->prepare(listeners->context, edit->listener, edit->text, sizeof(edit->text)))
        result = EDIT_IN_USE;
    records->opened = result == EDIT_DONE && !stops;
    return result;
}
