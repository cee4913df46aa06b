/* Channels of a site, and devices on them, without a journal. */
#ifndef CENCD_TESTS_SIM_ON_CHANNEL_H
#define CENCD_TESTS_SIM_ON_CHANNEL_H

#include "tests/sim/site.h"

/* A channel of this id, below 10; or the same with other settings. */
void on_channel_put(const struct site *site, uint32_t id, uint64_t revision, bool exclusive);

/* A device that is known, on the channel (0: none); false: there is no room for it. */
bool on_channel_enter(const struct site *site, const char *scope, const char *serial,
                      uint32_t channel);

/* It is on another channel now. */
void on_channel_move(const struct site *site, const char *scope, const char *serial,
                     uint32_t channel);

#endif
