/* The host of registration plugins: tells each of them what the journal has of devices, in order,
 * at least once, at its own pace.
 *
 * A plugin that has no position yet, or missed events that retention removed, is told of every
 * device of the directory first, one by one, then that these were all, then of the events that the
 * directory didn't have when that began. Its position is written when it has been told of all of
 * them, and only then it goes on; a restart in between begins anew.
 *
 * The northbound's thread follows the journal for it and hands over one fact at a time to the
 * plugin's own thread (plugin_thread.h); while that is busy, or has been told to come again later
 * (back-off doubles from 100 ms to 30 s), nothing more is taken. How far a plugin is lies in the
 * ledger, beside the consumers' positions and under the name plugin:NAME, and holds the journal as
 * theirs do. A plugin that hangs holds up nobody but itself; when the server stops it has some
 * seconds, then its thread is left behind and ends with the process.
 *
 * All in the northbound's thread, if nothing else is said; counters are read by anyone. */
#ifndef CENCD_NORTHBOUND_PLUGIN_HOST_H
#define CENCD_NORTHBOUND_PLUGIN_HOST_H

#include <pthread.h>

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
    _Atomic bool listing;    /* it is told of the devices that are there */
};

#define TOLD_ERROR_SIZE 160u

/* The last thing that went wrong, for reports. */
struct told_error {
    pthread_mutex_t lock;
    uint64_t utc_ms; /* 0: nothing did */
    char text[TOLD_ERROR_SIZE];
};

/* A plugin that is told. */
struct told_plugin {
    struct northbound *northbound;
    const struct config_plugin *plugin;
    struct consumer *consumer; /* its position */
    struct plugin_thread *thread;
    struct follower follower;
    uint64_t taken;    /* from the feed; beyond the position while one is being told */
    uint64_t sequence; /* of the one that is being told */
    uint64_t listed;   /* listing: the directory had all up to there when it began */
    uint64_t list_at;  /* listing: place in the directory */
    bool listing;
    bool completing; /* listing: it is told that these were all */
    bool missed;     /* all devices are listed again, when it isn't busy */
    bool busy;       /* one is being told, or waits to be told again */
    bool asking;     /* the thread has it */
    bool failing;
    uint32_t backoff_ms;
    struct timer timer; /* the next attempt, or: it has been busy for long */
    struct message message;
    struct told_counters counters;
    struct told_error error;
};

/* "hung": it doesn't come back; "backing off": it waits for the next attempt; "listing": it is told
 * of the devices that are there; "running". Any thread. */
const char *told_state(const struct told_plugin *told);
/* Copies the last error; returns when it was, 0: never. Any thread. */
uint64_t told_last_error(struct told_plugin *told, char text[static TOLD_ERROR_SIZE]);

struct plugin_host {
    struct told_plugin *all;
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
