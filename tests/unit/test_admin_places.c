/* The Unix socket's connections. Once, any user of the machine who could open the socket (it is
 * open to all where roles are given out) took all places with half requests, and root was shut out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/ops/admin_places.h"

static unsigned take_all(struct admin_places *places, enum role role)
{
    unsigned taken = 0;

    while (admin_places_take(places, role))
        taken++;
    return taken;
}

static void test_each_role_has_its_own(void **state)
{
    struct admin_places places = {0};
    unsigned all = 0;

    (void)state;
    for (int role = ROLE_NONE; role < ROLE_COUNT; role++) {
        unsigned taken = take_all(&places, (enum role)role);
        assert_int_not_equal(taken, 0);
        assert_false(admin_places_take(&places, (enum role)role));
        all += taken;
    }
    assert_int_equal(all, ADMIN_PLACES);
}

static void test_who_leaves_makes_room(void **state)
{
    struct admin_places places = {0};

    (void)state;
    (void)take_all(&places, ROLE_VIEWER);
    admin_places_leave(&places, ROLE_VIEWER);
    assert_int_equal(take_all(&places, ROLE_VIEWER), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_role_has_its_own),
        cmocka_unit_test(test_who_leaves_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
