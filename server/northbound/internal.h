/* Inside the northbound: what its files share.
 *
 *   northbound.c    start and stop, the listening socket, the table of methods
 *   grpc.c          calls
 *   events.c        the stream of events; window.c: what of it isn't acknowledged
 *   positions.c     acknowledged positions, into the ledger
 *   missing_projects.c  consumers' projects that don't exist
 *   devices.c       ListDevices, GetDevice, ListLinks; records.c: a device as a message
 *   status.c        WatchDevices
 *   registry.c      who waits for an answer, by the journal; registration.c: its two methods
 *   plugin_host.c   tells registration plugins; plugin_facts.c: what; plugin_thread.c: the thread
 *                   of one
 *   health.c, reflection.c */
#ifndef CENCD_NORTHBOUND_INTERNAL_H
#define CENCD_NORTHBOUND_INTERNAL_H

#include <cenc/v1/northbound.pb-c.h>

#include "server/directory/directory.h"
#include "server/journal/told.h"
#include "server/northbound/feed.h"
#include "server/northbound/ledger.h"
#include "server/northbound/northbound.h"
#include "server/northbound/plugin_host.h"
#include "server/northbound/registry.h"

#define NORTHBOUND_SERVICE "cenc.v1.Northbound"

struct positions {
    struct operation work;
    struct timer timer;
    bool busy;
    bool failing;
    enum status status;
    struct ledger_error error;
    uint64_t *written; /* of each consumer; UINT64_MAX: it had not changed */
};

struct northbound {
    const struct config *config;
    struct journal *journal;
    struct directory *directory;
    struct reactor *reactor;
    struct ledger *ledger; /* after the start: in the helper thread */
    struct http2_service http2;
    struct listener listener;
    struct accept_operation accepts[LISTENER_MAX_DEPTH];
    struct consumers consumers;
    struct feed *feed;
    struct positions positions;
    struct registry registry;
    struct plugin_host plugins;
    struct proto_arena arena;
    struct journal_point point; /* the directory will have all up to there */
    bool point_taken;
    uint64_t told;               /* the directory has all up to there */
    uint64_t run;                /* tells this run of the server from others, in page tokens */
    uint64_t projects_changed;   /* missing_projects.c: by this record; 0: looked at */
    struct list health_watchers; /* health.c */
    struct list status_watchers; /* status.c */
    bool serving;                /* as they were told last */
    uint32_t jobs;               /* under way in the helper thread */
    struct timer tick;
    uint64_t strangers; /* calls without a login that no line of the log tells yet */
    uint64_t stranger_logged_ms;
    bool stopping;
    uint8_t stop_step; /* northbound.c */
    uint32_t stop_ticks;
    bool listener_closed;
    void (*stopped)(void *context);
    void *stopped_context;
    struct northbound_counters counters;
};

/* NULL: there is none of this path. */
const struct grpc_method *northbound_method(const char *path);
void northbound_connection_closed(struct northbound *northbound);

extern const struct grpc_method method_events;
extern const struct grpc_method method_list_devices;
extern const struct grpc_method method_get_device;
extern const struct grpc_method method_list_links;
extern const struct grpc_method method_watch_devices;
extern const struct grpc_method method_watch_registrations;
extern const struct grpc_method method_report_registration;
extern const struct grpc_method method_health_check;
extern const struct grpc_method method_health_watch;
extern const struct grpc_method method_reflection_v1;
extern const struct grpc_method method_reflection_v1alpha;

/* The directory has what all events up to this one tell: who reads it now, and events from the next
 * one on, misses nothing. What was committed last may be on its way into it. */
uint64_t northbound_told(struct northbound *northbound);

/* positions.c */
enum status positions_load(struct northbound *northbound, struct ledger_error *error) MUST_CHECK;
void positions_free(struct northbound *northbound);
/* The consumer has all up to this sequence. */
void positions_move(struct northbound *northbound, struct consumer *consumer, uint64_t sequence);
/* The same for one that had no position that counts; also if it is none later. */
void positions_begin(struct northbound *northbound, struct consumer *consumer, uint64_t sequence);
/* Says of whom retention has removed events that he hasn't acknowledged. */
void positions_tick(struct northbound *northbound);
/* Writes what isn't yet. True: nothing is left. */
bool positions_flush(struct northbound *northbound);

/* missing_projects.c: at the start; when a record is read; every second. */
void missing_projects_look(struct northbound *northbound);
void missing_projects_note(struct northbound *northbound, int body, uint64_t sequence);
void missing_projects_tick(struct northbound *northbound);

/* status.c */
void status_tick(struct northbound *northbound);

/* health.c */
void health_tick(struct northbound *northbound);

/* A list of projects in a request: PERMISSION_DENIED (false) if one may not be seen. */
bool northbound_check_projects(struct grpc_call *call, char *const *projects, size_t count);
/* Ends the call with NOT_FOUND. key may be NULL. */
void northbound_no_device(struct grpc_call *call, const Cenc__V1__DeviceKey *key);
/* Is the project wanted by the list (empty: all) and seen by the consumer? */
bool northbound_wants(const struct consumer *consumer, char *const *projects, size_t count,
                      const char *project);

#endif
