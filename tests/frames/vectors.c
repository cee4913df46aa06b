#include "tests/frames/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/frames/cuts.h"

struct vector *vectors[VECTORS_MAX];
size_t vector_count;

int vectors_read(const char *folder, const struct plugin *plugin)
{
    const char *source = getenv("CENCD_SOURCE");
    char path[1024];
    glob_t found;

    (void)snprintf(path, sizeof(path), "%s/tests/frames/%s/*.hex", source == NULL ? "." : source,
                   folder);
    if (glob(path, 0, NULL, &found) != 0 || vector_count + found.gl_pathc > VECTORS_MAX)
        return -1;
    for (size_t i = 0; i < found.gl_pathc; i++)
        vectors[vector_count++] = vector_read(found.gl_pathv[i], plugin);
    globfree(&found);
    return 0;
}

int vectors_free(void **state)
{
    (void)state;
    while (vector_count > 0)
        vector_free(vectors[--vector_count]);
    return 0;
}

bool vector_may_be_cut(const struct vector *vector)
{
    return !vector->uncut && !vector->datagram;
}

/* ---- tests ---- */

void vectors_as_recorded(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        cuts_as_recorded(vectors[i]);
        cuts_play(vectors[i], "as recorded");
    }
}

void vectors_in_two_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        for (size_t at = 1; at < vectors[i]->size && vector_may_be_cut(vectors[i]); at++) {
            cuts_as_recorded(vectors[i]);
            cuts_at(at);
            cuts_play(vectors[i], "in two pieces");
        }
    }
}

void vectors_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        if (!vector_may_be_cut(vectors[i]))
            continue;
        cuts_as_recorded(vectors[i]);
        for (size_t at = 1; at < vectors[i]->size; at++)
            cuts_at(at);
        cuts_play(vectors[i], "byte by byte");
    }
}

void vectors_in_random_pieces(unsigned rounds, bool joins)
{
    const char *given = getenv("CENCD_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    char how[64];

    (void)snprintf(how, sizeof(how), "CENCD_SEED=%u", seed);
    print_message("%s\n", how);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < vector_count; i++) {
            unsigned cuts = (unsigned)rand_r(&seed) % 12;
            bool join = joins && rand_r(&seed) % 2 == 0;

            if (!vector_may_be_cut(vectors[i]))
                continue;
            cuts_as_recorded(vectors[i]);
            if (join && vectors[i]->identity.serial[0] != '\0')
                cuts_join_first();
            for (unsigned cut = 0; cut < cuts; cut++)
                cuts_at((size_t)rand_r(&seed) % (vectors[i]->size + 1));
            cuts_play(vectors[i], how);
        }
    }
}
