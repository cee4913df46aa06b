/* Greeting: who is it? The listener's plugins look at what came so far, in order; one-shot receives
 * until one of them knows, within a deadline and a byte cap. */
#include "server/link/greeting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/link/push.h"

static void wake(struct timer *timer);
static void deadline(struct timer *timer);
static void ask_plugins(struct link *link);

void greeting_begin(struct link *link)
{
    const struct config_listener *listener = link_listener(link);
    struct greeting *greeting =
        calloc(1, sizeof *greeting + listener->plugin_count * PLUGIN_STATE_SIZE);
    if (greeting == NULL) {
        link_close(link, CLOSE_LIMIT_MEMORY);
        return;
    }
    greeting->link = link;
    greeting->started_ms = reactor_now_ms(link->stream.reactor);
    greeting->last_byte_ms = greeting->started_ms;
    timer_init(&greeting->wake, wake);
    link->greeting = greeting;
    link_start_timer(link, deadline, listener->greeting_timeout_s * 1000ull);
    ask_plugins(link);
    if (link->state == LINK_GREETING)
        stream_receive(&link->stream, RECEIVE_ONCE);
}

void greeting_free(struct link *link)
{
    struct greeting *greeting = link->greeting;
    link->greeting = NULL;
    if (greeting == NULL)
        return;
    timer_stop(&greeting->wake);
    free(greeting->withdrawal);
    free(greeting->bytes);
    free(greeting);
}

/* ---- asking ---- */

static void identified(struct link *link, uint8_t plugin, const struct plugin_greeting *answer)
{
    struct greeting *greeting = link->greeting;
    link->plugin = plugin;
    link->link_flags = (uint8_t)answer->link_flags;
    memcpy(link->plugin_state, greeting->states[plugin], PLUGIN_STATE_SIZE);
    greeting->identity = answer->identity;
    greeting->identity.serial[PLUGIN_SERIAL_SIZE - 1] = '\0';
    greeting->consumed =
        answer->consumed < greeting->size ? (uint32_t)answer->consumed : greeting->size;
    timer_stop(&greeting->wake);
    timer_stop(&link->timer);
    registration_begin(link, &greeting->identity);
}

static enum plugin_verdict ask(struct link *link, size_t index, uint32_t input_flags,
                               struct plugin_greeting *answer, struct plugin_push *push,
                               uint8_t reply[PLUGIN_REPLY_SIZE])
{
    struct greeting *greeting = link->greeting;
    struct reactor *reactor = link->stream.reactor;
    const struct config_plugin *plugin = &link_listener(link)->plugins[index];
    memset(answer, 0, sizeof *answer);
    answer->data = greeting->bytes;
    answer->size = greeting->size;
    answer->now_ms = reactor_now_ms(reactor);
    answer->quiet_ms = answer->now_ms - greeting->last_byte_ms;
    answer->utc_ms = reactor_utc_ms(reactor);
    answer->reply = reply;
    answer->push = push;
    answer->input_flags = input_flags;
    memset(push, 0, sizeof *push);
    answer->identity.signal_csq = PLUGIN_SIGNAL_UNKNOWN;
    return plugin->plugin->identify(plugin->instance, greeting->states[index], answer);
}

static void send_reply(struct link *link, const uint8_t *reply, size_t size)
{
    CHECK(size <= PLUGIN_REPLY_SIZE);
    if (size == 0)
        return;
    if (stream_send_copy(&link->stream, reply, (uint32_t)size) == STATUS_OK)
        link_count_sent(link, (uint32_t)size);
    else
        link_log(link, LOG_WARN, "no memory to answer", "");
}

/* A message that is no greeting: handed on, taken out, and everybody is asked anew about what is
 * behind it. False: the plugin broke its contract. */
static bool pushed(struct link *link, size_t plugin, const struct plugin_greeting *answer)
{
    struct greeting *greeting = link->greeting;
    struct push_source source = {
        .shard = link_shard(link),
        .listener = link->listener,
        .plugin = (uint8_t)plugin,
        .link = link_ref(link),
        .peer = link->peer,
        .utc_ms = answer->utc_ms,
    };
    size_t taken = answer->consumed;
    if (taken == 0 || taken > greeting->size)
        return false;
    answer->push->serial[PLUGIN_SERIAL_SIZE - 1] = '\0';
    answer->push->rule[PLUGIN_RULE_SIZE - 1] = '\0';
    greeting->owed += answer->push->ack_size > 0;
    push_received(&source, answer->push);
    greeting->size -= (uint32_t)taken;
    memmove(greeting->bytes, greeting->bytes + taken, greeting->size);
    greeting->pushes++;
    greeting->declined = 0;
    greeting->why = NULL;
    memset(greeting->states, 0, link_listener(link)->plugin_count * PLUGIN_STATE_SIZE);
    return true;
}

bool greeting_only_pushed(const struct link *link)
{
    return link->greeting != NULL && link->greeting->pushes > 0 && link->greeting->size == 0;
}

struct answers {
    uint32_t wake_in_ms;
    bool waiting;
    bool probing;    /* the line is one plugin's until it has its answer */
    bool identified; /* the greeting is over */
};

