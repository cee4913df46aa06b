/* What the pages of server/ops read. In a file of its own, so that they don't bring the service
 * along.
 */
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
