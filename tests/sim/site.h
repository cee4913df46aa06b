/* The whole server in the simulation: configuration, shards, directory, direct ports, log; and the
 * judge of what it says about itself. Shards run only when they are due, so a wake that was
 * forgotten shows as a run that stops. */
#ifndef CENCD_TESTS_SIM_SITE_H
#define CENCD_TESTS_SIM_SITE_H

#include "server/reactor/sim/sim.h"
#include "server/shard/server.h"

#define SITE_FIRST_PORT 1000u /* of peers; each connection has its own */
#define SITE_MAX_PEERS  4096u

/* What the log says of one peer's connection, by the peer's port. */
enum site_fate { SITE_UNKNOWN, SITE_LINK_CLOSED, SITE_SESSION_FINISHED, SITE_AGENT_REFUSED };

struct site_end {
    enum site_fate fate;
    enum close_reason reason;
    uint64_t link; /* of a link, or the one a session was joined to */
    uint64_t to_agent;
    uint64_t to_device;
};

struct site {
    struct sim *sim;
    struct config *config;
    struct server_plan plan;
    struct server *server;
    uint32_t next_peer;
    bool shards_held; /* they get no turn, as threads that the system doesn't run; time must be
                         advanced by hand meanwhile */
    int log_file;     /* -1: none */
    uint64_t at_stop[CLOSE_REASON_COUNT];
    struct site_end *ends; /* SITE_MAX_PEERS, after site_stop */
    char *log_text;
};

/* Simulation and configuration; the caller may change site->config before site_start, also beyond
 * what the schema allows. */
void site_load(struct site *site, const struct sim_options *options, const char *yaml);

/* Server and shards; nofile: the descriptor limit that the plan is made for. */
void site_start(struct site *site, uint64_t nofile);

/* The next peer's own address: ip with a port that no other has. */
struct address site_address(struct site *site, const char *ip);

/* A connection to one of the server's ports from an address; NULL if refused. */
struct sim_peer *site_dial(struct site *site, uint16_t port, const struct address *from);

/* One thing happens, and one shard runs if it is due. False: nothing can happen at this moment. */
bool site_step(struct site *site);

/* Everything that happens without time passing, then time up to `ms` from now, and what it brings.
 */
void site_run(struct site *site, uint64_t ms);

/* The link of a peer; NULL: not accepted, or gone. */
struct link *site_link(const struct site *site, const struct address *peer);

/* The session joined for an agent; NULL: none. */
struct session *site_session(const struct site *site, const struct address *agent);

/* A device's facts; false if it isn't known. */
bool site_device(const struct site *site, const char *scope, const char *serial,
                 struct device_info *info);

/* Counters of all shards together. */
uint64_t site_closed(const struct site *site, enum close_reason reason);

/* Gauges, counters and the directory agree with the links and sessions that there are. */
void site_check(const struct site *site);

/* At a quiet moment: the ports of devices that are online are open, and no other. */
void site_check_ports(const struct site *site);

/* At a quiet moment: the line of each exclusive channel has a holder that is joined, or waits for
 * its link's line; and whoever waits for it is in its queue, for a device that is online. */
void site_check_channels(const struct site *site);

/* Most bytes that may wait in one direction of a session. */
uint64_t site_queue_bound(const struct site *site);

/* server_stop; all shards are quiet within a bounded time; nothing is left. Reads the log. */
void site_stop(struct site *site);
struct site_end *site_end(const struct site *site, const struct address *peer);
void site_close(struct site *site);

/* Instead of site_close: only the server goes, and site_start makes the next one, which finds the
 * disk as it is. Its log isn't judged. */
void site_leave(struct site *site);

#endif
