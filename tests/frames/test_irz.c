/* Every vector of tests/frames/irz through the plugin: as recorded, in every two pieces, byte by
 * byte, the hello run into what follows, and in random pieces. A failure of the last prints the
 * seed; CENCD_SEED=<seed> repeats it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/frames/cuts.h"

#define RANDOM_ROUNDS 200
#define MAX_VECTORS   256

extern const struct plugin irz_plugin;

static struct vector *vectors[MAX_VECTORS];
static size_t vector_count;

/* ---- tests ---- */

static void as_recorded(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        cuts_as_recorded(vectors[i]);
        cuts_play(vectors[i], "as recorded");
    }
}

static void in_two_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        for (size_t at = 1; at < vectors[i]->size && !vectors[i]->uncut; at++) {
            cuts_as_recorded(vectors[i]);
            cuts_at(at);
            cuts_play(vectors[i], "in two pieces");
        }
    }
}

static void byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        if (vectors[i]->uncut)
            continue;
        cuts_as_recorded(vectors[i]);
        for (size_t at = 1; at < vectors[i]->size; at++)
            cuts_at(at);
        cuts_play(vectors[i], "byte by byte");
    }
}

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
    const char *given = getenv("CENCD_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    char how[64];

    (void)state;
    (void)snprintf(how, sizeof(how), "CENCD_SEED=%u", seed);
    print_message("%s\n", how);
    for (size_t round = 0; round < RANDOM_ROUNDS; round++) {
        for (size_t i = 0; i < vector_count; i++) {
            unsigned cuts = (unsigned)rand_r(&seed) % 12;
            bool joins = rand_r(&seed) % 2 == 0;

            if (vectors[i]->uncut)
                continue;
            cuts_as_recorded(vectors[i]);
            if (joins && vectors[i]->identity.serial[0] != '\0')
                cuts_join_first();
            for (unsigned cut = 0; cut < cuts; cut++)
                cuts_at((size_t)rand_r(&seed) % (vectors[i]->size + 1));
            cuts_play(vectors[i], how);
        }
    }
}

static int read_vectors(void **state)
{
    const char *source = getenv("CENCD_SOURCE");
    char pattern[1024];
    glob_t found;

    (void)state;
    (void)snprintf(pattern, sizeof(pattern), "%s/tests/frames/irz/*.hex",
                   source == NULL ? "." : source);
    if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc > MAX_VECTORS)
        return -1;
    for (size_t i = 0; i < found.gl_pathc; i++)
        vectors[vector_count++] = vector_read(found.gl_pathv[i], &irz_plugin);
    globfree(&found);
    return 0;
}

static int free_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++)
        vector_free(vectors[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_recorded),
        cmocka_unit_test(in_two_pieces),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(hello_runs_into_what_follows),
        cmocka_unit_test(pauses_do_not_matter_where_they_should_not),
        cmocka_unit_test(in_random_pieces),
    };

    return cmocka_run_group_tests(tests, read_vectors, free_vectors);
}
