/* The whole server under many seeds: devices, agents and strangers do as they please in a network
 * that delays, cuts, stalls and resets. What holds then:
 *
 *  - An agent reads exactly what its device said, in order, from one place on; everything up to the
 *    device's FIN if it stayed and read. Keepalives and frames are taken out (a keepalive over a
 *    plain link only where the network is punctual). A device hears exactly what agents said.
 *  - A device has one session at a time, all devices of an exclusive channel together too, and an
 *    agent one session at most. Nobody who waits is forgotten. Every connection ends
 *    once, with one reason that is logged and counted.
 *  - Gauges and directory agree with the links and sessions that there are, between any two turns.
 *  - The bytes that wait in a session are bounded.
 *  - After a stop at any moment the server is quiet soon and nothing is left of it.
 *  - A modem's password is in no log line and in no failed identification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/bridge/session.h"
#include "tests/sim/play.h"
#include "tests/sim/seeds.h"

#define SEEDS 8000u
static struct play play;

/* What all seeds together brought about. */
static struct {
    uint64_t closed[CLOSE_REASON_COUNT];
    uint64_t held;
    uint64_t other_network;
    uint64_t moves;
    uint64_t waited; /* where there are channels */
    uint64_t stalled;
    uint64_t no_buffers;
    uint64_t stripped; /* keepalives that no agent saw, where that is promised */
    uint64_t whole;    /* sessions whose agent got all up to the device's FIN */
    uint64_t failed;   /* identifications */
    unsigned runs;
} total;

/* ---- what happens ---- */

static void pump(bool all)
{
    for (uint32_t i = 0; i < play.dial_count; i++)
        if (all || dial_says_hello(&play.dials[i]) || sim_chance(play.site.sim, 500))
            dial_pump(&play, &play.dials[i]);
    for (uint32_t i = 0; i < play.agent_count; i++)
        agent_pump(&play, &play.agents[i]);
}

/* Hellos go on meanwhile: a pause within one looks like its end. */
static void sleep_for(uint64_t ms)
{
    while (ms > 0) {
        uint64_t slice_ms = ms < 700 ? ms : 700;
        site_run(&play.site, slice_ms);
        pump(play.strict);
        ms -= slice_ms;
    }
}

static uint32_t recent(uint32_t count)
{
    uint32_t among = count < 8 ? count : 8;
    return count - 1 - (uint32_t)sim_below(play.site.sim, among);
}

static void act(void)
{
    switch (sim_below(play.site.sim, 12)) {
    case 0:
        dial_in(&play);
        break;
    case 1:
        agent_come(&play);
        break;
    case 2:
        if (sim_chance(play.site.sim, 300))
            stranger_come(&play);
        break;
    case 3:
        if (play.stranger_count > 0)
            stranger_act(&play, &play.strangers[recent(play.stranger_count)]);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        if (play.dial_count > 0)
            dial_act(&play, &play.dials[recent(play.dial_count)]);
        break;
    default:
        if (play.agent_count > 0)
            agent_act(&play, &play.agents[recent(play.agent_count)]);
    }
}

static void go_on(void)
{
    static const uint32_t sleeps_ms[] = {10, 100, 100, 1000, 1000, 5000, 15000, 60000};
    struct sim *sim = play.site.sim;
    if (sim_chance(sim, 40)) {
        sleep_for(1 + sim_below(sim, sleeps_ms[sim_below(sim, 8)]));
        return;
    }
    for (uint64_t steps = sim_below(sim, 12); steps > 0; steps--)
        (void)site_step(&play.site);
}

static void live(void)
{
    uint64_t actions = 50 + sim_below(play.site.sim, 1150);
    for (uint64_t i = 0; i < actions; i++) {
        act();
        go_on();
        pump(play.strict);
        if (i % 8 == 0)
            site_check(&play.site);
    }
}

/* ---- the end ---- */

static uint64_t progress(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < play.dial_count; i++)
        sum += play.dials[i].heard + UINT32_MAX - play.dials[i].wire_size;
    for (uint32_t i = 0; i < play.agent_count; i++)
        sum += play.agents[i].raw;
    return sum;
}

