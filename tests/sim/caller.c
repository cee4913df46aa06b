#include "tests/sim/caller.h"

#include <stdio.h>
#include <string.h>

#include "server/bridge/session.h"
#include "tests/sim/seeds.h"

void caller_dial(struct caller *caller, struct site *site, const char *ip, uint16_t port)
{
    memset(caller, 0, sizeof *caller);
    caller->site = site;
    caller->address = site_address(site, ip);
    caller->peer = site_dial(site, port, &caller->address);
    SEEDS_REQUIRE(caller->peer != NULL);
    site_run(site, 0);
}

void caller_modem(struct caller *caller, struct site *site, const char *ip, uint16_t port,
                  const char *serial)
{
    char hello[128];
    caller_dial(caller, site, ip, port);
    (void)snprintf(hello, sizeof hello, "AT$IMEI=%s,PSW=secret,TYP=ATM,DEV=ATM21,CSQ=16,\n",
                   serial);
    caller_say(caller, hello);
}

void caller_agent(struct caller *caller, struct site *site, const char *serial)
{
    struct device_info info;
    SEEDS_REQUIRE(site_device(site, "default", serial, &info));
    caller_dial(caller, site, "127.0.0.1", info.direct_port);
}

void caller_say_bytes(struct caller *caller, const uint8_t *bytes, size_t size)
{
    SEEDS_REQUIRE(sim_peer_write(caller->peer, bytes, size) == size);
    site_run(caller->site, 0);
}

void caller_say(struct caller *caller, const char *text)
{
    caller_say_bytes(caller, (const uint8_t *)text, strlen(text));
}

void caller_read(struct caller *caller, size_t most)
{
    size_t room = sizeof caller->heard - caller->heard_size;
    size_t size =
        sim_peer_read(caller->peer, caller->heard + caller->heard_size, most < room ? most : room);
    caller->heard_size += size;
    site_run(caller->site, 0);
}

bool caller_hears(struct caller *caller, const char *text)
{
    caller_read(caller, sizeof caller->heard);
    bool same =
        caller->heard_size == strlen(text) && memcmp(caller->heard, text, caller->heard_size) == 0;
    caller->heard_size = 0;
    return same;
}

void caller_shutdown(struct caller *caller)
{
    sim_peer_shutdown(caller->peer);
    site_run(caller->site, 0);
}

void caller_reset(struct caller *caller)
{
    sim_peer_reset(caller->peer);
    site_run(caller->site, 0);
}

bool caller_is_open(const struct caller *caller)
{
    return sim_peer_state(caller->peer) == SIM_PEER_CONNECTED;
}

bool caller_sees_fin(const struct caller *caller)
{
    return sim_peer_state(caller->peer) == SIM_PEER_FIN;
}

int caller_link_state(const struct caller *caller)
{
    const struct link *link = site_link(caller->site, &caller->address);
    return link != NULL ? link->state : LINK_FREE;
}

bool caller_in_session(const struct caller *caller)
{
    return site_session(caller->site, &caller->address) != NULL;
}
