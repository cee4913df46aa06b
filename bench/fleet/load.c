#include "bench/fleet/load.h"

#define SECONDS_A_HOUR 3600u
#define FIRST_DAY      17897u /* 2019-01-01: no meter is older */
#define DAYS_OF_WORK   1500u  /* ... and none younger than this after it */

/* What a household has used of a day's energy when each hour begins, per mille. */
static const uint16_t used[25] = {0,   22,  40,  56,  72,  90,  116, 160, 216, 268, 314, 358, 402,
                                  448, 492, 534, 578, 630, 692, 762, 830, 888, 936, 974, 1000};
#define LEAST_OF_AN_HOUR 16u /* per mille: 02:00 to 04:00 */

uint64_t load_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint32_t load_serial(uint64_t imei)
{
    return 10000000u + (uint32_t)(imei % 10000000u);
}

/* 3 to 20 kWh a day. */
static uint64_t day_wh(uint32_t serial)
{
    return 3000 + load_mix(serial) % 17000;
}

/* The register when an hour of the epoch begins. The deviation from the table is less than half of
 * what the quietest hour uses, so the register never falls. */
static uint64_t at_hour(uint32_t serial, uint64_t hour)
{
    uint64_t day = day_wh(serial);
    uint64_t installed = FIRST_DAY + load_mix(serial + 1ull) % DAYS_OF_WORK;
    uint64_t days = hour / 24 > installed ? hour / 24 - installed : 0;
    uint64_t deviation = load_mix((uint64_t)serial << 32 | hour) % (day * LEAST_OF_AN_HOUR / 2000);

    return days * day + day * used[hour % 24] / 1000 + deviation;
}

uint64_t load_energy_wh(uint32_t serial, uint64_t utc_s)
{
    uint64_t hour = utc_s / SECONDS_A_HOUR;
    uint64_t before = at_hour(serial, hour);
    uint64_t after = at_hour(serial, hour + 1);

    return before + (after - before) * (utc_s % SECONDS_A_HOUR) / SECONDS_A_HOUR;
}