/* Everybody who is still there reads, in a network without faults. */
static void calm_down(void)
{
    sim_calm_down(play.site.sim);
    for (uint32_t i = 0; i < play.agent_count; i++)
        if (play.agents[i].pause_ms > sim_now_ms(play.site.sim))
            play.agents[i].pause_ms = UINT64_MAX; /* but for those who have stopped reading */
    uint64_t before = UINT64_MAX;
    for (int still = 0; still < 60; still++) { /* longer than the longest stall */
        site_run(&play.site, 30);
        pump(true);
        if (progress() != before)
            still = 0;
        before = progress();
    }
    site_check(&play.site);
    site_check_ports(&play.site);
    site_check_channels(&play.site);
}

static void note_dial(struct dial *dial)
{
    const struct link *link = site_link(&play.site, &dial->address);
    dial->alive_at_end = dial->peer != NULL && !dial->vanished && link != NULL &&
                         sim_peer_state(dial->peer) == SIM_PEER_CONNECTED;
}

/* The network reset the connection: a send may have taken the error, and a receive sees an end. */
static bool was_reset(const struct agent *agent)
{
    return agent->peer != NULL && sim_peer_state(agent->peer) == SIM_PEER_RESET;
}

/* Whoever is joined and reads has read all there is; nothing is stuck. */
static void note_agent(struct agent *agent)
{
    const struct session *session = site_session(&play.site, &agent->address);
    bool there = agent->peer != NULL && !agent->left && !was_reset(agent);
    bool reads = there && agent->pause_ms <= sim_now_ms(play.site.sim);
    agent->joined_at_end = session != NULL;
    agent->fin_at_end = there && !agent->slow && sim_peer_state(agent->peer) == SIM_PEER_FIN;
    if (session == NULL || !there)
        return;
    if (reads) {
        SEEDS_REQUIRE(session->agent.queued_bytes == 0);
        SEEDS_REQUIRE(agent->raw == atomic_load(&session->entry.bytes_to_agent));
    }
    if (agent->hearer == NULL || !agent->hearer->alive_at_end)
        return;
    SEEDS_REQUIRE(agent->delivered == agent->written);
    if (reads && agent->speaker != NULL && agent->hearer->wire_size == 0)
        SEEDS_REQUIRE(agent->offset + agent->read == agent->hearer->payload);
}

static struct dial *dial_of_link(uint64_t link)
{
    for (uint32_t i = 0; i < play.dial_count; i++) {
        const struct site_end *end = site_end(&play.site, &play.dials[i].address);
        if (end->fate == SITE_LINK_CLOSED && end->link == link)
            return &play.dials[i];
    }
    seeds_failed("the link of a session is one of a device", __FILE__, __LINE__);
}

static void judge_session(struct agent *agent, const struct site_end *end, struct dial *dial)
{
    const struct site_end *link = site_end(&play.site, &dial->address);
    SEEDS_REQUIRE(dial->device == agent->device);
    agent_last_words(agent, dial);
    SEEDS_REQUIRE(agent->hearer == NULL || agent->hearer == dial);
    SEEDS_REQUIRE(agent->speaker == NULL || agent->speaker == dial);
    SEEDS_REQUIRE(agent->raw <= end->to_agent);
    SEEDS_REQUIRE(agent->delivered <= end->to_device);
    SEEDS_REQUIRE(end->to_device <= agent->written);
    if (agent->hearer != NULL && agent->read >= MATCH_BYTES)
        SEEDS_REQUIRE(agent->offset <= agent->heard_from);
    if (agent->shut && !was_reset(agent) &&
        (end->reason == CLOSE_AGENT_CLOSED || end->reason == CLOSE_SESSION_YIELDED))
        SEEDS_REQUIRE(end->to_device == agent->written);
    if (!agent->fin_at_end)
        return;
    SEEDS_REQUIRE(agent->raw == end->to_agent);
    if (end->reason == CLOSE_SESSION_DEVICE_GONE && link->reason == CLOSE_PEER_CLOSED &&
        dial->shut && agent->read >= MATCH_BYTES) {
        SEEDS_REQUIRE(agent->offset + agent->read == dial->payload);
        total.whole++;
    }
}

