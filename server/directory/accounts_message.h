/* Inside the directory: what the tables hold, as messages of records. */
#ifndef CENCD_DIRECTORY_ACCOUNTS_MESSAGE_H
#define CENCD_DIRECTORY_ACCOUNTS_MESSAGE_H

#include "server/directory/accounts.h"
#include "server/directory/channels.h"

#define CIDR_TEXT_SIZE (ADDRESS_TEXT_SIZE + 4)

char *cidr_text(const struct cidr *cidr, char text[static CIDR_TEXT_SIZE]);

/* These point into info, which must live as long. */
void project_message(const struct project_info *info, Cenc__V1__Project *message);
void group_message(const struct group_info *info, Cenc__V1__Group *message);
void channel_message(const struct channel_info *info, Cenc__V1__Channel *message);

struct agent_message {
    Cenc__V1__Agent agent;
    Cenc__V1__GroupRef groups[AGENT_MAX_GROUPS];
    Cenc__V1__GroupRef *group_list[AGENT_MAX_GROUPS];
    Cenc__V1__ProjectRef projects[AGENT_MAX_PROJECTS];
    Cenc__V1__ProjectRef *project_list[AGENT_MAX_PROJECTS];
    char *source_list[AGENT_MAX_SOURCES];
    char sources[AGENT_MAX_SOURCES][CIDR_TEXT_SIZE];
};
void agent_message(struct directory *directory, const struct agent_info *info,
                   struct agent_message *message);

void secret_message(uint32_t id, uint64_t revision, const struct password_hash *hash,
                    Cenc__Private__V1__AgentSecret *message);

/* All of the tables as records that make them anew, in an order in which they can be applied. */
struct account_visitor {
    enum status (*event)(const Cenc__V1__Event *event, void *context);
    enum status (*private)(const Cenc__Private__V1__Record *record, void *context);
    void *context;
};
enum status accounts_walk(struct directory *directory,
                          const struct account_visitor *visitor) MUST_CHECK;

/* The ids that were given last; 0: none. */
struct last_ids {
    uint32_t project;
    uint32_t group;
    uint32_t agent;
    uint32_t channel;
};

/* Records that say only which ids have been given: before all others. */
enum status accounts_last_ids(const struct last_ids *last,
                              const struct account_visitor *visitor) MUST_CHECK;

/* Listeners that were stopped, or started again, as records; visit: of one. */
enum status halts_walk(struct directory *directory, const struct account_visitor *visitor);
enum status halt_visit(char *listener, uint64_t revision, bool stopped,
                       const struct account_visitor *visitor);

#endif
