#include "bench/fleet/power.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A datagram each: a modem that has a second left to live doesn't wait for an answer. */
static void gasp(struct worker *worker, const struct device *device, int sender)
{
    const struct fleet_options *options = worker->options;
    union socket_address to;
    socklen_t to_size = address_to_socket(&options->gasp, &to);
    char text[40];
    int size = snprintf(text, sizeof text, "PWRFAIL,%llu",
                        (unsigned long long)modem_imei(options, device->index));

    if (sendto(sender, text, (size_t)size, 0, &to.any, to_size) == size)
        worker_count(&worker->counters.gasps, 1);
}

static void fail(struct worker *worker, uint32_t count)
{
    int family = worker->options->gasp.family == 6 ? AF_INET6 : AF_INET;
    int sender = -1;

    if (worker->options->gasp.family != 0)
        sender = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (uint32_t i = 0; i < count; i++) {
        if (sender >= 0)
            gasp(worker, &worker->devices[i], sender);
        device_lose_power(&worker->devices[i]);
    }
    if (sender >= 0)
        (void)close(sender);
}

void power_look(struct worker *worker)
{
    bool dark = atomic_load_explicit(&worker->dark, memory_order_relaxed);
    uint32_t hit = worker->options->neighbourhood;

    if (dark == worker->is_dark)
        return;
    worker->is_dark = dark;
    hit = hit > worker->first ? hit - worker->first : 0;
    if (hit > worker->device_count)
        hit = worker->device_count;
    if (dark)
        fail(worker, hit);
    for (uint32_t i = 0; !dark && i < hit; i++)
        device_regain_power(&worker->devices[i]);
}
