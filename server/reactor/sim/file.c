/* kernel.h's calls on files, and slow work. They may run in any order, at any later moment. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/reactor/sim/operation.h"

static struct sim_operation *file_operation(struct kernel *kernel, enum sim_operation_kind kind,
                                            int file, uint64_t tag)
{
    struct sim_descriptor *descriptor = sim_disk_descriptor(kernel->sim, file);
    SIM_RULE(descriptor && !descriptor->closing, "a file operation on a descriptor not open");
    struct sim_operation *operation = sim_operation_make(kernel, kind, tag);
    operation->file = file;
    descriptor->in_flight++;
    return operation;
}

void kernel_file_open(struct kernel *kernel, const char *path, int flags, uint32_t mode,
                      uint64_t tag)
{
    (void)mode; /* everybody may do everything here */
    struct sim_operation *operation = sim_operation_make(kernel, SIM_FILE_OPEN, tag);
    operation->path = path;
    operation->open_flags = flags;
    operation->hash = sim_hash(path, strlen(path));
    sim_operation_queue(operation);
}

void kernel_file_read(struct kernel *kernel, int file, uint8_t *data, uint32_t size,
                      uint64_t offset, uint64_t tag)
{
    struct sim_operation *operation = file_operation(kernel, SIM_FILE_READ, file, tag);
    operation->read_data = data;
    operation->size = size;
    operation->offset = offset;
    sim_operation_queue(operation);
}

static void queue_write(struct kernel *kernel, int file, const uint8_t *data, uint32_t size,
                        uint64_t offset, bool through, uint64_t tag)
{
    struct sim_operation *operation = file_operation(kernel, SIM_FILE_WRITE, file, tag);
    operation->through = through;
    operation->data = data;
    operation->size = size;
    operation->offset = offset;
    operation->hash = sim_hash(data, size);
    sim_operation_queue(operation);
}

void kernel_file_write(struct kernel *kernel, int file, const uint8_t *data, uint32_t size,
                       uint64_t offset, uint64_t tag)
{
    queue_write(kernel, file, data, size, offset, false, tag);
}

void kernel_file_write_through(struct kernel *kernel, int file, const uint8_t *data, uint32_t size,
                               uint64_t offset, uint64_t tag)
{
    queue_write(kernel, file, data, size, offset, true, tag);
}

void kernel_file_sync(struct kernel *kernel, int file, uint64_t tag)
{
    sim_operation_queue(file_operation(kernel, SIM_FILE_SYNC, file, tag));
}

void kernel_file_close(struct kernel *kernel, int file, uint64_t tag)
{
    struct sim_operation *operation = file_operation(kernel, SIM_FILE_CLOSE, file, tag);
    struct sim_descriptor *descriptor = sim_disk_descriptor(kernel->sim, file);
    SIM_RULE(descriptor->in_flight == 1, "kernel_file_close with something in flight");
    descriptor->closing = true;
    sim_operation_queue(operation);
}

void kernel_work(struct kernel *kernel, enum work_kind kind, void (*function)(void *argument),
                 void *argument, uint64_t tag)
{
    (void)kind;
    struct sim_operation *operation = sim_operation_make(kernel, SIM_WORK, tag);
    operation->function = function;
    operation->argument = argument;
    sim_operation_queue(operation);
}

static int32_t attempt_open(struct sim_operation *operation)
{
    SIM_RULE(sim_hash(operation->path, strlen(operation->path)) == operation->hash,
             "a path was changed while its file was being opened");
    return sim_disk_open(operation->kernel->sim, operation->path, operation->open_flags);
}

static int32_t attempt_write(struct sim_operation *operation)
{
    SIM_RULE(sim_hash(operation->data, operation->size) == operation->hash,
             "bytes were changed while they were being written to a file");
    return sim_disk_write(operation->kernel->sim, operation->file, operation->data, operation->size,
                          operation->offset);
}

/* A write that syncs is two steps: much may happen between them, a crash too. True: it was the
 * first, and what it wrote waits for the second. */
static bool write_first(struct sim_operation *operation, int32_t *result)
{
    if (operation->started) {
        int32_t synced = sim_disk_sync(operation->kernel->sim, operation->file);
        *result = synced < 0 ? synced : (int32_t)operation->sent;
        return false;
    }
    *result = attempt_write(operation);
    if (*result <= 0)
        return false;
    operation->started = true;
    operation->sent = (uint32_t)*result;
    sim_event_soon(operation->kernel->sim, &operation->attempt);
    return true;
}

static int32_t run(struct sim_operation *operation)
{
    struct sim *sim = operation->kernel->sim;
    switch ((enum sim_operation_kind)operation->kind) {
    case SIM_FILE_OPEN:
        return attempt_open(operation);
    case SIM_FILE_READ:
        return sim_disk_read(sim, operation->file, operation->read_data, operation->size,
                             operation->offset);
    case SIM_FILE_WRITE:
        return attempt_write(operation);
    case SIM_FILE_SYNC:
        return sim_disk_sync(sim, operation->file);
    case SIM_FILE_CLOSE:
        return sim_disk_close(sim, operation->file);
    default:
        operation->function(operation->argument);
        return 0;
    }
}

void sim_attempt_file(struct sim_operation *operation)
{
    struct sim *sim = operation->kernel->sim;
    struct sim_descriptor *descriptor =
        operation->file ? sim_disk_descriptor(sim, operation->file) : NULL;
    int32_t result = 0;
    if (operation->through && write_first(operation, &result))
        return;
    if (!operation->through)
        result = run(operation);
    if (descriptor)
        descriptor->in_flight--;
    sim_post(operation, result, 0);
}
