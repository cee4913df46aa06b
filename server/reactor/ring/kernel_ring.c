/* kernel.h over io_uring: the ring itself, its buffers, its loop. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/reactor/ring/ring.h"

#define SUBMISSION_ENTRIES 256u
#define COMPLETION_ENTRIES 4096u

/* ---- provided buffers ---- */

static enum status buffers_create(struct kernel *kernel, enum buffer_group group,
                                  struct kernel_error *error)
{
    struct buffers *buffers = &kernel->buffers[group];
    buffers->count = kernel->limits.buffer_count[group];
    buffers->size = kernel->limits.buffer_size[group];
    if (buffers->count == 0)
        return STATUS_OK;
    buffers->stride = buffers->size + KERNEL_BUFFER_HEADROOM;
    buffers->memory_size = buffers->stride * buffers->count;
    buffers->ring_size = buffers->count * sizeof(struct io_uring_buf);
    buffers->memory = mmap(NULL, buffers->memory_size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffers->ring =
        mmap(NULL, buffers->ring_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffers->memory == MAP_FAILED || buffers->ring == MAP_FAILED) {
        ring_explain(error, errno, "mapping the receive buffers");
        return STATUS_SYSTEM;
    }
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)buffers->ring,
        .ring_entries = buffers->count,
        .bgid = (uint16_t)group,
    };
    int result = io_uring_register_buf_ring(&kernel->ring, &registration, 0);
    if (result < 0) {
        ring_explain(error, -result, "registering the receive buffers");
        return STATUS_SYSTEM;
    }
    io_uring_buf_ring_init(buffers->ring);
    for (uint32_t i = 0; i < buffers->count; i++)
        io_uring_buf_ring_add(buffers->ring,
                              buffers->memory + i * buffers->stride + KERNEL_BUFFER_HEADROOM,
                              buffers->size, (uint16_t)i, (int)buffers->count - 1, (int)i);
    io_uring_buf_ring_advance(buffers->ring, (int)buffers->count);
    return STATUS_OK;
}

static void buffers_destroy(struct buffers *buffers)
{
    if (buffers->memory != NULL && buffers->memory != MAP_FAILED)
        munmap(buffers->memory, buffers->memory_size);
    if (buffers->ring != NULL && buffers->ring != MAP_FAILED)
        munmap(buffers->ring, buffers->ring_size);
}

uint8_t *kernel_buffer(struct kernel *kernel, enum buffer_group group, uint16_t id)
{
    struct buffers *buffers = &kernel->buffers[group];
    CHECK(id < buffers->count);
    return buffers->memory + id * buffers->stride + KERNEL_BUFFER_HEADROOM;
}

void kernel_buffer_return(struct kernel *kernel, enum buffer_group group, uint16_t id)
{
    struct buffers *buffers = &kernel->buffers[group];
    io_uring_buf_ring_add(buffers->ring, kernel_buffer(kernel, group, id), buffers->size, id,
                          (int)buffers->count - 1, 0);
    io_uring_buf_ring_advance(buffers->ring, 1);
}

/* ---- creation ---- */

static enum status check_descriptors(const struct kernel_limits *limits, struct kernel_error *error)
{
    struct rlimit limit = {0, 0};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limits->slots <= limit.rlim_cur)
        return STATUS_OK;
    error->error = EMFILE;
    (void)snprintf(error->text, sizeof error->text,
                   "a table of %u descriptors is more than RLIMIT_NOFILE (%llu) allows; raise it "
                   "(systemd: LimitNOFILE=) or use more shards",
                   limits->slots, (unsigned long long)limit.rlim_cur);
    return STATUS_SYSTEM;
}

static enum status ring_setup(struct kernel *kernel, struct kernel_error *error)
{
    struct io_uring_params parameters;
    memset(&parameters, 0, sizeof parameters);
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    parameters.cq_entries = COMPLETION_ENTRIES;
    int result = io_uring_queue_init_params(SUBMISSION_ENTRIES, &kernel->ring, &parameters);
    if (result < 0) {
        kernel->ring.ring_fd = -1;
        ring_explain(error, -result, "creating an io_uring");
        return STATUS_SYSTEM;
    }
    result = io_uring_register_files_sparse(&kernel->ring, kernel->limits.slots);
    if (result < 0) {
        ring_explain(error, -result, "registering the descriptor table");
        return STATUS_SYSTEM;
    }
    result =
        io_uring_register_file_alloc_range(&kernel->ring, kernel->limits.reserved_slots,
                                           kernel->limits.slots - kernel->limits.reserved_slots);
    if (result < 0) {
        ring_explain(error, -result, "dividing the descriptor table");
        return STATUS_SYSTEM;
    }
    /* cheaper io_uring_enter; it works without, too */
    (void)io_uring_register_ring_fd(&kernel->ring);
    return STATUS_OK;
}

