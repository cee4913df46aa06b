/* One device: a modem that connects, says hello, is silent but for keepalives, lets its meter
 * answer, and comes back some seconds after its link was lost. */
#ifndef CENCD_FLEET_DEVICE_H
#define CENCD_FLEET_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/fleet/modem.h"
#include "bench/fleet/session.h"
#include "codec/modem/irz.h"
#include "server/base/list.h"
#include "server/reactor/reactor.h"

struct worker;

enum device_state {
    DEVICE_OFFLINE, /* waits for its turn to connect, or for the time to come back */
    DEVICE_CONNECTING,
    DEVICE_ONLINE,
    DEVICE_DARK, /* no power: its connection is there, but nobody at this end of it */
};

struct device {
    struct stream stream;
    struct timer timer;      /* offline: to come back; online: the next keepalive */
    struct list queue;       /* of those that may connect */
    struct session *session; /* while somebody talks to it */
    struct worker *worker;
    uint32_t index;
    uint32_t active_s; /* when bytes went last, seconds of reactor time */
    uint8_t state;     /* enum device_state */
    bool was_online;
    bool greeted; /* the server's greeting is over, or there was none */
    bool dark;    /* without power */
};

_Static_assert(sizeof(struct device) <= 192, "there are many");

void device_init(struct device *device, struct worker *worker, uint32_t index);

/* The device's turn to connect has come. */
void device_connect(struct device *device);

/* Power fails: from now on it is silent, and its connection is not closed. */
void device_lose_power(struct device *device);
/* Power is back. What was left of the connection goes only now, since a process can't make one
 * vanish; then it dials in as after any loss. */
void device_regain_power(struct device *device);

/* The fleet ends: what is open is closed; nothing comes back. */
void device_stop(struct device *device);

enum meter_kind device_meter(const struct device *device);
bool device_encapsulates(const struct device *device);

/* Sends a meter's data, in frames if the modem encapsulates. */
void device_send(struct device *device, const uint8_t *data, size_t size);
void device_send_frame(struct device *device, enum irz_type type, const uint8_t *payload,
                       size_t size);
void device_send_keepalive(struct device *device);

/* Throws the session away if its meter is at rest. */
void device_rest(struct device *device);

#endif
