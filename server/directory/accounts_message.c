#include "server/directory/accounts_message.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/internal.h"
#include "server/directory/item_event.h"
#include "server/directory/tokens_apply.h"

char *cidr_text(const struct cidr *cidr, char text[static CIDR_TEXT_SIZE])
{
    char ip[ADDRESS_TEXT_SIZE];

    (void)snprintf(text, CIDR_TEXT_SIZE, "%s/%u", address_format_ip(&cidr->network, ip),
                   cidr->prefix);
    return text;
}

void project_message(const struct project_info *info, Cenc__V1__Project *message)
{
    cenc__v1__project__init(message);
    message->id = info->id;
    message->revision = info->revision;
    message->name = proto_string(info->name);
    message->note = proto_string(info->note);
}

void group_message(const struct group_info *info, Cenc__V1__Group *message)
{
    cenc__v1__group__init(message);
    message->id = info->id;
    message->revision = info->revision;
    message->project_id = info->project;
    message->project = proto_string(info->project_name);
    message->name = proto_string(info->name);
    message->note = proto_string(info->note);
}

void channel_message(const struct channel_info *info, Cenc__V1__Channel *message)
{
    cenc__v1__channel__init(message);
    message->id = info->id;
    message->revision = info->revision;
    message->project_id = info->project;
    message->project = proto_string(info->project_name);
    message->name = proto_string(info->name);
    message->note = proto_string(info->note);
    message->host = proto_string(info->settings.host);
    message->port = info->settings.port;
    message->exclusive = info->settings.exclusive;
    message->disabled = !info->settings.enabled;
}

static void list_groups(struct directory *directory, const struct agent_info *info,
                        struct agent_message *message)
{
    struct accounts *accounts = accounts_read(directory);

    for (uint32_t i = 0; i < info->group_count; i++) {
        Cenc__V1__GroupRef *ref = &message->groups[i];
        const struct named *group = named_get(&accounts->groups, info->groups[i]);
        cenc__v1__group_ref__init(ref);
        ref->id = info->groups[i];
        ref->name = proto_string(id_name(&accounts->group_names, info->groups[i]));
        if (group != NULL)
            ref->project = proto_string(id_name(&accounts->project_names, group->within));
        message->group_list[i] = ref;
    }
    accounts_unlock(accounts);
}

void agent_message(struct directory *directory, const struct agent_info *info,
                   struct agent_message *message)
{
    Cenc__V1__Agent *agent = &message->agent;

    cenc__v1__agent__init(agent);
    agent->id = info->id;
    agent->revision = info->revision;
    agent->name = proto_string(info->name);
    agent->note = proto_string(info->note);
    agent->extended = info->extended;
    agent->disabled = !info->enabled;
    agent->max_sessions = info->max_sessions;
    agent->priority = (Cenc__V1__AgentPriority)info->priority;
    agent->expires_unix_ms = (int64_t)info->expires_utc_ms;
    agent->has_password = info->has_password;
    list_groups(directory, info, message);
    for (uint32_t i = 0; i < info->project_count; i++) {
        cenc__v1__project_ref__init(&message->projects[i]);
        message->projects[i].id = info->projects[i];
        message->projects[i].name =
            proto_string(id_name(&directory->accounts->project_names, info->projects[i]));
        message->project_list[i] = &message->projects[i];
    }
    for (uint32_t i = 0; i < info->source_count; i++)
        message->source_list[i] = cidr_text(&info->sources[i], message->sources[i]);
    agent->n_groups = info->group_count;
    agent->groups = message->group_list;
    agent->n_projects = info->project_count;
    agent->projects = message->project_list;
    agent->n_sources = info->source_count;
    agent->sources = message->source_list;
}

void secret_message(uint32_t id, uint64_t revision, const struct password_hash *hash,
                    Cenc__Private__V1__AgentSecret *message)
{
    cenc__private__v1__agent_secret__init(message);
    message->id = id;
    message->revision = revision;
    message->log2_n = hash->log2_n;
    message->r = hash->r;
    message->p = hash->p;
    message->salt.data = (uint8_t *)hash->salt;
    message->salt.len = sizeof(hash->salt);
    message->hash.data = (uint8_t *)hash->hash;
    message->hash.len = sizeof(hash->hash);
}

/* ---- all of them ---- */

enum status accounts_last_ids(const struct last_ids *last, const struct account_visitor *visitor)
{
    Cenc__V1__Project project = CENC__V1__PROJECT__INIT;
    Cenc__V1__Group group = CENC__V1__GROUP__INIT;
    Cenc__V1__Agent agent = CENC__V1__AGENT__INIT;
    Cenc__V1__Channel channel = CENC__V1__CHANNEL__INIT;

    project.id = last->project;
    group.id = last->group;
    agent.id = last->agent;
    channel.id = last->channel;
    enum status status =
        item_event_visit(visitor, CENC__V1__EVENT__BODY_PROJECT_REMOVED, &project.base);
    if (status == STATUS_OK)
        status = item_event_visit(visitor, CENC__V1__EVENT__BODY_GROUP_REMOVED, &group.base);
    if (status == STATUS_OK)
        status = item_event_visit(visitor, CENC__V1__EVENT__BODY_AGENT_REMOVED, &agent.base);
    if (status == STATUS_OK)
        status = item_event_visit(visitor, CENC__V1__EVENT__BODY_CHANNEL_REMOVED, &channel.base);
    return status;
}

