#include "server/northbound/window.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64u

static struct window_entry *entry_at(const struct window *window, size_t index)
{
    return &window->entries[(window->first + index) & (window->capacity - 1)];
}

static bool grow(struct window *window)
{
    size_t capacity = window->capacity == 0 ? FIRST_CAPACITY : window->capacity * 2;
    struct window_entry *entries = malloc(capacity * sizeof(*entries));

    if (entries == NULL)
        return false;
    for (size_t i = 0; i < window->count; i++)
        entries[i] = *entry_at(window, i);
    free(window->entries);
    window->entries = entries;
    window->capacity = capacity;
    window->first = 0;
    return true;
}

bool window_add(struct window *window, uint64_t sequence, uint64_t size)
{
    if (window->count == window->capacity && !grow(window))
        return false;
    *entry_at(window, window->count++) = (struct window_entry){.sequence = sequence, .size = size};
    window->bytes += size;
    return true;
}

void window_acknowledge(struct window *window, uint64_t sequence)
{
    while (window->count > 0 && entry_at(window, 0)->sequence <= sequence) {
        window->bytes -= entry_at(window, 0)->size;
        window->first = (window->first + 1) & (window->capacity - 1);
        window->count--;
    }
    if (window->count == 0 && window->capacity > FIRST_CAPACITY)
        window_free(window);
}

void window_free(struct window *window)
{
    free(window->entries);
    window->entries = NULL;
    window->capacity = 0;
    window->first = 0;
    window->count = 0;
    window->bytes = 0;
}
