/* The thread of a registration plugin: asks it one thing at a time, and harms nobody if it doesn't
 * come back.
 *
 *   plugin_thread_start -> (plugin_thread_ask -> answered, in the plugin's thread)* ->
 *   plugin_thread_stop -> plugin_thread_join or plugin_thread_leave
 *
 * All calls are the owner's thread's. A thread that is left behind has its memory to itself and
 * calls nobody any more; the plugin and its instance must stay then. */
#ifndef CENCD_NORTHBOUND_PLUGIN_THREAD_H
#define CENCD_NORTHBOUND_PLUGIN_THREAD_H

#include <cenc/v1/events.pb-c.h>

#include "config/config.h"

struct plugin_thread;

struct plugin_reply {
    enum plugin_answer answer;
    const char *why; /* "": nothing */
};

/* STATUS_NO_MEMORY: also if there can be no thread. answered: the plugin's thread has an answer. */
enum status plugin_thread_start(const struct config_plugin *plugin, void (*answered)(void *context),
                                void *context, struct plugin_thread **thread) MUST_CHECK;

/* Is it a matter for plugins? Sets what of the facts (enum plugin_fact). */
bool plugin_fact_of(int body, enum plugin_fact *what);
/* Copies what the event says. Nothing is being asked. */
void plugin_thread_set(struct plugin_thread *thread, const Cenc__V1__Event *event,
                       uint64_t sequence);
/* Asks what was set last; the answer comes by answered. */
void plugin_thread_ask(struct plugin_thread *thread);
/* After answered. */
struct plugin_reply plugin_thread_reply(struct plugin_thread *thread);

/* It ends when it isn't being asked. */
void plugin_thread_stop(struct plugin_thread *thread);
/* Waits for its end and frees it. After stop, and if nothing is being asked. */
void plugin_thread_join(struct plugin_thread *thread);
/* Doesn't wait: answered isn't called after the return. False: it has answered just now, and isn't
 * left. */
bool plugin_thread_leave(struct plugin_thread *thread);

#endif