/* What agents said to a device that stayed has all arrived. */
static void judge_dial(const struct dial *dial)
{
    const struct site_end *end = site_end(&play.site, &dial->address);
    uint64_t said = 0;
    SEEDS_REQUIRE(end->fate == SITE_LINK_CLOSED || end->fate == SITE_UNKNOWN);
    if (!dial->alive_at_end)
        return;
    SEEDS_REQUIRE(end->fate == SITE_LINK_CLOSED);
    for (uint32_t i = 0; i < play.agent_count; i++) {
        const struct site_end *session = site_end(&play.site, &play.agents[i].address);
        if (session->fate == SITE_SESSION_FINISHED && session->link == end->link)
            said += session->to_device;
    }
    SEEDS_REQUIRE(dial->heard == said);
}

/* No byte went to two agents. */
static void judge_overlaps(void)
{
    for (uint32_t i = 0; i < play.agent_count; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct agent *a = &play.agents[i];
            const struct agent *b = &play.agents[j];
            if (a->speaker != NULL && a->speaker == b->speaker && a->read >= MATCH_BYTES &&
                b->read >= MATCH_BYTES)
                SEEDS_REQUIRE(a->offset + a->read <= b->offset || b->offset + b->read <= a->offset);
        }
}

static void judge(void)
{
    for (uint32_t i = 0; i < play.agent_count; i++) {
        struct agent *agent = &play.agents[i];
        const struct site_end *end = site_end(&play.site, &agent->address);
        SEEDS_REQUIRE(end->fate != SITE_LINK_CLOSED);
        if (end->fate == SITE_SESSION_FINISHED) {
            judge_session(agent, end, dial_of_link(end->link));
        } else {
            SEEDS_REQUIRE(agent->raw == 0 && agent->hearer == NULL && !agent->joined_at_end);
            if (agent->fin_at_end)
                SEEDS_REQUIRE(end->fate == SITE_AGENT_REFUSED);
        }
    }
    for (uint32_t i = 0; i < play.dial_count; i++)
        judge_dial(&play.dials[i]);
    judge_overlaps();
    SEEDS_REQUIRE(strstr(play.site.log_text, PLAY_SECRET) == NULL);
}

#define FAILED_READ 64u

static void judge_failed(void)
{
    static struct failed_identification failed[FAILED_READ];
    size_t count = failed_log_read(play.site.server->failed, failed, FAILED_READ);
    total.failed += count;
    for (size_t i = 0; i < count; i++) {
        SEEDS_REQUIRE(failed[i].kept <= FAILED_BYTES && failed[i].kept <= failed[i].size);
        SEEDS_REQUIRE(
            memmem(failed[i].bytes, failed[i].kept, PLAY_SECRET, sizeof PLAY_SECRET - 1) == NULL);
    }
}

static void add_up(void)
{
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        total.closed[i] += play.site.at_stop[i];
    for (uint32_t i = 0; i < play.site.server->shard_count; i++) {
        const struct shard *shard = play.site.server->shards[i];
        const struct reactor_counters *counters = reactor_counters(shard->reactor);
        total.held += atomic_load(&shard->counters.held);
        if (play.strict)
            total.stripped += atomic_load(&shard->counters.keepalives);
        if (play.channels)
            total.waited += atomic_load(&shard->counters.waited);
        total.other_network += atomic_load(&shard->counters.other_network);
        total.moves += atomic_load(&counters->moves);
        total.stalled += atomic_load(&counters->stalled_sends);
        total.no_buffers += atomic_load(&counters->no_buffers);
    }
    total.runs++;
}

