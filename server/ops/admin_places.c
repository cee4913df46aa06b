#include "server/ops/admin_places.h"

#include "server/base/check.h"

static const unsigned most[ROLE_COUNT] = {
    [ROLE_NONE] = 8, /* to be told that they may not */
    [ROLE_VIEWER] = 16,
    [ROLE_OPERATOR] = 16,
    [ROLE_ADMIN] = 24,
};
_Static_assert(8 + 16 + 16 + 24 == ADMIN_PLACES, "the sum is told");

bool admin_places_take(struct admin_places *places, enum role role)
{
    CHECK(role < ROLE_COUNT);
    if (atomic_fetch_add(&places->taken[role], 1) < most[role])
        return true;
    atomic_fetch_sub(&places->taken[role], 1);
    return false;
}

void admin_places_leave(struct admin_places *places, enum role role)
{
    CHECK(role < ROLE_COUNT && atomic_fetch_sub(&places->taken[role], 1) > 0);
}
