/* The configuration reader: whatever a file holds, it is either taken, with every promise of the
 * schema kept, or refused with at least one error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/load.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

static void check_listener(const struct config_listener *listener)
{
    CHECK(listener->name[0] != '\0' && listener->scope[0] != '\0');
    CHECK(listener->address.family == 4 || listener->address.family == 6);
    CHECK(listener->address.port != 0);
    CHECK(listener->plugin_count >= 1 && listener->plugin_count <= CONFIG_MAX_PLUGINS);
    for (size_t i = 0; i < listener->plugin_count; i++)
        CHECK(listener->plugins[i].plugin != NULL);
    CHECK(listener->greeting_timeout_s >= 1 && listener->greeting_timeout_s <= 600);
    CHECK(listener->tcp.keepalive_count >= 1 && listener->tcp.keepalive_count <= 20);
}

static void check_config(const struct config *config)
{
    CHECK(config->listener_count >= 1 && config->listener_count <= CONFIG_MAX_LISTENERS);
    for (size_t i = 0; i < config->listener_count; i++)
        check_listener(&config->listeners[i]);
    CHECK(config->server.node[0] != '\0' && config->server.shards <= 512);
    CHECK(config->direct_ports.first >= 1);
    CHECK(config->direct_ports.first <= config->direct_ports.last);
    CHECK(config->direct_ports.allow_count >= 1);
    CHECK(!config->ops.enabled || address_is_loopback(&config->ops.address));
    CHECK((config->buffers.small_count & (config->buffers.small_count - 1)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *errors = NULL;
    size_t errors_size = 0;
    FILE *out = open_memstream(&errors, &errors_size);
    struct config *config = NULL;

    CHECK(out != NULL);
    enum status status = config_load_buffer("f", (const char *)data, size, out, &config);
    CHECK(fclose(out) == 0);
    if (status == STATUS_OK) {
        CHECK(errors_size == 0);
        check_config(config);
        config_free(config);
    } else {
        CHECK(status == STATUS_INVALID);
        CHECK(errors_size > 4 && memcmp(errors, "f:", 2) == 0 && errors[errors_size - 1] == '\n');
    }
    free(errors);
    return 0;
}
