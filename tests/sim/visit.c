/* Agents: they connect to the direct port of a device, or name it by SOCKS5; they talk, stop
 * reading, half-close, reset. */
#include <string.h>

#include "tests/sim/play.h"
#include "tests/sim/seeds.h"

/* ---- coming ---- */

/* The request, with whatever follows right behind it. */
static bool write_words(struct agent *agent)
{
    agent->words_at += (uint32_t)sim_peer_write(agent->peer, agent->words + agent->words_at,
                                                agent->words_size - agent->words_at);
    return agent->words_at == agent->words_size;
}

static void write_some(struct agent *agent, size_t size)
{
    uint8_t bytes[2048];
    if (!write_words(agent))
        return;
    for (size_t i = 0; i < size; i++) {
        uint64_t at = agent->written + i;
        if (at < AGENT_HEAD)
            bytes[i] = (uint8_t)(at == 0   ? AGENT_MARK
                                 : at == 1 ? agent->number >> 7
                                           : agent->number & 0x7f);
        else
            bytes[i] = play_byte(agent->number, at, true);
    }
    agent->written += sim_peer_write(agent->peer, bytes, size);
}

static uint16_t name_by_socks(struct agent *agent)
{
    size_t size = strlen(agent->device->serial);
    uint8_t *at = mempcpy(agent->words, "\5\1\0\5\1\0\3", 7);
    *at++ = (uint8_t)size;
    at = mempcpy(at, agent->device->serial, size);
    at = mempcpy(at, "\0\1", 2);
    agent->words_size = (uint32_t)(at - agent->words);
    agent->reply_left = 2 + 10;
    return strcmp(agent->device->scope, "other") == 0 ? SOCKS_PORT + 1 : SOCKS_PORT;
}

void agent_come(struct play *play)
{
    struct sim *sim = play->site.sim;
    const struct device_role *device = &play->devices[sim_below(sim, play->device_count)];
    struct device_info info;
    if (play->agent_count == PLAY_AGENTS ||
        !site_device(&play->site, device->scope, device->serial, &info))
        return;
    bool by_socks = sim_chance(sim, 300);
    if (info.direct_port == 0 && !by_socks)
        return;
    if (info.state == DEVICE_IN_SESSION && !sim_chance(sim, 150))
        return; /* mostly they find the line free */
    struct agent *agent = &play->agents[play->agent_count];
    memset(agent, 0, sizeof *agent);
    agent->device = device;
    agent->number = play->agent_count;
    agent->address = site_address(&play->site, sim_chance(sim, 50) ? "192.0.2.9" : "127.0.0.1");
    uint16_t port = by_socks ? name_by_socks(agent) : info.direct_port;
    agent->peer = site_dial(&play->site, port, &agent->address);
    if (agent->peer == NULL)
        return;
    play->agent_count++;
    if (sim_chance(sim, 500))
        write_some(agent, 1 + sim_below(sim, 100));
}

/* ---- reading ---- */

static bool said_at(const struct dial *dial, uint64_t offset, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != play_byte(dial->key, offset + i, !dial->device->encapsulated))
            return false;
    return true;
}

static bool find_in(struct dial *dial, struct agent *agent, size_t size)
{
    for (uint64_t offset = 0; offset + size <= dial->payload; offset++) {
        if (!said_at(dial, offset, agent->first, size))
            continue;
        agent->speaker = dial;
        agent->offset = offset;
        return true;
    }
    return false;
}

static void find_speaker(struct play *play, struct agent *agent)
{
    if (agent->hearer != NULL) {
        SEEDS_REQUIRE(find_in(agent->hearer, agent, MATCH_BYTES));
        return;
    }
    for (uint32_t i = play->dial_count; i > 0; i--)
        if (play->dials[i - 1].device == agent->device &&
            find_in(&play->dials[i - 1], agent, MATCH_BYTES))
            return;
    seeds_failed("what an agent reads was said by its device", __FILE__, __LINE__);
}

