#include "server/directory/tokens_apply.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/internal.h"
#include "server/directory/item_event.h"
#include "server/directory/named_facts.h"

_Static_assert((int)CENC__V1__ROLE__ROLE_VIEWER == (int)ROLE_VIEWER &&
                   (int)CENC__V1__ROLE__ROLE_OPERATOR == (int)ROLE_OPERATOR &&
                   (int)CENC__V1__ROLE__ROLE_ADMIN == (int)ROLE_ADMIN,
               "roles have the same numbers in records");

/* ---- records to the table ---- */

static enum status read_settings(const Cenc__V1__Token *item, struct token_settings *settings)
{
    if (item->role < CENC__V1__ROLE__ROLE_VIEWER || item->role > CENC__V1__ROLE__ROLE_ADMIN ||
        item->n_sources > TOKEN_MAX_SOURCES)
        return STATUS_INVALID;
    *settings = (struct token_settings){
        .role = (enum role)item->role,
        .enabled = !item->disabled,
        .expires_utc_ms = item->expires_unix_ms > 0 ? (uint64_t)item->expires_unix_ms : 0,
        .source_count = (uint32_t)item->n_sources,
    };
    for (size_t i = 0; i < item->n_sources; i++)
        if (cidr_parse(item->sources[i], &settings->sources[i]) != STATUS_OK)
            return STATUS_INVALID;
    return STATUS_OK;
}

static void take_hash(struct accounts *accounts, struct token *token)
{
    struct pending_hash *hash = &accounts->token_hash;

    token->has_hash = hash->id == token->named.id;
    if (token->has_hash)
        memcpy(token->hash, hash->hash, sizeof(token->hash));
    OPENSSL_cleanse(hash, sizeof(*hash));
}

static enum status put_token(struct accounts *accounts, const Cenc__V1__Token *item, bool is_new)
{
    struct token_settings settings;
    struct named_facts facts = {0};

    if (item != NULL)
        facts = (struct named_facts){
            .id = item->id, .revision = item->revision, .name = item->name, .note = item->note};
    if (item == NULL || !named_facts_possible(&facts) ||
        read_settings(item, &settings) != STATUS_OK)
        return STATUS_INVALID;
    struct named *named = named_facts_entry(&accounts->tokens, &facts, sizeof(struct token));
    if (named == NULL)
        return STATUS_NO_MEMORY;
    raise_last_id(&accounts->last_token, facts.id);
    if (named->revision >= facts.revision)
        return STATUS_OK;
    struct token *token = token_of(named);
    named_facts_set(&accounts->tokens, named, &facts);
    token->settings = settings;
    token->added_utc_ms = item->added_unix_ms > 0 ? (uint64_t)item->added_unix_ms : 0;
    if (is_new)
        take_hash(accounts, token);
    return STATUS_OK;
}

static enum status remove_token(struct accounts *accounts, const Cenc__V1__Token *item)
{
    return item != NULL ? named_facts_remove(accounts, &accounts->tokens, NULL,
                                             &accounts->last_token, item->id)
                        : STATUS_INVALID;
}

enum status tokens_apply(struct accounts *accounts, const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_TOKEN_ADDED:
        return put_token(accounts, event->token_added->item, true);
    case CENC__V1__EVENT__BODY_TOKEN_CHANGED:
        return put_token(accounts, event->token_changed->item, false);
    case CENC__V1__EVENT__BODY_TOKEN_REMOVED:
        return remove_token(accounts, event->token_removed->item);
    default:
        return STATUS_OK;
    }
}

enum status tokens_apply_hash(struct accounts *accounts, const Cenc__Private__V1__TokenHash *record)
{
    if (record->id == 0 || record->hash.len != TOKEN_HASH_SIZE)
        return STATUS_INVALID;
    accounts->token_hash.id = record->id;
    memcpy(accounts->token_hash.hash, record->hash.data, TOKEN_HASH_SIZE);
    return STATUS_OK;
}

/* ---- the table to records ---- */

void token_message(const struct token_info *info, struct token_message *message)
{
    Cenc__V1__Token *token = &message->token;

    cenc__v1__token__init(token);
    token->id = info->id;
    token->revision = info->revision;
    token->name = proto_string(info->name);
    token->note = proto_string(info->note);
    token->role = (Cenc__V1__Role)info->settings.role;
    token->disabled = !info->settings.enabled;
    token->expires_unix_ms = (int64_t)info->settings.expires_utc_ms;
    token->added_unix_ms = (int64_t)info->added_utc_ms;
    for (uint32_t i = 0; i < info->settings.source_count; i++)
        message->source_list[i] = cidr_text(&info->settings.sources[i], message->sources[i]);
    token->n_sources = info->settings.source_count;
    token->sources = message->source_list;
}

void token_hash_message(uint32_t id, const char *name, const uint8_t *hash,
                        struct token_hash_message *message)
{
    cenc__private__v1__record__init(&message->record);
    cenc__private__v1__token_hash__init(&message->body);
    message->body.id = id;
    message->body.owner = proto_string(name);
    message->body.hash.data = (uint8_t *)hash;
    message->body.hash.len = TOKEN_HASH_SIZE;
    message->record.body_case = CENC__PRIVATE__V1__RECORD__BODY_TOKEN_HASH;
    message->record.token_hash = &message->body;
}

static bool copy_hash(struct directory *directory, uint32_t id, uint8_t hash[TOKEN_HASH_SIZE])
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(&accounts->tokens, id);
    bool there = named != NULL && token_of(named)->has_hash;

    if (there)
        memcpy(hash, token_of(named)->hash, TOKEN_HASH_SIZE);
    accounts_unlock(accounts);
    return there;
}

static enum status walk_token(struct directory *directory, const struct token_info *info,
                              const struct account_visitor *visitor)
{
    struct token_hash_message secret;
    struct token_message message;
    uint8_t hash[TOKEN_HASH_SIZE];
    enum status status = STATUS_OK;

    if (copy_hash(directory, info->id, hash)) {
        token_hash_message(info->id, info->name, hash, &secret);
        status = visitor->private(&secret.record, visitor->context);
    }
    token_message(info, &message);
    return status == STATUS_OK
               ? item_event_visit(visitor, CENC__V1__EVENT__BODY_TOKEN_ADDED, &message.token.base)
               : status;
}

enum status tokens_last_id(uint32_t last, const struct account_visitor *visitor)
{
    Cenc__V1__Token item = CENC__V1__TOKEN__INIT;

    item.id = last;
    return item_event_visit(visitor, CENC__V1__EVENT__BODY_TOKEN_REMOVED, &item.base);
}

enum status tokens_walk(struct directory *directory, const struct account_visitor *visitor)
{
    struct accounts *accounts = accounts_read(directory);
    uint32_t last = accounts->last_token;
    struct token_info info = {0};

    accounts_unlock(accounts);
    enum status status = tokens_last_id(last, visitor);
    while (status == STATUS_OK && tokens_list(directory, info.id, &info, 1) == 1)
        status = walk_token(directory, &info, visitor);
    return status;
}
