#include "tests/frames/cuts.h"

#include <string.h>

static struct vector_piece pieces[VECTOR_MAX_BYTES];
static size_t piece_count;

void cuts_add(uint64_t quiet_ms, size_t start, size_t size, bool idle)
{
    if (size > 0)
        pieces[piece_count++] = (struct vector_piece){quiet_ms, start, size, idle};
}

void cuts_as_recorded(const struct vector *vector)
{
    piece_count = 0;
    for (size_t i = 0; i < vector->run_count; i++)
        cuts_add(vector->runs[i].quiet_ms, vector->runs[i].start, vector->runs[i].size,
                 vector->runs[i].idle);
}

void cuts_at(size_t at)
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

void cuts_join_first(void)
{
    if (piece_count < 2 || pieces[1].idle != pieces[0].idle)
        return;
    pieces[0].size += pieces[1].size;
    memmove(pieces + 1, pieces + 2, (piece_count - 2) * sizeof(pieces[0]));
    piece_count--;
}

void cuts_play(const struct vector *vector, const char *how)
{
    vector_play(vector, pieces, piece_count, how);
}

void cuts_clear(void)
{
    piece_count = 0;
}

void cuts_delay_last(uint64_t quiet_ms)
{
    pieces[piece_count - 1].quiet_ms = quiet_ms;
}
