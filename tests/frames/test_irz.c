/* Every vector of tests/frames/irz through the plugin: as recorded, in every two pieces, byte by
 * byte, the hello run into what follows, and in random pieces. A failure of the last prints the
 * seed; CENCD_SEED=<seed> repeats it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/frames/cuts.h"
#include "tests/frames/vectors.h"

extern const struct plugin irz_plugin;

/* Doesn't apply to declined ones, whose first run is no hello. */
static void hello_runs_into_what_follows(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        struct vector *vector = vectors[i];

        if (vector->identity.serial[0] == '\0' || vector->uncut || vector->run_count < 2)
            continue;
        cuts_as_recorded(vector);
        cuts_join_first();
        cuts_play(vector, "hello joined with what follows");
        for (size_t at = 1; at < vector->size; at++) {
            cuts_as_recorded(vector);
            cuts_join_first();
            cuts_at(at);
            cuts_play(vector, "hello joined with what follows, in two pieces");
        }
    }
}

static void pauses_do_not_matter_where_they_should_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        struct vector *vector = vectors[i];

        for (size_t at = 0; at < vector->size && vector->timeless; at++) {
            cuts_clear();
            cuts_add(0, 0, vector->size, false);
            cuts_at(at);
            cuts_play(vector, "all joined");
            cuts_delay_last(50);
            cuts_play(vector, "all joined, a pause");
        }
    }
}

static void in_random_pieces(void **state)
{
    (void)state;
    vectors_in_random_pieces(200, true);
}

static int read_vectors(void **state)
{
    (void)state;
    return vectors_read("irz", &irz_plugin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_as_recorded),
        cmocka_unit_test(vectors_in_two_pieces),
        cmocka_unit_test(vectors_byte_by_byte),
        cmocka_unit_test(hello_runs_into_what_follows),
        cmocka_unit_test(pauses_do_not_matter_where_they_should_not),
        cmocka_unit_test(in_random_pieces),
    };

    return cmocka_run_group_tests(tests, read_vectors, vectors_free);
}
