#include "tests/sim/bench_kernel.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/check.h"

#define ACCEPT_TAG UINT64_C(0xacce97)
#define CLOSE_TAG  UINT64_C(0xc105e)

static struct kernel *make_kernel(uint32_t slots)
{
    struct kernel_limits limits = {
        .slots = slots, .reserved_slots = 1, .buffer_count = {4, 2}, .buffer_size = {256, 1024}};
    struct kernel_error error;
    struct kernel *kernel;
    CHECK(kernel_create(&limits, &kernel, &error) == STATUS_OK);
    return kernel;
}

void bench_open(struct bench *bench, const struct sim_options *options)
{
    struct sim_options calm;
    struct address address;
    struct listen_options listen = {.backlog = 3,
                                    .keepalive_idle_s = 60,
                                    .keepalive_interval_s = 10,
                                    .keepalive_count = 3,
                                    .user_timeout_ms = 30000};
    sim_options_calm(&calm, 1);
    memset(bench, 0, sizeof *bench);
    bench->sim = sim_create(options ? options : &calm);
    bench->kernels[0] = make_kernel(8);
    bench->kernels[1] = make_kernel(3);
    CHECK(address_parse("0.0.0.0:5000", &address) == STATUS_OK);
    bench->listening = kernel_listen(&address, &listen);
    CHECK(bench->listening >= 0);
}

void bench_close(struct bench *bench)
{
    if (bench->listening >= 0)
        kernel_listen_close(bench->listening);
    bench_run(bench, 0);
    sim_check_quiet(bench->sim);
    kernel_destroy(bench->kernels[0]);
    kernel_destroy(bench->kernels[1]);
    sim_destroy(bench->sim);
}

static void collect(struct bench *bench, struct kernel *kernel)
{
    CHECK(bench->kept_count < BENCH_KEPT);
    bench->kept_count +=
        kernel_wait(kernel, &bench->kept[bench->kept_count], BENCH_KEPT - bench->kept_count, -1);
}

void bench_run(struct bench *bench, uint64_t limit_ms)
{
    uint64_t until_ms = sim_now_ms(bench->sim) + limit_ms;
    for (;;) {
        collect(bench, bench->kernels[0]);
        collect(bench, bench->kernels[1]);
        if (sim_idle(bench->sim))
            return;
        if (sim_next_event_ms(bench->sim) > until_ms) {
            sim_advance(bench->sim, until_ms - sim_now_ms(bench->sim));
            return;
        }
        sim_step(bench->sim);
    }
}

bool bench_take(struct bench *bench, uint64_t tag, struct completion *completion)
{
    for (unsigned i = 0; i < bench->kept_count; i++) {
        if (bench->kept[i].tag != tag)
            continue;
        *completion = bench->kept[i];
        bench->kept_count--;
        memmove(&bench->kept[i], &bench->kept[i + 1],
                (bench->kept_count - i) * sizeof bench->kept[0]);
        return true;
    }
    return false;
}

int32_t bench_result(struct bench *bench, uint64_t tag)
{
    struct completion completion;
    struct completion another;
    bench_run(bench, 10000);
    CHECK(bench_take(bench, tag, &completion));
    CHECK(!bench_take(bench, tag, &another));
    return completion.result;
}

struct sim_peer *bench_connect(struct bench *bench, uint32_t *slot)
{
    struct address to;
    struct address from;
    CHECK(address_parse("192.0.2.1:5000", &to) == STATUS_OK);
    CHECK(address_parse("10.0.0.1:1234", &from) == STATUS_OK);
    struct sim_peer *peer = sim_peer_connect(bench->sim, &to, &from);
    CHECK(peer);
    kernel_accept(bench->kernels[0], bench->listening, false, &bench->accept_buffer, ACCEPT_TAG);
    int32_t result = bench_result(bench, ACCEPT_TAG);
    CHECK(result >= 1);
    *slot = (uint32_t)result;
    return peer;
}

void bench_close_slot(struct bench *bench, uint32_t slot)
{
    kernel_close(bench->kernels[0], slot, CLOSE_TAG);
    CHECK(bench_result(bench, CLOSE_TAG) == 0);
}

bool bench_dies_of(void (*run)(void), const char *text)
{
    int ends[2];
    char words[2048];
    size_t size = 0;
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
        signal(SIGABRT, SIG_DFL);
        run();
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], words + size, sizeof words - 1 - size)) > 0;)
        size += (size_t)got;
    close(ends[0]);
    words[size] = 0;
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(words, text) != NULL;
}
