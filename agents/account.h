/* An agent's account as the ways in see it: whose it is, whether it may have a device, and the
 * session that counts for it. Everything about accounts themselves is in server/directory. */
#ifndef CENCD_AGENTS_ACCOUNT_H
#define CENCD_AGENTS_ACCOUNT_H

#include "server/bridge/session.h"
#include "server/directory/login.h"

struct account {
    struct agent_ref agent; /* id 0: nobody's, an anonymous agent */
    bool in_session;        /* between account_enter and account_leave */
    char name[SESSION_NAME_SIZE];
    enum agent_priority priority;
};

/* Nobody in particular. */
void account_clear(struct account *account);
/* Of a login that succeeded. */
void account_set(struct shard *shard, struct agent_ref agent, struct account *account);

/* The account that lists a network with this address. False: none. */
bool account_by_address(struct shard *shard, const struct address *peer, struct account *account);

/* May it have the device? If so its session begins, and account_leave is owed. False: reason says
 * why. An anonymous agent may: its listener says so. */
bool account_enter(struct shard *shard, struct account *account, const struct device *device,
                   const struct address *peer, enum close_reason *reason);
/* Harmless if it isn't in a session. */
void account_leave(struct shard *shard, struct account *account);

/* As what it waits: as the account says, otherwise as its way in does (enum config_priority). */
enum session_priority account_priority(const struct account *account, uint32_t by_way);

enum close_reason account_reason(enum access_verdict verdict);

#endif
