/* Registration: making an identified link known, and the rule for two links of one device.
 *
 * The newest wins, since a modem that lost its network leaves a half-open link behind. But while
 * the older link is in a session that moves bytes, or the device changes links too often, the
 * newcomer is held: it sends a challenge to the older link's shard, and the older link either
 * proves alive by a byte from the device within hold_s (the newcomer is closed), or gives way. A
 * newcomer that leaves meanwhile withdraws its challenge: nobody wants the place any more. */
#include <cenc/v1/events.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/bridge/session.h"
#include "server/directory/edit.h"
#include "server/link/events.h"
#include "server/link/greeting.h"

#define RECORD_PATIENCE_MS 30000u
#define HELD_GRACE_MS      5000u /* beyond the hold: the other shard is stuck */

enum decision { WAY_IS_FREE, OLDER_IS_ALIVE, OVERTAKEN };

/* Goes to the older link's shard, and back with the decision. */
struct challenge {
    struct message message;
    struct list node; /* in the shard of link, while that has to prove alive */
    struct link *link;
    struct device *device;
    struct link_ref newcomer;
    struct link_ref occupant;
    enum decision decision;
    bool flapping;
};

/* The newcomer left before it had its verdict. */
struct withdrawal {
    struct message message;
    struct link_ref newcomer;
    struct link_ref occupant;
};

static void post(struct shard *from, uint16_t to, struct message *message)
{
    atomic_fetch_add(&from->server->messages, 1);
    reactor_post(from->reactor, from->server->shards[to]->reactor, message);
}

/* ---- the newcomer ---- */

/* By the wall clock, as gasps are told. */
static uint64_t accepted_utc_ms(const struct link *link)
{
    struct reactor *reactor = link->stream.reactor;
    uint32_t age_ms = (uint32_t)reactor_now_ms(reactor) - link->connected_at_ms;
    return reactor_utc_ms(reactor) - age_ms;
}

/* What came with the greeting is the device's first data; NULL: nothing did, or no memory. */
static struct chunk *greeting_rest(struct link *link)
{
    const struct greeting *greeting = link->greeting;
    uint32_t size = greeting->size - greeting->consumed;
    struct chunk *rest = size > 0 ? chunk_allocate(link->stream.reactor, size) : NULL;
    if (rest != NULL) {
        memcpy(rest->data, greeting->bytes + greeting->consumed, size);
        rest->size = size;
    }
    return rest;
}

static void registered(struct link *link)
{
    struct shard *shard = link_shard(link);
    const struct plugin_identity *identity = &link->greeting->identity;
    char peer[ADDRESS_TEXT_SIZE];
    char model[128];
    link_log(link, LOG_INFO, "registered",
             "listener=%s peer=%s model=%s csq=%u direct_port=%u epoch=%u",
             link_listener(link)->name, address_format(&link->peer, peer),
             log_quote(identity->model, model, sizeof model), identity->signal_csq,
             link->direct_port, link->epoch);
    count_up(&link_counters(link)->identified, 1);
    events_connected(link);
    if (directory_needs_place(shard->server->directory, link->device))
        editor_place(shard->server->editor, link->device);
    events_power_restored(shard, link->device, accepted_utc_ms(link), RESTORED_BY_LINK);
    if (shard->server->hooks.device_online != NULL)
        shard->server->hooks.device_online(shard, link->device, link->direct_port, link->epoch);
    struct chunk *rest = greeting_rest(link);
    bool lost = rest == NULL && link->greeting->size > link->greeting->consumed;
    greeting_free(link);
    link_enter_idle(link);
    if (rest != NULL)
        idle_received(link, rest);
    else if (lost)
        link_close(link, CLOSE_LIMIT_MEMORY);
}

/* What the server says it knows must be on the disk: a new device waits for its record. */
static void added(struct shard *shard, struct device *device, struct link *link, enum status status)
{
    (void)shard;
    (void)device;
    if (link == NULL)
        return;
    if (status != STATUS_OK) {
        link_close(link, CLOSE_SERVER_JOURNAL);
        return;
    }
    link_log(link, LOG_INFO, "new device", "kind=%s", link->greeting->identity.kind);
    registered(link);
}

static void record_late(struct timer *timer)
{
    link_close(container_of(timer, struct link, timer), CLOSE_SERVER_JOURNAL);
}

static void register_new(struct link *link)
{
    link->state = LINK_HELD;
    link_start_timer(link, record_late, RECORD_PATIENCE_MS);
    if (events_device_added(link, added) != STATUS_OK)
        link_close(link, CLOSE_SERVER_JOURNAL);
}

static void hold_over(struct timer *timer)
{
    link_close(container_of(timer, struct link, timer), CLOSE_LINK_HOLD_TIMEOUT);
}

static void withdrawal_arrives(struct message *message, struct reactor *reactor);