/* What one plugin answers; true: the others need not be asked. May register the link. */
static bool ask_one(struct link *link, size_t index, struct answers *answers)
{
    struct greeting *greeting = link->greeting;
    struct plugin_greeting answer;
    struct plugin_push push;
    uint8_t reply[PLUGIN_REPLY_SIZE];
    enum plugin_verdict verdict = ask(link, index, 0, &answer, &push, reply);
    if (verdict == PLUGIN_PUSHED && pushed(link, index, &answer)) {
        *answers = (struct answers){0};
        return true;
    }
    if (verdict == PLUGIN_NOT_MINE || verdict == PLUGIN_PUSHED) {
        greeting->declined |= 1u << index;
        greeting->why = answer.why;
        return false;
    }
    send_reply(link, reply, answer.reply_size);
    if (verdict == PLUGIN_IDENTIFIED) {
        answers->identified = true;
        identified(link, (uint8_t)index, &answer);
        return true;
    }
    answers->waiting = true;
    answers->probing = verdict == PLUGIN_PROBE;
    if (answer.wake_in_ms > 0 &&
        (answers->wake_in_ms == 0 || answer.wake_in_ms < answers->wake_in_ms))
        answers->wake_in_ms = answer.wake_in_ms;
    return answers->probing;
}

/* Asks each plugin that hasn't declined, and all of them again after a push. May close or register
 * the link. */
static void ask_plugins(struct link *link)
{
    const struct config_listener *listener = link_listener(link);
    struct greeting *greeting = link->greeting;
    struct answers answers;
    uint32_t pushes;
    do {
        pushes = greeting->pushes;
        answers = (struct answers){0};
        for (size_t i = 0; i < listener->plugin_count; i++)
            if ((greeting->declined & (1u << i)) == 0 && ask_one(link, i, &answers))
                break;
        if (answers.identified)
            return;
    } while (greeting->pushes != pushes);
    if (!answers.waiting && !greeting_owes_answers(link, CLOSE_GREETING_UNKNOWN))
        link_close(link, CLOSE_GREETING_UNKNOWN);
    else if (greeting->ended)
        return; /* it is answered, and hears no more */
    else if (greeting->size >= listener->greeting_max_bytes)
        link_close(link, CLOSE_GREETING_TOO_LONG);
    else if (answers.wake_in_ms > 0)
        timer_start_fine(link->stream.reactor, &greeting->wake, answers.wake_in_ms);
}

/* ---- the end ---- */

/* True if a plugin took a message that nothing can follow any more. */
static bool ask_at_the_end(struct link *link, size_t index, bool hears)
{
    struct plugin_greeting answer;
    struct plugin_push push;
    uint8_t reply[PLUGIN_REPLY_SIZE];
    if ((link->greeting->declined & (1u << index)) != 0 ||
        ask(link, index, PLUGIN_GREETING_ENDED, &answer, &push, reply) != PLUGIN_PUSHED)
        return false;
    if (!hears)
        push.ack_size = 0;
    return pushed(link, index, &answer);
}

void greeting_last_words(struct link *link, bool hears)
{
    size_t plugins = link_listener(link)->plugin_count;
    bool taken = true;
    while (taken && link->greeting->size > 0) {
        taken = false;
        for (size_t i = 0; i < plugins && !taken; i++)
            taken = ask_at_the_end(link, i, hears);
    }
}

bool greeting_owes_answers(struct link *link, enum close_reason reason)
{
    struct greeting *greeting = link->greeting;
    greeting->reason = reason;
    timer_stop(&greeting->wake);
    greeting->ended = greeting->owed > 0 || (greeting->pushes > 0 && link->stream.queued_bytes > 0);
    return greeting->ended;
}

void greeting_answered(struct link *link)
{
    /* in a session something else stands in its place */
    if (link->state == LINK_GREETING && link->greeting != NULL && link->greeting->owed > 0)
        link->greeting->owed--;
}

void greeting_sent(struct link *link)
{
    const struct greeting *greeting = link->greeting;
    if (link->state == LINK_GREETING && greeting != NULL && greeting->ended &&
        greeting->owed == 0 && link->stream.queued_bytes == 0)
        link_close(link, greeting->reason);
}

/* ---- bytes and time ---- */

static bool append(struct greeting *greeting, const struct chunk *chunk)
{
    uint8_t *bytes = realloc(greeting->bytes, greeting->size + chunk->size);
    if (bytes == NULL)
        return false;
    memcpy(bytes + greeting->size, chunk->data, chunk->size);
    greeting->bytes = bytes;
    greeting->size += chunk->size;
    return true;
}

void greeting_received(struct link *link, struct chunk *chunk)
{
    struct greeting *greeting = link->greeting;
    bool kept = append(greeting, chunk);
    chunk_free(link->stream.reactor, chunk);
    if (!kept) {
        link_close(link, CLOSE_LIMIT_MEMORY);
        return;
    }
    greeting->last_byte_ms = reactor_now_ms(link->stream.reactor);
    if (link->state == LINK_HELD) { /* the bytes wait with it; what is beyond the cap, outside */
        if (greeting->size - greeting->consumed < link_listener(link)->greeting_max_bytes)
            stream_watch(&link->stream);
        return;
    }
    ask_plugins(link);
    if (link->state == LINK_GREETING && !link->greeting->ended)
        stream_receive(&link->stream, RECEIVE_ONCE);
}

static void wake(struct timer *timer)
{
    ask_plugins(container_of(timer, struct greeting, wake)->link);
}

static void deadline(struct timer *timer)
{
    link_close(container_of(timer, struct link, timer), CLOSE_GREETING_TIMEOUT);
}
