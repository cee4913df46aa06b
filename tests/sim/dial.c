/* Devices that dial in: hello, payload, keepalives; they hang up, reset, vanish and come back. */
#include <stdio.h>
#include <string.h>

#include "codec/modem/irz.h"
#include "server/link/link.h"
#include "tests/sim/play.h"
#include "tests/sim/seeds.h"

#define HUSH_MS 500u /* around a keepalive, where keepalives must be recognised */

const uint8_t play_keepalive[5] = {0xB5, 0xBC, 0xBD, 0xBE, 0xBF};

uint8_t play_byte(uint64_t key, uint64_t at, bool below_0x80)
{
    uint64_t mixed = (key << 32) + at / 8 * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    mixed ^= mixed >> 31;
    uint8_t byte = (uint8_t)(mixed >> (at % 8 * 8));
    return below_0x80 ? byte & 0x7f : byte;
}

static uint32_t wire_room(const struct dial *dial)
{
    return WIRE_BYTES - dial->wire_size;
}

static void put(struct dial *dial, const uint8_t *bytes, size_t size)
{
    SEEDS_REQUIRE(size <= wire_room(dial));
    memcpy(dial->wire + dial->wire_size, bytes, size);
    dial->wire_size += (uint32_t)size;
}

static void put_frame(struct dial *dial, enum irz_type type, const uint8_t *bytes, size_t size)
{
    uint8_t frame[IRZ_MAX_PAYLOAD + IRZ_FRAME_OVERHEAD];
    size_t frame_size = 0;
    SEEDS_REQUIRE(irz_frame_encode(type, bytes, size, frame, sizeof frame, &frame_size) ==
                  CODEC_OK);
    put(dial, frame, frame_size);
}

/* ---- coming ---- */

static void put_hello(struct play *play, struct dial *dial)
{
    struct sim *sim = play->site.sim;
    char hello[256];
    dial->waits = sim_chance(sim, 300);
    int size =
        snprintf(hello, sizeof hello,
                 "AT$IMEI=%s,PSW=" PLAY_SECRET "%u,TYP=ATM,DEV=ATM21,VER=01,REV=03,"
                 "BLD=016.353,HDW=2.0,SIM=0,CSQ=%u,%sATP=1.1,INT=485+232,%s",
                 dial->device->serial, (unsigned)sim_below(sim, 1000), (unsigned)sim_below(sim, 32),
                 dial->device->encapsulated ? "COLPROT=1.3," : "", dial->waits ? "" : "\n");
    put(dial, (const uint8_t *)hello, (size_t)size);
    dial->hello_left = (uint32_t)size;
}

static bool is_connected(const struct play *play, const struct device_role *device)
{
    for (uint32_t i = 0; i < play->dial_count; i++) {
        const struct dial *dial = &play->dials[i];
        if (dial->device == device && dial->peer != NULL && !dial->vanished && !dial->shut &&
            sim_peer_state(dial->peer) == SIM_PEER_CONNECTED)
            return true;
    }
    return false;
}

void dial_in(struct play *play)
{
    static const char *const networks[] = {"10.1.0.1", "10.1.0.2", "10.2.0.1", "172.16.0.9"};
    struct sim *sim = play->site.sim;
    const struct device_role *device = &play->devices[sim_below(sim, play->device_count)];
    if (play->dial_count == PLAY_DIALS)
        return;
    if (is_connected(play, device) && !sim_chance(sim, 100))
        return; /* mostly a device dials in anew only when it has to */
    struct dial *dial = &play->dials[play->dial_count];
    memset(dial, 0, sizeof *dial);
    dial->device = device;
    dial->key = play->dial_count + 1000;
    dial->address = site_address(&play->site, networks[sim_below(sim, 4)]);
    dial->peer = site_dial(&play->site, dial->device->port, &dial->address);
    if (dial->peer == NULL)
        return;
    put_hello(play, dial);
    play->dial_count++;
}

bool dial_says_hello(const struct dial *dial)
{
    return dial->peer != NULL && dial->hello_left > 0;
}

/* ---- writing and reading ---- */

/* A pause behind a comma would look like the hello's end. */
static uint32_t piece_of_hello(const struct dial *dial, uint32_t size)
{
    while (size < dial->hello_left && dial->wire[size - 1] == ',')
        size++;
    return size < dial->hello_left ? size : dial->hello_left;
}