enum status kernel_create(const struct kernel_limits *limits, struct kernel **created,
                          struct kernel_error *error)
{
    CHECK(limits->reserved_slots < limits->slots);
    if (check_descriptors(limits, error) != STATUS_OK)
        return STATUS_SYSTEM;
    struct kernel *kernel = calloc(1, sizeof *kernel);
    if (kernel == NULL) {
        ring_explain(error, ENOMEM, "allocating a shard");
        return STATUS_SYSTEM;
    }
    kernel->limits = *limits;
    kernel->ring.ring_fd = -1;
    helper_retain();
    kernel->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (kernel->event < 0) {
        ring_explain(error, errno, "creating an eventfd");
        goto failed;
    }
    if (getrandom(&kernel->random, sizeof kernel->random, 0) != sizeof kernel->random) {
        ring_explain(error, errno, "reading random bytes");
        goto failed;
    }
    if (ring_setup(kernel, error) != STATUS_OK)
        goto failed;
    for (int group = 0; group < BUFFER_GROUPS; group++)
        if (buffers_create(kernel, (enum buffer_group)group, error) != STATUS_OK)
            goto failed;
    *created = kernel;
    return STATUS_OK;
failed:
    kernel_destroy(kernel);
    return STATUS_SYSTEM;
}

void kernel_destroy(struct kernel *kernel)
{
    helper_release(); /* first: the helper may still be waking this kernel */
    for (struct work *work = atomic_load(&kernel->finished); work != NULL;) {
        struct work *next = work->next;
        free(work);
        work = next;
    }
    if (kernel->ring.ring_fd >= 0)
        io_uring_queue_exit(&kernel->ring);
    for (int group = 0; group < BUFFER_GROUPS; group++)
        buffers_destroy(&kernel->buffers[group]);
    if (kernel->event >= 0)
        close(kernel->event);
    free(kernel->stash);
    free(kernel);
}

/* ---- the loop ---- */

static void arm_event(struct kernel *kernel)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, TAG_EVENT);
    /* a poll first, since the descriptor doesn't block */
    io_uring_prep_poll_add(sqe, kernel->event, POLLIN);
    kernel->event_armed = true;
}

static void install_done(struct install *install, int32_t result, struct completion *completion)
{
    completion->tag = install->tag;
    completion->flags = 0;
    if (install->own < 0) {
        completion->result = install->own;
    } else {
        close(install->own);
        completion->result = result == 1 ? install->descriptor : result;
        if (result == 0)
            completion->result = -ENFILE;
    }
    free(install);
}

/* Turns one completion entry into one of ours; false if it was the ring's own business. */
static bool translate(struct kernel *kernel, const struct io_uring_cqe *cqe,
                      struct completion *completion)
{
    uint64_t tag = cqe->user_data;
    if (tag < TAG_OWN) {
        completion->tag = tag;
        completion->result = cqe->res;
        completion->flags = (cqe->flags & 0xffff0000u) |
                            ((cqe->flags & IORING_CQE_F_MORE) ? COMPLETION_MORE : 0) |
                            ((cqe->flags & IORING_CQE_F_BUFFER) ? COMPLETION_BUFFER : 0);
        return true;
    }
    switch (tag & TAG_KIND) {
    case TAG_EVENT: {
        uint64_t value;
        ssize_t taken = read(kernel->event, &value, sizeof value);
        (void)taken; /* only the waking matters */
        kernel->system_calls++;
        kernel->event_armed = false;
        return false;
    }
    case TAG_ALARM:
        kernel->alarm_ms = 0;
        return false;
    case TAG_INSTALL:
        install_done((struct install *)(uintptr_t)(tag & ~TAG_KIND), cqe->res, completion);
        return true;
    default:
        return false;
    }
}

static unsigned reap(struct kernel *kernel, struct completion *completions, unsigned capacity)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned seen = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(&kernel->ring, head, cqe)
    {
        if (count == capacity)
            break;
        if (translate(kernel, cqe, &completions[count]))
            count++;
        seen++;
    }
    io_uring_cq_advance(&kernel->ring, seen);
    return count;
}

