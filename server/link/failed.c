#include "server/link/failed.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "server/base/check.h"

/* Entries copied in one go: readers never hold a shard up for longer. */
#define READ_BATCH 64

/* Entry number n stands at (n - 1) % capacity. */
struct failed_log {
    pthread_mutex_t lock;
    size_t capacity;
    uint64_t added;
    struct failed_identification *entries;
};

enum status failed_log_create(size_t capacity, struct failed_log **log)
{
    CHECK(capacity > 0);
    struct failed_log *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return STATUS_NO_MEMORY;
    made->capacity = capacity;
    made->entries = calloc(capacity, sizeof(*made->entries));
    if (made->entries == NULL || pthread_mutex_init(&made->lock, NULL) != 0) {
        free(made->entries);
        free(made);
        return STATUS_NO_MEMORY;
    }
    *log = made;
    return STATUS_OK;
}

void failed_log_free(struct failed_log *log)
{
    if (log == NULL)
        return;
    (void)pthread_mutex_destroy(&log->lock);
    free(log->entries);
    free(log);
}

static void lock(struct failed_log *log)
{
    CHECK(pthread_mutex_lock(&log->lock) == 0);
}

static void unlock(struct failed_log *log)
{
    CHECK(pthread_mutex_unlock(&log->lock) == 0);
}

void failed_log_add(struct failed_log *log, const struct failed_identification *entry)
{
    CHECK(entry->kept <= FAILED_BYTES);
    lock(log);
    struct failed_identification *place = &log->entries[log->added % log->capacity];
    *place = *entry;
    place->number = ++log->added;
    unlock(log);
}

size_t failed_log_read(struct failed_log *log, struct failed_identification *entries,
                       size_t capacity)
{
    size_t count = 0;
    uint64_t number = 0; /* the next to copy, once known */

    do {
        lock(log);
        uint64_t oldest = log->added < log->capacity ? 1 : log->added - log->capacity + 1;
        if (count == 0)
            number = log->added;
        size_t end = capacity - count < READ_BATCH ? capacity : count + READ_BATCH;
        for (; count < end && number >= oldest && number > 0; number--)
            entries[count++] = log->entries[(number - 1) % log->capacity];
        bool more = count == end && number >= oldest && number > 0;
        unlock(log);
        if (!more)
            break;
    } while (count < capacity);
    return count;
}
