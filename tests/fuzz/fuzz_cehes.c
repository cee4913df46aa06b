/* A ceHes file of a stranger. Promised: no step outside of the memory given; faults are counted and
 * bounded; numbers point into the lists; details are JSON, no longer than is kept, and a second
 * look for passwords finds none in them. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/exchange/cehes.h"
#include "server/exchange/scrub.h"
#include "tests/fuzz/fuzz.h"

static void check_details(const char *details)
{
    struct scrubbed again = {0};

    if (details == NULL)
        return;
    size_t size = strlen(details);
    CHECK(size <= EXCHANGE_DETAILS_MAX);
    json_t *value = json_loadb(details, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    CHECK(value != NULL);
    json_decref(value);
    scrub(&again, details, size);
    CHECK(again.secrets == 0 && again.size == size && memcmp(again.text, details, size) == 0);
    scrubbed_free(&again);
}

static void check_device(const struct exchange *exchange, const struct exchange_device *device)
{
    CHECK(device->serial != NULL);
    CHECK(device->project < exchange->project_count);
    CHECK(device->group < exchange->group_count || exchange->faults.found > 0);
    CHECK(device->channel < exchange->channel_count || device->channel == EXCHANGE_NONE);
    check_details(device->details);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exchange exchange = {0};
    char *copy = malloc(size + 1);

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    CHECK(cehes_read(copy, size, "p", &exchange) == STATUS_OK);
    CHECK(exchange.faults.count <= EXCHANGE_FAULTS);
    CHECK(exchange.faults.count <= exchange.faults.found);
    for (size_t i = 0; i < exchange.device_count; i++)
        check_device(&exchange, &exchange.devices[i]);
    for (size_t i = 0; i < exchange.channel_count; i++)
        check_details(exchange.channels[i].details);
    for (size_t i = 0; i < exchange.group_count; i++)
        check_details(exchange.groups[i].details);
    for (size_t i = 0; i < exchange.piece_count; i++)
        check_details(exchange.pieces[i].details);
    exchange_free(&exchange);
    free(copy);
    return 0;
}
