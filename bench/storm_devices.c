/* Writes a directory's store with devices that never dialled in, so that a storm's last gasps are
 * those of known ones: serials of 16 digits, 0 to COUNT - 1, in scope "default".
 *
 *   storm_devices STATE_DIR COUNT      (the folder is there; a server makes the rest of it) */
#include <stdio.h>
#include <stdlib.h>

#include "server/directory/store.h"

#define BATCH         4096u
#define FIRST_SEEN_MS 1700000000000u

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "storm_devices: %s\n", what);
    exit(1);
}

static void put(struct store *store, unsigned number)
{
    struct device_facts facts;
    struct store_error error;
    char serial[24];

    (void)snprintf(serial, sizeof serial, "%016u", number);
    facts_init(&facts, "default", serial);
    facts.kind = "meter";
    facts.first_seen_utc_ms = FIRST_SEEN_MS;
    facts.last_seen_utc_ms = FIRST_SEEN_MS + number;
    facts.epoch = 1;
    if (store_put(store, &facts, &error) != STATUS_OK)
        die(error.text);
}

int main(int count, char **arguments)
{
    struct store *store;
    struct store_error error;
    char path[4096];
    unsigned devices = count == 3 ? (unsigned)strtoul(arguments[2], NULL, 10) : 0;

    if (devices == 0)
        die("usage: storm_devices STATE_DIR COUNT");
    (void)snprintf(path, sizeof path, "%s/directory.sqlite", arguments[1]);
    if (store_open(path, &store, &error) != STATUS_OK)
        die(error.text);
    for (unsigned i = 0; i < devices;) {
        if (store_begin(store, &error) != STATUS_OK)
            die(error.text);
        for (unsigned in_batch = 0; in_batch < BATCH && i < devices; in_batch++, i++)
            put(store, i);
        if (store_end(store, 0, &error) != STATUS_OK)
            die(error.text);
    }
    store_close(store);
    return 0;
}
