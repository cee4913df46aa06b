/* Files and slow work: operations that name their own object. */
#include "server/reactor/internal.h"

static enum status begin(struct reactor *reactor, struct operation *operation)
{
    operation->reactor = reactor;
    operation->index = table_add(&reactor->operations, operation);
    if (operation->index == UINT32_MAX)
        return STATUS_NO_MEMORY;
    reactor->in_flight++;
    return STATUS_OK;
}

static uint64_t operation_tag(const struct operation *operation)
{
    return tag_make(TAG_OPERATION, 0, operation->index);
}

enum status file_open(struct reactor *reactor, struct operation *operation, const char *path,
                      int flags, uint32_t mode)
{
    if (begin(reactor, operation) != STATUS_OK)
        return STATUS_NO_MEMORY;
    kernel_file_open(reactor->kernel, path, flags, mode, operation_tag(operation));
    return STATUS_OK;
}

enum status file_read(struct reactor *reactor, struct operation *operation, int file, uint8_t *data,
                      uint32_t size, uint64_t offset)
{
    if (begin(reactor, operation) != STATUS_OK)
        return STATUS_NO_MEMORY;
    kernel_file_read(reactor->kernel, file, data, size, offset, operation_tag(operation));
    return STATUS_OK;
}

enum status file_write(struct reactor *reactor, struct operation *operation, int file,
                       const uint8_t *data, uint32_t size, uint64_t offset)
{
    if (begin(reactor, operation) != STATUS_OK)
        return STATUS_NO_MEMORY;
    kernel_file_write(reactor->kernel, file, data, size, offset, operation_tag(operation));
    return STATUS_OK;
}

enum status file_write_through(struct reactor *reactor, struct operation *operation, int file,
                               const uint8_t *data, uint32_t size, uint64_t offset)
{
    if (begin(reactor, operation) != STATUS_OK)
        return STATUS_NO_MEMORY;
    kernel_file_write_through(reactor->kernel, file, data, size, offset, operation_tag(operation));
    return STATUS_OK;
}

enum status file_sync(struct reactor *reactor, struct operation *operation, int file)
{
    if (begin(reactor, operation) != STATUS_OK)
        return STATUS_NO_MEMORY;
    kernel_file_sync(reactor->kernel, file, operation_tag(operation));
    return STATUS_OK;
}

enum status file_close(struct reactor *reactor, struct operation *operation, int file)
{
    if (begin(reactor, operation) != STATUS_OK)
        return STATUS_NO_MEMORY;
    kernel_file_close(reactor->kernel, file, operation_tag(operation));
    return STATUS_OK;
}

static enum status work(struct reactor *reactor, struct operation *operation, enum work_kind kind,
                        void (*function)(void *argument), void *argument)
{
    if (begin(reactor, operation) != STATUS_OK)
        return STATUS_NO_MEMORY;
    kernel_work(reactor->kernel, kind, function, argument, operation_tag(operation));
    return STATUS_OK;
}

enum status reactor_work(struct reactor *reactor, struct operation *operation,
                         void (*function)(void *argument), void *argument)
{
    return work(reactor, operation, WORK_WAITS, function, argument);
}

enum status reactor_compute(struct reactor *reactor, struct operation *operation,
                            void (*function)(void *argument), void *argument)
{
    return work(reactor, operation, WORK_COMPUTES, function, argument);
}

void operation_completed(struct reactor *reactor, uint32_t index, int32_t result)
{
    struct operation *operation = table_get(&reactor->operations, index);
    CHECK(operation != NULL);
    table_remove(&reactor->operations, index);
    reactor->in_flight--;
    operation->done(operation, result);
}