static enum status walk_projects(struct directory *directory, const struct account_visitor *visitor)
{
    enum status status = STATUS_OK;
    struct project_info info = {0};

    while (status == STATUS_OK && projects_list(directory, info.id, &info, 1) == 1) {
        Cenc__V1__Project item;
        project_message(&info, &item);
        status = item_event_visit(visitor, CENC__V1__EVENT__BODY_PROJECT_ADDED, &item.base);
    }
    return status;
}

static enum status walk_groups(struct directory *directory, const struct account_visitor *visitor)
{
    enum status status = STATUS_OK;
    struct group_info info = {0};

    while (status == STATUS_OK && groups_list(directory, info.id, &info, 1) == 1) {
        Cenc__V1__Group item;
        group_message(&info, &item);
        status = item_event_visit(visitor, CENC__V1__EVENT__BODY_GROUP_ADDED, &item.base);
    }
    return status;
}

static enum status walk_channels(struct directory *directory, const struct account_visitor *visitor)
{
    enum status status = STATUS_OK;
    struct channel_info info = {0};

    while (status == STATUS_OK && channels_list(directory, info.id, &info, 1) == 1) {
        Cenc__V1__Channel item;
        channel_message(&info, &item);
        status = item_event_visit(visitor, CENC__V1__EVENT__BODY_CHANNEL_ADDED, &item.base);
    }
    return status;
}

static bool copy_secret(struct directory *directory, const struct agent_info *info,
                        struct password_hash *hash)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(&accounts->agents, info->id);
    bool there = named != NULL && named->revision == info->revision;

    if (there)
        *hash = agent_of(named)->password;
    accounts_unlock(accounts);
    return there && hash->log2_n != 0;
}

static enum status walk_agent(struct directory *directory, const struct agent_info *info,
                              struct agent_message *message, const struct account_visitor *visitor)
{
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__AgentSecret secret;
    struct password_hash hash;
    enum status status = STATUS_OK;

    if (copy_secret(directory, info, &hash)) {
        secret_message(info->id, info->revision, &hash, &secret);
        record.body_case = CENC__PRIVATE__V1__RECORD__BODY_AGENT_SECRET;
        record.agent_secret = &secret;
        status = visitor->private(&record, visitor->context);
        OPENSSL_cleanse(&hash, sizeof(hash));
    }
    if (status != STATUS_OK)
        return status;
    agent_message(directory, info, message);
    return item_event_visit(visitor, CENC__V1__EVENT__BODY_AGENT_ADDED, &message->agent.base);
}

static enum status walk_agents(struct directory *directory, const struct account_visitor *visitor)
{
    struct agent_message *message = malloc(sizeof(*message));
    enum status status = message != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    struct agent_info info = {0};

    while (status == STATUS_OK && agents_list(directory, info.id, &info, 1) == 1)
        status = walk_agent(directory, &info, message, visitor);
    free(message);
    return status;
}

static bool copy_binding(struct directory *directory, size_t at, struct binding *binding)
{
    struct accounts *accounts = accounts_read(directory);
    bool there = at < accounts->binding_count;

    if (there)
        *binding = accounts->bindings[at];
    accounts_unlock(accounts);
    return there;
}

static enum status walk_bindings(struct directory *directory, const struct account_visitor *visitor)
{
    enum status status = STATUS_OK;
    struct binding binding;

    for (size_t at = 0; status == STATUS_OK && copy_binding(directory, at, &binding); at++) {
        Cenc__V1__Event event = CENC__V1__EVENT__INIT;
        Cenc__V1__BindingChanged body = CENC__V1__BINDING_CHANGED__INIT;
        Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
        Cenc__Private__V1__BindingSwept swept = CENC__PRIVATE__V1__BINDING_SWEPT__INIT;
        body.listener = binding.listener;
        body.revision = binding.revision;
        body.project_id = binding.project;
        body.former_project_id = binding.sweep_from;
        body.move = binding.sweep == SWEEP_MOVING;
        event.body_case = CENC__V1__EVENT__BODY_BINDING_CHANGED;
        event.binding_changed = &body;
        status = visitor->event(&event, visitor->context);
        swept.listener = binding.listener;
        swept.revision = binding.revision;
        record.body_case = CENC__PRIVATE__V1__RECORD__BODY_BINDING_SWEPT;
        record.binding_swept = &swept;
        if (status == STATUS_OK && binding.sweep == SWEEP_NONE)
            status = visitor->private(&record, visitor->context);
    }
    return status;
}

enum status accounts_walk(struct directory *directory, const struct account_visitor *visitor)
{
    struct accounts *accounts = accounts_read(directory);
    const struct last_ids last = {.project = accounts->last_project,
                                  .group = accounts->last_group,
                                  .agent = accounts->last_agent,
                                  .channel = accounts->last_channel};

    accounts_unlock(accounts);
    enum status status = accounts_last_ids(&last, visitor);
    if (status == STATUS_OK)
        status = walk_projects(directory, visitor);
    if (status == STATUS_OK)
        status = walk_groups(directory, visitor);
    if (status == STATUS_OK)
        status = walk_agents(directory, visitor);
    if (status == STATUS_OK)
        status = walk_channels(directory, visitor);
    if (status == STATUS_OK)
        status = tokens_walk(directory, visitor);
    if (status == STATUS_OK)
        status = walk_bindings(directory, visitor);
    return status == STATUS_OK ? halts_walk(directory, visitor) : status;
}
