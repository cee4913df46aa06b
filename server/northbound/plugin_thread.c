#include "server/northbound/plugin_thread.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

#define TEXTS_SIZE 4096u /* of one event; what doesn't fit is "" */

struct plugin_thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct config_plugin plugin;
    void (*answered)(void *context);
    void *context;
    bool asked;
    bool stop;
    bool left;
    struct plugin_reply reply;
    struct plugin_facts facts;
    char texts[TEXTS_SIZE];
    size_t used;
};

/* ---- what an event says ---- */

bool plugin_fact_of(int body, enum plugin_fact *what)
{
    switch (body) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
        *what = PLUGIN_FACT_NEW;
        return true;
    case CENC__V1__EVENT__BODY_CONNECTED:
        *what = PLUGIN_FACT_CONNECTED;
        return true;
    case CENC__V1__EVENT__BODY_DISCONNECTED:
        *what = PLUGIN_FACT_DISCONNECTED;
        return true;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
    case CENC__V1__EVENT__BODY_DEVICE_MOVED:
        *what = PLUGIN_FACT_CHANGED;
        return true;
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
        *what = PLUGIN_FACT_GONE;
        return true;
    default:
        return false;
    }
}

static const char *keep(struct plugin_thread *thread, const char *text)
{
    char *kept = thread->texts + thread->used;
    size_t size = text != NULL ? strlen(text) + 1 : 0;

    if (size <= 1 || size > sizeof(thread->texts) - thread->used)
        return "";
    memcpy(kept, text, size);
    thread->used += size;
    return kept;
}

static void set_peer(struct plugin_thread *thread, const Cenc__V1__Endpoint *peer)
{
    if (peer == NULL)
        return;
    thread->facts.peer = keep(thread, peer->address);
    thread->facts.peer_port = peer->port;
}

static void set_signal(struct plugin_thread *thread, const Cenc__V1__Signal *signal)
{
    if (signal != NULL && signal->csq <= 31)
        thread->facts.signal_csq = (uint8_t)signal->csq;
}

static void set_state(struct plugin_thread *thread, const Cenc__V1__DeviceState *state)
{
    if (state == NULL)
        return;
    thread->facts.direct_port = state->direct_port;
    set_signal(thread, state->signal);
    if (thread->facts.listener[0] == '\0')
        thread->facts.listener = keep(thread, state->listener);
}

static void set_end(struct plugin_thread *thread, const Cenc__V1__Disconnected *body)
{
    char reason[128];

    set_peer(thread, body->peer);
    thread->facts.newer_link = body->newer_link != 0;
    if (body->reason == NULL)
        return;
    (void)snprintf(reason, sizeof(reason), "%s %s", body->reason->layer, body->reason->cause);
    thread->facts.reason = keep(thread, reason);
}

static void set_body(struct plugin_thread *thread, const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
        set_state(thread, event->device_added->state);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
        set_state(thread, event->device_changed->state);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
        set_state(thread, event->device_removed->state);
        break;
    case CENC__V1__EVENT__BODY_CONNECTED:
        set_peer(thread, event->connected->peer);
        set_signal(thread, event->connected->signal);
        thread->facts.direct_port = event->connected->direct_port;
        break;
    case CENC__V1__EVENT__BODY_DISCONNECTED:
        set_end(thread, event->disconnected);
        break;
    default:
        break;
    }
}

void plugin_thread_set(struct plugin_thread *thread, const Cenc__V1__Event *event,
                       uint64_t sequence)
{
    enum plugin_fact what;

    CHECK(!thread->asked && event->device != NULL && plugin_fact_of((int)event->body_case, &what));
    thread->used = 0;
    thread->facts = (struct plugin_facts){
        .size = sizeof(struct plugin_facts),
        .what = what,
        .sequence = sequence,
        .utc_ms = event->received_unix_ms,
        .node = keep(thread, event->node),
        .scope = keep(thread, event->device->scope),
        .serial = keep(thread, event->device->serial),
        .kind = keep(thread, event->device->kind),
        .model = keep(thread, event->device->model),
        .firmware = keep(thread, event->device->firmware),
        .hardware = keep(thread, event->device->hardware),
        .project = keep(thread, event->project),
        .listener = keep(thread, event->listener),
        .peer = "",
        .reason = "",
        .link_epoch = event->link_epoch,
        .signal_csq = PLUGIN_SIGNAL_UNKNOWN,
    };
    set_body(thread, event);
}

/* ---- the thread ---- */

static struct plugin_reply call(struct plugin_thread *thread)
{
    struct plugin_reply reply = {.why = ""};

    reply.answer = thread->plugin.plugin->tell(thread->plugin.instance, &thread->facts, &reply.why);
    if (reply.why == NULL)
        reply.why = "";
    return reply;
}

static void destroy(struct plugin_thread *thread)
{
    pthread_mutex_destroy(&thread->lock);
    pthread_cond_destroy(&thread->wake);
    free(thread);
}

static void *thread_main(void *argument)
{
    struct plugin_thread *thread = argument;

    pthread_mutex_lock(&thread->lock);
    while (!thread->left && (thread->asked || !thread->stop)) {
        if (!thread->asked) {
            pthread_cond_wait(&thread->wake, &thread->lock);
            continue;
        }
        pthread_mutex_unlock(&thread->lock);
        struct plugin_reply reply = call(thread);
        pthread_mutex_lock(&thread->lock);
        thread->reply = reply;
        thread->asked = false;
        if (!thread->left) /* inside the lock, so that leaving means never again */
            thread->answered(thread->context);
    }
    bool left = thread->left;
    pthread_mutex_unlock(&thread->lock);
    if (left)
        destroy(thread);
    return NULL;
}

enum status plugin_thread_start(const struct config_plugin *plugin, void (*answered)(void *context),
                                void *context, struct plugin_thread **started)
{
    struct plugin_thread *thread = calloc(1, sizeof(*thread));

    if (thread == NULL)
        return STATUS_NO_MEMORY;
    thread->plugin = *plugin;
    thread->answered = answered;
    thread->context = context;
    CHECK(pthread_mutex_init(&thread->lock, NULL) == 0);
    CHECK(pthread_cond_init(&thread->wake, NULL) == 0);
    if (pthread_create(&thread->thread, NULL, thread_main, thread) != 0) {
        destroy(thread);
        return STATUS_NO_MEMORY;
    }
    *started = thread;
    return STATUS_OK;
}

void plugin_thread_ask(struct plugin_thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    CHECK(!thread->asked && !thread->stop);
    thread->asked = true;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
}

struct plugin_reply plugin_thread_reply(struct plugin_thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    struct plugin_reply reply = thread->reply;
    pthread_mutex_unlock(&thread->lock);
    return reply;
}

void plugin_thread_stop(struct plugin_thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    thread->stop = true;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
}

void plugin_thread_join(struct plugin_thread *thread)
{
    pthread_join(thread->thread, NULL);
    destroy(thread);
}

bool plugin_thread_leave(struct plugin_thread *thread)
{
    pthread_t id = thread->thread;

    pthread_mutex_lock(&thread->lock);
    bool left = thread->asked;
    thread->left = left;
    pthread_mutex_unlock(&thread->lock);
    if (left)
        pthread_detach(id);
    return left;
}
