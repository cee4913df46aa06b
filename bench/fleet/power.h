/* A neighbourhood without power: its devices send a last gasp and are silent until it is back. */
#ifndef CENCD_FLEET_POWER_H
#define CENCD_FLEET_POWER_H

#include "bench/fleet/worker.h"

/* The worker's thread, now and then: does what worker->dark says since it was last looked at. */
void power_look(struct worker *worker);

#endif
