/* The thread of a registration plugin: asks it one thing at a time, and harms nobody if it doesn't
 * come back.
 *
 *   plugin_thread_start -> (plugin_thread_ask -> answered, in the plugin's thread)* ->
 *   plugin_thread_stop -> plugin_thread_join or plugin_thread_leave
 *
 * It knows nothing of journal and directory: what is to be told, when and how often, is its owner's
 * matter (plugin_host.h), which is tried with simulated threads in its place.
 *
 * All calls are the owner's thread's. A thread that is left behind has its memory to itself and
 * calls nobody any more; the plugin and its instance must stay then. */
#ifndef CENCD_NORTHBOUND_PLUGIN_THREAD_H
#define CENCD_NORTHBOUND_PLUGIN_THREAD_H

#include "config/config.h"
#include "server/northbound/plugin_facts.h"

struct plugin_thread;

struct plugin_reply {
    enum plugin_answer answer;
    const char *why; /* "": nothing */
};

/* STATUS_NO_MEMORY: also if there can be no thread. answered: the plugin's thread has an answer. */
enum status plugin_thread_start(const struct config_plugin *plugin, void (*answered)(void *context),
                                void *context, struct plugin_thread **thread) MUST_CHECK;

/* To be filled in with what is asked next. Nothing is being asked. */
struct plugin_telling *plugin_thread_telling(struct plugin_thread *thread);
/* Asks what was filled in last; the answer comes by answered. */
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
