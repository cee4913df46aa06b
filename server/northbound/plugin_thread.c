#include "server/northbound/plugin_thread.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/base/check.h"

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
    struct plugin_telling telling;
};

static struct plugin_reply call(struct plugin_thread *thread)
{
    struct plugin_reply reply = {.why = ""};

    reply.answer =
        thread->plugin.plugin->tell(thread->plugin.instance, &thread->telling.facts, &reply.why);
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

struct plugin_telling *plugin_thread_telling(struct plugin_thread *thread)
{
    CHECK(!thread->asked);
    return &thread->telling;
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
