#include "tests/sim/seeds.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SEEDS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS_SANITIZER
#endif
#ifdef SEEDS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#define SEEDS_SHARE 4 /* one of so many */
#else
#define SEEDS_SHARE 1
#endif

static char verdict[160];

static void print_seed(void)
{
    if (write(STDERR_FILENO, verdict, strlen(verdict)) < 0)
        return;
    verdict[0] = 0;
}

static void on_abort(int signal_number)
{
    print_seed();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

_Noreturn void seeds_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, expression);
    abort();
}

static void run_one(const char *name, uint64_t seed, void (*run)(uint64_t seed))
{
    snprintf(verdict, sizeof verdict,
             "%s: failing seed %" PRIu64 ", replay with SIM_SEED=%" PRIu64 "\n", name, seed, seed);
    run(seed);
    verdict[0] = 0;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

bool seeds_all(void)
{
    return SEEDS_SHARE == 1 && getenv("SIM_SEED") == NULL && getenv("SIM_SEEDS") == NULL;
}

void seeds_run(const char *name, unsigned count, void (*run)(uint64_t seed))
{
#ifdef SEEDS_SANITIZER
    __sanitizer_set_death_callback(print_seed);
#endif
    signal(SIGABRT, on_abort);
    if (getenv("SIM_SEED")) {
        run_one(name, from_environment("SIM_SEED", 0), run);
    } else {
        uint64_t last = from_environment("SIM_SEEDS", (count + SEEDS_SHARE - 1) / SEEDS_SHARE);
        for (uint64_t seed = 1; seed <= last; seed++)
            run_one(name, seed, run);
    }
    signal(SIGABRT, SIG_DFL);
}
