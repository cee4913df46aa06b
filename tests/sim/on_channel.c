#include "tests/sim/on_channel.h"

#include "server/directory/accounts.h"
#include "server/directory/places.h"
#include "tests/sim/seeds.h"

void on_channel_put(const struct site *site, uint32_t id, uint64_t revision, bool exclusive)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__ChannelAdded body = CENC__V1__CHANNEL_ADDED__INIT;
    Cenc__V1__Channel item = CENC__V1__CHANNEL__INIT;
    char name[] = {'c', (char)('0' + id), '\0'};
    item.id = id;
    item.revision = revision;
    item.name = name;
    item.host = name;
    item.port = 1;
    item.exclusive = exclusive;
    body.item = &item;
    event.body_case = CENC__V1__EVENT__BODY_CHANNEL_ADDED;
    event.channel_added = &body;
    SEEDS_REQUIRE(accounts_apply(site->server->directory, &event) == STATUS_OK);
}

bool on_channel_enter(const struct site *site, const char *scope, const char *serial,
                      uint32_t channel)
{
    struct place place = {.channel = channel};
    struct device *device = NULL;
    if (place_enter(site->server->directory, scope, serial, &place, 1, &device) != STATUS_OK)
        return false;
    directory_recorded(site->server->directory, device);
    return true;
}

void on_channel_move(const struct site *site, const char *scope, const char *serial,
                     uint32_t channel)
{
    struct place place = {.channel = channel};
    struct device *device = directory_find(site->server->directory, scope, serial);
    SEEDS_REQUIRE(device != NULL);
    place_set(site->server->directory, device, &place);
}
