/* A CSV file of a stranger. Promised: no step outside of the memory given; the walk ends; faults
 * are counted and bounded; numbers point into the lists, and a device with a group has its project.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/exchange/csv_read.h"
#include "tests/fuzz/fuzz.h"

static void check_device(const struct exchange *exchange, const struct exchange_device *device)
{
    CHECK(device->serial != NULL);
    CHECK(device->project < exchange->project_count || device->project == EXCHANGE_NONE);
    CHECK(device->channel < exchange->channel_count || device->channel == EXCHANGE_NONE ||
          exchange->faults.found > 0);
    if (device->group != EXCHANGE_NONE) {
        CHECK(device->group < exchange->group_count);
        CHECK(exchange->groups[device->group].project == device->project);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exchange exchange = {0};
    char *copy = malloc(size + 1);

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    CHECK(csv_read(copy, size, size % 2 == 0 ? "p" : "", &exchange) == STATUS_OK);
    CHECK(exchange.faults.count <= EXCHANGE_FAULTS);
    for (size_t i = 0; i < exchange.device_count; i++)
        check_device(&exchange, &exchange.devices[i]);
    for (size_t i = 0; i < exchange.channel_count; i++)
        CHECK(exchange.channels[i].port > 0 && exchange.channels[i].host[0] != '\0');
    exchange_free(&exchange);
    free(copy);
    return 0;
}
