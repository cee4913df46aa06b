/* Connections to the admin API's Unix socket: each role has places of its own, so that nobody who
 * may open the socket keeps out those who may do more. Any thread. */
#ifndef CENCD_OPS_ADMIN_PLACES_H
#define CENCD_OPS_ADMIN_PLACES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "server/directory/role.h"

#define ADMIN_PLACES 64u /* in all */

struct admin_places {
    _Atomic unsigned taken[ROLE_COUNT];
};

/* False: those of the role are taken. */
bool admin_places_take(struct admin_places *places, enum role role);
void admin_places_leave(struct admin_places *places, enum role role);

#endif
