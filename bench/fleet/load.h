/* What a meter has counted: made up, plausible, and always the same for a serial and a time. */
#ifndef CENCD_FLEET_LOAD_H
#define CENCD_FLEET_LOAD_H

#include <stdint.h>

/* The serial of the meter behind the modem with this IMEI: 8 digits, 10000000 and its last 7. */
uint32_t load_serial(uint64_t imei);

/* Active energy import since the meter was installed, Wh. Never falls. */
uint64_t load_energy_wh(uint32_t serial, uint64_t utc_s);

/* A well mixed 64 bit number of x (splitmix64). */
uint64_t load_mix(uint64_t x);

#endif
