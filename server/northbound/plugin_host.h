/* The host of registration plugins: tells each of them what the journal has of devices, in order,
 * at least once, at its own pace.
 *
 * The northbound's thread follows the journal for it and hands over one fact at a time to the
 * plugin's own thread (plugin_thread.h); while that is busy, or has been told to come again later
 * (back-off doubles from 100 ms to 30 s), nothing more is taken. How far a plugin is lies in the
 * ledger, beside the consumers' positions and under the name plugin:NAME, and holds the journal as
 * theirs do. A plugin that hangs holds up nobody but itself; when the server stops it has some
 * seconds, then its thread is left behind and ends with the process.
 *
 * All in the northbound's thread; counters are read by anyone. */
#ifndef CENCD_NORTHBOUND_PLUGIN_HOST_H
#define CENCD_NORTHBOUND_PLUGIN_HOST_H

#include "server/northbound/consumers.h"
#include "server/northbound/feed.h"

struct northbound;
struct plugin_thread;

struct told_counters {
    _Atomic uint64_t told;    /* done */
    _Atomic uint64_t retries; /* answers "later" */
    _Atomic uint64_t refused;
    _Atomic uint64_t gaps;   /* times that retention was faster */
    _Atomic bool waits;      /* for the next attempt */
    _Atomic bool unanswered; /* it has been asked and didn't answer for a while */
};

/* A plugin that is told. */
struct told {
    struct northbound *northbound;
    const struct config_plugin *plugin;
    struct consumer *consumer; /* its position */
    struct plugin_thread *thread;
    struct follower follower;
    uint64_t taken;    /* from the feed; beyond the position while one is being told */
    uint64_t sequence; /* of the one that is being told */
    bool busy;         /* one is being told, or waits to be told again */
    bool asking;       /* the thread has it */
    bool failing;
    uint32_t backoff_ms;
    struct timer timer; /* the next attempt, or: it has been busy for long */
    struct message message;
    struct told_counters counters;
};

struct plugin_host {
    struct told *all;
    size_t count;
};

/* After the consumers' positions are loaded. */
enum status plugin_host_start(struct northbound *northbound) MUST_CHECK;
/* Takes nothing more. */
void plugin_host_stop(struct northbound *northbound);
/* True: nothing of it is under way. late: who is still busy is left behind. */
bool plugin_host_stopped(struct northbound *northbound, bool late);
void plugin_host_free(struct northbound *northbound);
/* A thread was left behind: the configuration, with plugins and their instances, must stay until
 * the process ends. */
bool plugin_host_left_any(void);

#endif