static void take_payload(struct play *play, struct agent *agent, uint8_t byte)
{
    if (agent->read < MATCH_BYTES) {
        agent->first[agent->read++] = byte;
        if (agent->read == MATCH_BYTES) {
            find_speaker(play, agent);
            /* nothing is lost that was said after the device heard the agent */
            if (agent->hearer != NULL)
                SEEDS_REQUIRE(agent->offset <= agent->heard_from);
        }
        return;
    }
    uint64_t at = agent->offset + agent->read++;
    SEEDS_REQUIRE(at < agent->speaker->payload);
    SEEDS_REQUIRE(byte ==
                  play_byte(agent->speaker->key, at, !agent->speaker->device->encapsulated));
}

/* Bytes of a plain device's keepalive: where the network wasn't punctual it may have come through,
 * in whole; at the beginning or end of a session in part. */
static bool take_keepalive(struct agent *agent, uint8_t byte)
{
    if (agent->device->encapsulated || byte < 0x80) {
        SEEDS_REQUIRE(agent->keepalive_at == 0);
        return false;
    }
    const uint8_t *found = memchr(play_keepalive, byte, sizeof play_keepalive);
    SEEDS_REQUIRE(found != NULL);
    uint8_t place = (uint8_t)(found - play_keepalive);
    bool whole = agent->keepalive_at == place;
    SEEDS_REQUIRE(whole || agent->raw == 0);
    agent->keepalive_at = (uint8_t)((place + 1) % sizeof play_keepalive);
    if (agent->keepalive_at == 0 && agent->raw >= 4)
        agent->leaked++;
    return true;
}

static void read_some(struct play *play, struct agent *agent)
{
    uint8_t bytes[4096];
    size_t size = sim_peer_read(agent->peer, bytes, 1 + sim_below(play->site.sim, sizeof bytes));
    size_t replies = size < agent->reply_left ? size : agent->reply_left;
    agent->reply_left -= (uint32_t)replies;
    for (size_t i = replies; i < size; i++) {
        if (!take_keepalive(agent, bytes[i]))
            take_payload(play, agent, bytes[i]);
        agent->raw++;
    }
    if (play->strict)
        SEEDS_REQUIRE(agent->leaked == 0);
}

void agent_pump(struct play *play, struct agent *agent)
{
    if (agent->peer != NULL && agent->pause_ms <= sim_now_ms(play->site.sim))
        read_some(play, agent);
}

void agent_last_words(struct agent *agent, struct dial *dial)
{
    if (agent->read > 0 && agent->read < MATCH_BYTES)
        SEEDS_REQUIRE(find_in(dial, agent, agent->read));
}

/* ---- acting ---- */

static void leave(struct play *play, struct agent *agent)
{
    struct sim *sim = play->site.sim;
    unsigned how = (unsigned)sim_below(sim, 10);
    if (how < 6) {
        sim_peer_shutdown(agent->peer);
        agent->shut = true;
        return;
    }
    agent->left = true;
    if (how == 6) {
        sim_peer_vanish(agent->peer);
        return;
    }
    if (how < 9)
        sim_peer_close(agent->peer);
    else
        sim_peer_reset(agent->peer);
    agent->peer = NULL;
}

void agent_act(struct play *play, struct agent *agent)
{
    struct sim *sim = play->site.sim;
    if (agent->peer == NULL || agent->left)
        return;
    if (sim_peer_state(agent->peer) != SIM_PEER_CONNECTED) {
        if (sim_chance(sim, 100) && !agent->shut) {
            sim_peer_shutdown(agent->peer);
            agent->shut = true;
        }
        return;
    }
    if (sim_chance(sim, 40)) {
        leave(play, agent);
    } else if (!play->strict && sim_chance(sim, 80)) {
        agent->slow = true;
        agent->pause_ms = sim_now_ms(sim) + sim_below(sim, sim_chance(sim, 300) ? 200000 : 3000);
    } else if (!agent->shut) {
        write_some(agent, 1 + sim_below(sim, sim_chance(sim, 700) ? 60 : 2048));
    }
}
