/* What the pages of server/ops read. In a file of its own, so that they don't bring the service
 * along.
 */
#include <string.h>

#include "server/northbound/internal.h"

const struct northbound_counters *northbound_counters(const struct northbound *northbound)
{
    return &northbound->counters;
}

const struct http2_counters *northbound_http2_counters(const struct northbound *northbound)
{
    return &northbound->http2.counters;
}

const struct consumers *northbound_consumers(const struct northbound *northbound)
{
    return &northbound->consumers;
}

const struct plugin_host *northbound_plugins(const struct northbound *northbound)
{
    return &northbound->plugins;
}

const char *told_state(const struct told_plugin *told)
{
    if (atomic_load(&told->counters.unanswered))
        return "hung";
    if (atomic_load(&told->counters.waits))
        return "backing off";
    return atomic_load(&told->counters.listing) ? "listing" : "running";
}

uint64_t told_last_error(struct told_plugin *told, char text[static TOLD_ERROR_SIZE])
{
    pthread_mutex_lock(&told->error.lock);
    uint64_t utc_ms = told->error.utc_ms;
    memcpy(text, told->error.text, TOLD_ERROR_SIZE);
    pthread_mutex_unlock(&told->error.lock);
    return utc_ms;
}