/* Allocated beforehand: a withdrawal must not fail. */
static bool prepare_withdrawal(struct link *link, const struct link_ref *occupant)
{
    struct withdrawal *withdrawal = malloc(sizeof *withdrawal);
    if (withdrawal == NULL)
        return false;
    withdrawal->message.deliver = withdrawal_arrives;
    withdrawal->newcomer = link_ref(link);
    withdrawal->occupant = *occupant;
    CHECK(link->greeting->withdrawal == NULL);
    link->greeting->withdrawal = withdrawal;
    return true;
}

/* From here on the link tells when it ends. */
static void watch_held(struct link *link)
{
    link->state = LINK_HELD;
    stream_receive_stop(&link->stream);
    stream_watch(&link->stream);
}

static void hold(struct link *link, const struct registration *registration)
{
    struct shard *shard = link_shard(link);
    const struct config *config = shard->server->config;
    struct challenge *challenge = malloc(sizeof *challenge);
    if (challenge == NULL || !prepare_withdrawal(link, &registration->occupant)) {
        free(challenge);
        link_close(link, CLOSE_LIMIT_MEMORY);
        return;
    }
    watch_held(link);
    link_start_timer(link, hold_over, config->links.hold_s * 1000ull + HELD_GRACE_MS);
    challenge->message.deliver = registration_challenge;
    challenge->device = registration->device;
    challenge->newcomer = link_ref(link);
    challenge->occupant = registration->occupant;
    challenge->flapping = registration->flapping;
    if (registration->other_network) {
        count_up(&shard->counters.other_network, 1);
        link_log(link, LOG_WARN, "the device dials in from another network",
                 "security=replacement");
        events_security(link, CENC__V1__SECURITY_KIND__SECURITY_KIND_REPLACED_FROM_OTHER_NETWORK,
                        NULL, "");
    }
    post(shard, registration->occupant.shard, &challenge->message);
}

void registration_begin(struct link *link, const struct plugin_identity *identity)
{
    struct shard *shard = link_shard(link);
    struct registration registration = {
        .scope = link_listener(link)->scope,
        .identity = identity,
        .link = link_ref(link),
        .peer = link->peer,
        .listener = link->listener,
        .utc_ms = reactor_utc_ms(shard->reactor),
        .now_ms = reactor_now_ms(shard->reactor),
    };
    link_identified(link);
    enum registration_result result = directory_register(shard->server->directory, &registration);
    link->device = registration.device;
    link->epoch = registration.epoch;
    link->direct_port = registration.direct_port;
    switch (result) {
    case REGISTERED_NEW:
        register_new(link);
        break;
    case REGISTERED_AGAIN:
        if (registration.changed)
            events_device_changed(link);
        registered(link);
        break;
    case REGISTRATION_OCCUPIED:
        hold(link, &registration);
        break;
    case REGISTRATION_OUTDATED:
        link_close(link, CLOSE_LINK_REPLACED);
        break;
    case REGISTRATION_FULL:
        link_close(link, CLOSE_LIMIT_DEVICES);
        break;
    }
}

void registration_withdraw(struct link *link)
{
    struct withdrawal *withdrawal = link->greeting->withdrawal;
    if (withdrawal == NULL)
        return;
    link->greeting->withdrawal = NULL;
    post(link_shard(link), withdrawal->occupant.shard, &withdrawal->message);
}

void registration_last_words(struct link *link)
{
    struct chunk *rest = greeting_rest(link);
    if (rest != NULL)
        link_take_unread(link, rest);
}

static void follow(struct link *link, enum decision decision)
{
    free(link->greeting->withdrawal); /* the challenge is over */
    link->greeting->withdrawal = NULL;
    switch (decision) {
    case WAY_IS_FREE:
        registration_begin(link, &link->greeting->identity);
        break;
    case OLDER_IS_ALIVE:
        link_close(link, CLOSE_LINK_OLDER_ALIVE);
        break;
    case OVERTAKEN:
        link_close(link, CLOSE_LINK_OVERTAKEN);
        break;
    }
}

/* In the newcomer's shard. */
static void verdict_arrives(struct message *message, struct reactor *reactor)
{
    struct challenge *challenge = container_of(message, struct challenge, message);
    struct shard *shard = shard_of(reactor);
    struct link *link = link_find(shard, &challenge->newcomer);
    if (link != NULL && link->state == LINK_HELD) {
        follow(link, challenge->decision);
    } else if (challenge->decision == WAY_IS_FREE) {
        /* nobody came in place of the link that gave way */
        struct device_info info;
        directory_get(shard->server->directory, challenge->device, &info);
        if (info.link.id == 0)
            link_device_offline(shard, challenge->device, info.direct_port, info.epoch);
    }
    atomic_fetch_sub(&shard->server->messages, 1);
    free(challenge);
}