/* Returns what tells one run from another. */
static uint64_t run_world(uint64_t seed)
{
    play_open(&play, seed);
    live();
    if (!sim_chance(play.site.sim, 300)) { /* otherwise it is stopped in the midst of it all */
        calm_down();
        for (uint32_t i = 0; i < play.dial_count; i++)
            note_dial(&play.dials[i]);
        for (uint32_t i = 0; i < play.agent_count; i++)
            note_agent(&play.agents[i]);
    } else {
        for (uint32_t i = 0; i < play.dial_count; i++)
            play.dials[i].alive_at_end = false;
        for (uint32_t i = 0; i < play.agent_count; i++)
            play.agents[i].fin_at_end = play.agents[i].joined_at_end = false;
    }
    site_stop(&play.site);
    if (play.site.log_file >= 0)
        judge();
    judge_failed();
    add_up();
    uint64_t hash = sim_trace_hash(play.site.sim);
    site_close(&play.site);
    return hash;
}

static void run_seed(uint64_t seed)
{
    (void)run_world(seed);
}

static void run_twice(uint64_t seed)
{
    SEEDS_REQUIRE(run_world(seed) == run_world(seed));
}

/* Otherwise a failing seed would not replay. */
static void the_same_seed_is_the_same_run(void **state)
{
    (void)state;
    seeds_run("same server", 40, run_twice);
    memset(&total, 0, sizeof total);
}

/* ---- what was reached ---- */

static void print_total(void)
{
    printf("%u runs; held %llu, from another network %llu, hand-overs %llu, stalled sends %llu, "
           "waits for a buffer %llu, keepalives taken out %llu, whole answers %llu, failed "
           "identifications %llu\n",
           total.runs, (unsigned long long)total.held, (unsigned long long)total.other_network,
           (unsigned long long)total.moves, (unsigned long long)total.stalled,
           (unsigned long long)total.no_buffers, (unsigned long long)total.stripped,
           (unsigned long long)total.whole, (unsigned long long)total.failed);
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        printf("%10s %-14s %llu\n", close_layer((enum close_reason)i),
               close_cause((enum close_reason)i), (unsigned long long)total.closed[i]);
}

/* What only a lack of memory, an error of the server, a lost message, a journal, a push
 * (test_push.c), logins and serials (test_agents.c) or a reader of events bring. */
static bool comes_from_elsewhere(enum close_reason reason)
{
    static const enum close_reason others[] = {
        CLOSE_LIMIT_MEMORY,         CLOSE_SERVER_ERROR,
        CLOSE_PEER_ERROR,           CLOSE_AGENT_ERROR,
        CLOSE_LINK_HOLD_TIMEOUT,    CLOSE_SESSION_UNRECORDED,
        CLOSE_SERVER_JOURNAL,       CLOSE_PUSH_DONE,
        CLOSE_LIMIT_CONSUMERS,      CLOSE_LIMIT_VISITORS,
        CLOSE_LIMIT_VISITOR_SOURCE, CLOSE_SESSION_KILLED,
        CLOSE_LISTENER_STOPPED,     CLOSE_LIMIT_ADMIN,
        CLOSE_LIMIT_ADMIN_SOURCE,
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (reason == others[i])
            return true;
    return strcmp(close_layer(reason), "consumer") == 0 ||
           strcmp(close_layer(reason), "admin") == 0 ||
           (reason >= CLOSE_AGENT_MALFORMED && reason <= CLOSE_AGENT_HUNG_UP) ||
           (reason >= CLOSE_SESSION_NOT_GRANTED && reason <= CLOSE_SESSION_NO_SERIAL);
}

static void require_variety(void)
{
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        if (!comes_from_elsewhere((enum close_reason)i))
            assert_int_not_equal(total.closed[i], 0);
    assert_true(total.held > total.closed[CLOSE_LINK_OLDER_ALIVE]);
    assert_int_not_equal(total.other_network, 0);
    assert_int_not_equal(total.moves, 0);
    assert_int_not_equal(total.waited, 0);
    assert_int_not_equal(total.stalled, 0);
    assert_int_not_equal(total.no_buffers, 0);
    assert_int_not_equal(total.stripped, 0);
    assert_int_not_equal(total.whole, 0);
    assert_int_not_equal(total.failed, 0);
}

static void all_holds_under_every_seed(void **state)
{
    (void)state;
    seeds_run("server", SEEDS, run_seed);
    print_total();
    if (total.runs >= 600)
        require_variety();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_is_the_same_run),
        cmocka_unit_test(all_holds_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
