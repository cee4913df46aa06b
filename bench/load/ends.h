/* Both ends of the sessions, set up one after the other with ordinary blocking calls before a
 * measurement: agents that connect to the relay; and the echo side, which the relay connects to, or
 * which dials in as iRZ modems. Failures end the process. */
#ifndef CENCD_BENCH_LOAD_ENDS_H
#define CENCD_BENCH_LOAD_ENDS_H

#include <netinet/in.h>
#include <stdint.h>

#include "bench/load/options.h"
#include "bench/load/wire.h"

struct sockaddr_in ends_address(uint16_t port);

/* A listening socket on loopback. */
int ends_listen(uint16_t port);

/* One connected pair through a relay that connects to listener. */
void ends_open_pair(const struct options *options, int listener, uint32_t index, int *agent,
                    int *echo);

/* Dials in as device number index and says the hello. */
int ends_dial(const struct options *options, uint32_t index);
/* The serial (IMEI) of that device, 15 digits. */
uint64_t ends_serial(uint32_t index);

/* Connects as an agent to a device's port; tries for some seconds while it is refused. */
int ends_connect_agent(uint16_t port, uint32_t index);

/* Drops what a connection received so far: a modem's greeting. */
void ends_drain(int descriptor);

/* Sets up options->sessions sessions: agents in slots 0.., their echo ends in slots sessions.. */
void ends_open_sessions(struct wire *wire, const struct options *options);

/* Waits until count devices are online and fills in their direct ports by device number. */
void ends_wait_for_ports(const struct options *options, uint32_t count, uint16_t *ports);
/* Waits until that many links are identified. */
void ends_wait_for_links(const struct options *options, uint32_t count);

#endif
