/* Who else connects to a port on the Internet: scanners, floods, people who say nothing. */
#include <string.h>

#include "tests/sim/play.h"
#include "tests/sim/seeds.h"

enum { SILENT, GARBAGE, ENDLESS, HASTY, CUT, KINDS };

void stranger_come(struct play *play)
{
    static const char *const ips[] = {"203.0.113.5", "203.0.113.6", "10.1.0.1"};
    struct sim *sim = play->site.sim;
    if (play->stranger_count == PLAY_STRANGERS)
        return;
    struct stranger *stranger = &play->strangers[play->stranger_count];
    memset(stranger, 0, sizeof *stranger);
    stranger->kind = (uint8_t)sim_below(sim, KINDS);
    stranger->address = site_address(&play->site, ips[sim_below(sim, 3)]);
    stranger->peer = site_dial(&play->site, play->devices[sim_below(sim, play->device_count)].port,
                               &stranger->address);
    if (stranger->peer != NULL)
        play->stranger_count++;
}

static void say_garbage(struct play *play, struct stranger *stranger)
{
    uint8_t bytes[300];
    size_t size = 1 + sim_below(play->site.sim, sizeof bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)sim_random(play->site.sim);
    (void)sim_peer_write(stranger->peer, bytes, size);
}

/* Each time a piece of a hello that could still become one. */
static void say_endless(struct play *play, struct stranger *stranger)
{
    static const char text[] = "AT$IMEI=777,PSW=" PLAY_SECRET ",TYP=ATM,PSW=" PLAY_SECRET;
    size_t limit = stranger->kind == CUT ? sizeof text - 1 : 100000;
    for (uint64_t i = 1 + sim_below(play->site.sim, 200); i > 0 && stranger->said < limit; i--) {
        size_t at = stranger->said;
        char byte = at < sizeof text - 1 ? text[at] : '7';
        if (sim_peer_write(stranger->peer, (const uint8_t *)&byte, 1) != 1)
            return;
        stranger->said++;
    }
}

static void go(struct play *play, struct stranger *stranger)
{
    if (sim_chance(play->site.sim, 500))
        sim_peer_reset(stranger->peer);
    else
        sim_peer_close(stranger->peer);
    stranger->peer = NULL;
}

void stranger_act(struct play *play, struct stranger *stranger)
{
    if (stranger->peer == NULL)
        return;
    if (stranger->kind == HASTY || sim_chance(play->site.sim, 30))
        go(play, stranger);
    else if (stranger->kind == GARBAGE)
        say_garbage(play, stranger);
    else if (stranger->kind == ENDLESS || stranger->kind == CUT)
        say_endless(play, stranger);
}
