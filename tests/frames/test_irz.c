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

#include "tests/frames/vector.h"

#define RANDOM_ROUNDS 200
#define MAX_VECTORS   256

extern const struct plugin irz_plugin;

static struct vector *vectors[MAX_VECTORS];
static size_t vector_count;

/* ---- ways to cut ---- */

static struct vector_piece pieces[VECTOR_MAX_BYTES];
static size_t piece_count;

static void add_piece(uint64_t quiet_ms, size_t start, size_t size, bool idle)
{
    if (size > 0)
        pieces[piece_count++] = (struct vector_piece){quiet_ms, start, size, idle};
}

static void cut_as_recorded(const struct vector *vector)
{
    piece_count = 0;
    for (size_t i = 0; i < vector->run_count; i++)
        add_piece(vector->runs[i].quiet_ms, vector->runs[i].start, vector->runs[i].size,
                  vector->runs[i].idle);
}

/* Cuts the piece that holds `at` in front of it, without a pause. */
static void cut_at(size_t at)
{
    for (size_t i = 0; i < piece_count; i++) {
        struct vector_piece *piece = &pieces[i];

        if (at > piece->start && at < piece->start + piece->size) {
            size_t end = piece->start + piece->size;

            memmove(piece + 2, piece + 1, (piece_count - i - 1) * sizeof(*piece));
            piece_count++;
            piece->size = at - piece->start;
            piece[1] = (struct vector_piece){0, at, end - at, piece->idle};
            return;
        }
    }
}

/* Joins the first piece with the one after it: the hello runs into what follows. */
static void join_first(void)
{
    if (piece_count < 2 || pieces[1].idle != pieces[0].idle)
        return;
    pieces[0].size += pieces[1].size;
    memmove(pieces + 1, pieces + 2, (piece_count - 2) * sizeof(pieces[0]));
    piece_count--;
}

static void play(const struct vector *vector, const char *how)
{
    vector_play(vector, pieces, piece_count, how);
}

/* ---- tests ---- */

static void as_recorded(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        cut_as_recorded(vectors[i]);
        play(vectors[i], "as recorded");
    }
}

static void in_two_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        for (size_t at = 1; at < vectors[i]->size && !vectors[i]->uncut; at++) {
            cut_as_recorded(vectors[i]);
            cut_at(at);
            play(vectors[i], "in two pieces");
        }
    }
}

static void byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        if (vectors[i]->uncut)
            continue;
        cut_as_recorded(vectors[i]);
        for (size_t at = 1; at < vectors[i]->size; at++)
            cut_at(at);
        play(vectors[i], "byte by byte");
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
        cut_as_recorded(vector);
        join_first();
        play(vector, "hello joined with what follows");
        for (size_t at = 1; at < vector->size; at++) {
            cut_as_recorded(vector);
            join_first();
            cut_at(at);
            play(vector, "hello joined with what follows, in two pieces");
        }
    }
}

static void pauses_do_not_matter_where_they_should_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        struct vector *vector = vectors[i];

        for (size_t at = 0; at < vector->size && vector->timeless; at++) {
            piece_count = 0;
            add_piece(0, 0, vector->size, false);
            cut_at(at);
            play(vector, "all joined");
            pieces[piece_count - 1].quiet_ms = 50;
            play(vector, "all joined, a pause");
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
            cut_as_recorded(vectors[i]);
            if (joins && vectors[i]->identity.serial[0] != '\0')
                join_first();
            for (unsigned cut = 0; cut < cuts; cut++)
                cut_at((size_t)rand_r(&seed) % (vectors[i]->size + 1));
            play(vectors[i], how);
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