/* The kernel wants completions reaped before it takes more submissions. */
static void stash_completions(struct kernel *kernel)
{
    kernel->system_calls++;
    (void)io_uring_get_events(&kernel->ring);
    if (kernel->stash_capacity - kernel->stash_count < COMPLETION_ENTRIES) {
        size_t capacity = kernel->stash_count + 2 * (size_t)COMPLETION_ENTRIES;
        struct completion *stash = realloc(kernel->stash, capacity * sizeof *stash);
        CHECK(stash != NULL);
        kernel->stash = stash;
        kernel->stash_capacity = capacity;
    }
    kernel->stash_count += reap(kernel, kernel->stash + kernel->stash_count, COMPLETION_ENTRIES);
}

struct io_uring_sqe *ring_entry(struct kernel *kernel, uint64_t tag)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&kernel->ring);
    while (sqe == NULL) {
        kernel->system_calls++;
        int result = io_uring_submit(&kernel->ring);
        if (result == -EBUSY || result == -EAGAIN)
            stash_completions(kernel);
        else
            CHECK(result >= 0 || result == -EINTR);
        sqe = io_uring_get_sqe(&kernel->ring);
    }
    io_uring_sqe_set_data64(sqe, tag);
    return sqe;
}

static unsigned take_stash(struct kernel *kernel, struct completion *completions, unsigned capacity)
{
    unsigned count = 0;
    while (count < capacity && kernel->stash_next < kernel->stash_count)
        completions[count++] = kernel->stash[kernel->stash_next++];
    if (kernel->stash_next == kernel->stash_count) {
        kernel->stash_next = 0;
        kernel->stash_count = 0;
    }
    return count;
}

/* A wait with a limit programs a timer each time it sleeps; a timeout in the ring stays armed
 * over many waits. It may end one early, which does no harm. */
static void arm_alarm(struct kernel *kernel, int timeout_ms)
{
    uint64_t due = kernel_now_ms(kernel) + (uint64_t)timeout_ms;
    if (kernel->alarm_ms != 0 && kernel->alarm_ms <= due)
        return;
    kernel->alarm_ms = due;
    kernel->alarm_at.tv_sec = timeout_ms / 1000;
    kernel->alarm_at.tv_nsec = (long long)(timeout_ms % 1000) * 1000000;
    struct io_uring_sqe *sqe = ring_entry(kernel, TAG_ALARM);
    io_uring_prep_timeout(sqe, &kernel->alarm_at, 0, 0);
    io_uring_sqe_set_data64(sqe, TAG_ALARM);
}

static void submit_and_wait(struct kernel *kernel, int timeout_ms)
{
    int result;
    kernel->system_calls++;
    if (timeout_ms == 0) {
        result = io_uring_submit_and_get_events(&kernel->ring);
    } else if (timeout_ms < 0) {
        /* one completion, not several: a wait for more sleeps through a wake */
        result = io_uring_submit_and_wait(&kernel->ring, 1);
    } else {
        arm_alarm(kernel, timeout_ms);
        result = io_uring_submit_and_wait(&kernel->ring, 1);
    }
    if (result == -EBUSY || result == -EAGAIN)
        stash_completions(kernel);
    else
        CHECK(result >= 0 || result == -EINTR || result == -ETIME);
}

unsigned kernel_wait(struct kernel *kernel, struct completion *completions, unsigned capacity,
                     int timeout_ms)
{
    if (!kernel->event_armed)
        arm_event(kernel);
    if (kernel->stash_count > 0)
        timeout_ms = 0;
    submit_and_wait(kernel, timeout_ms);
    unsigned count = take_stash(kernel, completions, capacity);
    if (kernel->stash_count == 0)
        count += reap(kernel, completions + count, capacity - count);
    count += works_collect(kernel, completions + count, capacity - count);
    return count;
}

/* ---- clocks and randomness ---- */

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t kernel_now_ms(struct kernel *kernel)
{
    (void)kernel;
    return clock_ms(CLOCK_MONOTONIC) + 1; /* never 0 */
}

uint64_t kernel_utc_ms(struct kernel *kernel)
{
    (void)kernel;
    return clock_ms(CLOCK_REALTIME);
}

/* splitmix64 from a random start: for jitter and hash seeds, not for keys. */
uint64_t kernel_random(struct kernel *kernel)
{
    kernel->random += 0x9e3779b97f4a7c15u;
    uint64_t z = kernel->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t kernel_system_calls(const struct kernel *kernel)
{
    return kernel->system_calls;
}