/* ---- the older link ---- */

static void answer(struct shard *shard, struct challenge *challenge, enum decision decision)
{
    challenge->decision = decision;
    challenge->message.deliver = verdict_arrives;
    post(shard, challenge->newcomer.shard, &challenge->message);
}

static struct challenge *challenge_of(const struct link *link)
{
    struct list *challenges = &link_shard(link)->challenges;
    if ((link->link_flags & LINK_CHALLENGED) == 0)
        return NULL;
    for (struct list *node = challenges->next; node != challenges; node = node->next) {
        struct challenge *challenge = container_of(node, struct challenge, node);
        if (challenge->link == link)
            return challenge;
    }
    CHECK(false);
    return NULL;
}

static void forget(struct challenge *challenge)
{
    challenge->link->link_flags &= (uint8_t)~LINK_CHALLENGED;
    list_remove(&challenge->node);
}

static void answer_challenger(struct link *link, enum decision decision)
{
    struct challenge *challenge = challenge_of(link);
    if (challenge == NULL)
        return;
    forget(challenge);
    answer(link_shard(link), challenge, decision);
}

void registration_link_gone(struct link *link)
{
    answer_challenger(link, WAY_IS_FREE);
}

void link_proves_alive(struct link *link)
{
    if ((link->link_flags & LINK_CHALLENGED) == 0)
        return;
    link_log(link, LOG_WARN, "proved alive: the newcomer with the same serial is closed",
             "security=duplicate");
    events_security(link, CENC__V1__SECURITY_KIND__SECURITY_KIND_DUPLICATE_DEVICE, NULL,
                    "the older connection proved alive; the newcomer was closed");
    answer_challenger(link, OLDER_IS_ALIVE);
    link_restart_timer(link);
}

static void give_way(struct link *link)
{
    struct shard *shard = link_shard(link);
    struct link_ref ref = link_ref(link);
    directory_replaced(shard->server->directory, link->device, &ref,
                       reactor_now_ms(shard->reactor));
    link_close(link, CLOSE_LINK_REPLACED);
}

static void proof_is_late(struct timer *timer)
{
    give_way(container_of(timer, struct link, timer));
}

static bool moves_bytes(const struct link *link)
{
    const struct shard *shard = link_shard(link);
    if (link->state != LINK_IN_SESSION)
        return false;
    uint64_t still_ms = reactor_now_ms(shard->reactor) - link->session->moved_ms;
    return still_ms < shard->server->config->links.hold_s * 1000ull;
}

/* The newest of several newcomers waits; the others have lost. */
static void await_proof(struct link *link, struct challenge *challenge)
{
    struct shard *shard = link_shard(link);
    bool waiting = (link->link_flags & LINK_CHALLENGED) != 0;
    answer_challenger(link, OVERTAKEN);
    challenge->link = link;
    list_append(&shard->challenges, &challenge->node);
    link->link_flags |= LINK_CHALLENGED;
    count_up(&shard->counters.held, 1);
    if (!waiting)
        link_start_timer(link, proof_is_late, shard->server->config->links.hold_s * 1000ull);
}

static void decide(struct shard *shard, struct challenge *challenge)
{
    struct link *link = link_find(shard, &challenge->occupant);
    if (link != NULL) {
        CHECK(link->device == challenge->device);
        const struct challenge *former = challenge_of(link);
        if (former != NULL && former->newcomer.id > challenge->newcomer.id) {
            answer(shard, challenge, OVERTAKEN);
            return;
        }
        if (moves_bytes(link) || challenge->flapping) {
            await_proof(link, challenge);
            return;
        }
        give_way(link);
    }
    answer(shard, challenge, WAY_IS_FREE);
}

/* In the older link's shard. */
void registration_challenge(struct message *message, struct reactor *reactor)
{
    struct challenge *challenge = container_of(message, struct challenge, message);
    struct shard *shard = shard_of(reactor);
    decide(shard, challenge);
    atomic_fetch_sub(&shard->server->messages, 1);
}

/* In the older link's shard. Another one may wait by now, or the decision be on its way. */
static void withdrawal_arrives(struct message *message, struct reactor *reactor)
{
    struct withdrawal *withdrawal = container_of(message, struct withdrawal, message);
    struct shard *shard = shard_of(reactor);
    struct link *link = link_find(shard, &withdrawal->occupant);
    struct challenge *challenge = link != NULL ? challenge_of(link) : NULL;
    if (challenge != NULL && challenge->newcomer.id == withdrawal->newcomer.id) {
        link_log(link, LOG_INFO, "the newcomer left", "newcomer=%llu",
                 (unsigned long long)withdrawal->newcomer.id);
        forget(challenge);
        free(challenge);
        link_restart_timer(link);
    }
    atomic_fetch_sub(&shard->server->messages, 1);
    free(withdrawal);
}