static void write_piece(struct play *play, struct dial *dial)
{
    struct sim *sim = play->site.sim;
    if (dial->wire_size == 0)
        return;
    uint32_t size = 1 + (uint32_t)sim_below(sim, dial->wire_size);
    if (dial->hello_left > 0)
        size = piece_of_hello(dial, size);
    size_t taken = sim_peer_write(dial->peer, dial->wire, size);
    if (taken == 0)
        return;
    dial->written_ms = sim_now_ms(sim);
    dial->wire_size -= (uint32_t)taken;
    memmove(dial->wire, dial->wire + taken, dial->wire_size);
    dial->hello_left -= taken < dial->hello_left ? (uint32_t)taken : dial->hello_left;
}

static void read_some(struct play *play, struct dial *dial)
{
    uint8_t bytes[4096];
    size_t size = sim_peer_read(dial->peer, bytes, 1 + sim_below(play->site.sim, sizeof bytes));
    dial_hear(play, dial, bytes, size);
}

void dial_pump(struct play *play, struct dial *dial)
{
    if (dial->peer == NULL)
        return;
    write_piece(play, dial);
    read_some(play, dial);
}

/* ---- saying ---- */

static bool is_registered(struct play *play, const struct dial *dial)
{
    const struct link *link = site_link(&play->site, &dial->address);
    return link != NULL && (link->state == LINK_IDLE || link->state == LINK_IN_SESSION);
}

static bool may_speak(struct play *play, struct dial *dial)
{
    if (dial->shut || dial->hush_ms > sim_now_ms(play->site.sim))
        return false;
    if (dial->waits && (dial->wire_size > 0 || !is_registered(play, dial)))
        return false;
    dial->waits = false;
    return true;
}

static void say(struct play *play, struct dial *dial)
{
    struct sim *sim = play->site.sim;
    uint8_t bytes[IRZ_MAX_PAYLOAD];
    bool small = sim_chance(sim, 600);
    uint32_t left = 1 + (uint32_t)sim_below(sim, small ? 40 : play->largest);
    while (left > 0) {
        uint32_t size = left < sizeof bytes ? left : (uint32_t)sizeof bytes;
        if (size + IRZ_FRAME_OVERHEAD > wire_room(dial))
            return;
        for (uint32_t i = 0; i < size; i++)
            bytes[i] = play_byte(dial->key, dial->payload + i, !dial->device->encapsulated);
        if (dial->device->encapsulated)
            put_frame(dial, IRZ_TYPE_DATA, bytes, size);
        else
            put(dial, bytes, size);
        dial->payload += size;
        left -= size;
    }
}

/* Over a plain link a keepalive is told from data by the silence around it. */
static void say_keepalive(struct play *play, struct dial *dial)
{
    uint64_t now_ms = sim_now_ms(play->site.sim);
    if (wire_room(dial) < 32)
        return;
    if (dial->device->encapsulated) {
        put_frame(dial, IRZ_TYPE_KEEPALIVE, play_keepalive, sizeof play_keepalive);
        return;
    }
    if (play->strict) {
        if (dial->wire_size > 0 || now_ms < dial->written_ms + HUSH_MS)
            return;
        dial->hush_ms = now_ms + HUSH_MS;
        size_t taken = sim_peer_write(dial->peer, play_keepalive, 5);
        SEEDS_REQUIRE(taken == 5 || taken == 0); /* 0: the connection is no more */
        return;
    }
    put(dial, play_keepalive, sizeof play_keepalive);
}

static void hang_up(struct play *play, struct dial *dial)
{
    struct sim *sim = play->site.sim;
    unsigned how = (unsigned)sim_below(sim, 10);
    if (how < 6 && dial->wire_size == 0) {
        sim_peer_shutdown(dial->peer);
        dial->shut = true;
    } else if (how == 6) {
        sim_peer_reset(dial->peer);
        dial->peer = NULL;
    } else if (how == 7) {
        sim_peer_close(dial->peer);
        dial->peer = NULL;
    } else if (how == 8) {
        sim_peer_vanish(dial->peer);
        dial->vanished = true;
    }
}

void dial_act(struct play *play, struct dial *dial)
{
    struct sim *sim = play->site.sim;
    if (dial->peer == NULL)
        return;
    if (sim_chance(sim, 15)) {
        hang_up(play, dial);
        return;
    }
    if (!may_speak(play, dial))
        return;
    if (sim_chance(sim, 150)) {
        say_keepalive(play, dial);
    } else if (dial->asked || sim_chance(sim, 300)) {
        dial->asked = false;
        say(play, dial);
    }
}
