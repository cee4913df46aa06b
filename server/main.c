/* cencd: configuration, shards, signals. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/config.h"
#include "server/base/check.h"
#include "server/base/log.h"
#include "server/directory/first_agent.h"
#include "server/northbound/plugin_host.h"
#include "server/northbound/thread.h"
#include "server/ops/admin.h"
#include "server/ops/ops.h"
#include "server/shard/durable.h"
#include "server/shard/server.h"

#define DEFAULT_CONFIG "/etc/cencd/cencd.yaml"

/* Exit codes, as in the manual page and docs/operations.md. */
enum exit_code {
    EXIT_GOOD = 0,
    EXIT_USAGE = EX_USAGE,        /* 64: unknown option */
    EXIT_LISTEN = EX_UNAVAILABLE, /* 69: an address can't be listened on */
    EXIT_RING = EX_OSERR,         /* 71: no io_uring, or not enough memory or descriptors */
    EXIT_STATE = EX_IOERR,        /* 74: journal or directory can't be read or written */
    EXIT_CONFIG = EX_CONFIG,      /* 78: the configuration is wrong */
};

struct shard_thread {
    pthread_t thread;
    struct server *server;
    const struct server_plan *plan;
    pthread_barrier_t *barrier;
    struct kernel_error error;
    enum status status;
    uint32_t index;
    bool *all_good;
};

/* ---- threads ---- */

static void run_shard(struct shard *shard)
{
    while (!shard_quiet(shard))
        shard_turn(shard, -1);
}

/* Ring and links belong to the thread that made them; the barriers see to it that no shard runs
 * before all are there, and none goes while another may still call it. */
static void *shard_main(void *argument)
{
    struct shard_thread *self = argument;
    self->status = shard_create(self->server, self->plan, self->index, &self->error);
    pthread_barrier_wait(self->barrier); /* all made, or not */
    pthread_barrier_wait(self->barrier); /* main has looked */
    struct shard *shard = self->server->shards[self->index];
    if (*self->all_good) {
        self->status = shard_start(shard);
        if (self->status != STATUS_OK)
            server_stop(self->server);
    }
    pthread_barrier_wait(self->barrier); /* all started: numbers may be asked for */
    if (*self->all_good)
        run_shard(shard);
    pthread_barrier_wait(self->barrier); /* all quiet */
    pthread_barrier_wait(self->barrier); /* the journal's threads, which may still wake it, ended */
    if (shard != NULL)
        shard_destroy(shard);
    return NULL;
}

static bool start_threads(struct shard_thread *threads, struct server *server,
                          const struct server_plan *plan, pthread_barrier_t *barrier,
                          bool *all_good)
{
    for (uint32_t i = 0; i < plan->shards; i++) {
        threads[i].server = server;
        threads[i].plan = plan;
        threads[i].barrier = barrier;
        threads[i].index = i;
        threads[i].all_good = all_good;
        if (pthread_create(&threads[i].thread, NULL, shard_main, &threads[i]) != 0) {
            (void)fprintf(stderr, "cencd: can't start a thread for shard %u\n", i);
            return false;
        }
    }
    return true;
}

/* ---- the journal's threads ---- */

struct durable_thread {
    pthread_t thread;
    struct durable *durable;
    enum durable_role role;
    pthread_barrier_t *made;
    struct kernel_error error;
    enum status status;
};

static void *durable_main(void *argument)
{
    struct durable_thread *self = argument;
    self->status = durable_create(self->durable, self->role, &self->error);
    pthread_barrier_wait(self->made);
    pthread_barrier_wait(self->made); /* main has looked: on failure it ends the process */
    while (!durable_stopped(self->durable, self->role))
        durable_turn(self->durable, self->role, -1);
    pthread_barrier_wait(self->made); /* nobody is about to wake this one any more */
    durable_destroy(self->durable, self->role);
    return NULL;
}

/* Without a state folder there is nothing to start. On failure the process ends: nothing has been
 * accepted yet. */
static int start_durable(struct server *server, struct durable_thread threads[DURABLE_ROLES],
                         pthread_barrier_t *made)
{
    if (server->durable == NULL)
        return EXIT_GOOD;
    CHECK(pthread_barrier_init(made, NULL, DURABLE_ROLES + 1) == 0);
    for (int role = 0; role < DURABLE_ROLES; role++) {
        threads[role].durable = server->durable;
        threads[role].role = (enum durable_role)role;
        threads[role].made = made;
        CHECK(pthread_create(&threads[role].thread, NULL, durable_main, &threads[role]) == 0);
    }
    pthread_barrier_wait(made);
    for (int role = 0; role < DURABLE_ROLES; role++) {
        if (threads[role].status == STATUS_OK)
            continue;
        (void)fprintf(stderr, "cencd: journal: %s\n", threads[role].error.text);
        return EXIT_RING;
    }
    pthread_barrier_wait(made);
    return EXIT_GOOD;
}

static void stop_durable(struct server *server, struct durable_thread threads[DURABLE_ROLES],
                         pthread_barrier_t *made)
{
    if (server->durable == NULL)
        return;
    durable_stop(server->durable);
    pthread_barrier_wait(made);
    for (int role = 0; role < DURABLE_ROLES; role++)
        pthread_join(threads[role].thread, NULL);
    pthread_barrier_destroy(made);
}

/* ---- running ---- */

/* What the main thread waits for, and the others never see. */
static void fill_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGHUP);
}

static uint64_t utc_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Once a day certificates are looked at. */
static int next_signal(const struct server *server, const sigset_t *signals)
{
    static const struct timespec day = {.tv_sec = 86400};
    int number;
    while ((number = sigtimedwait(signals, NULL, &day)) < 0) {
        CHECK(errno == EAGAIN || errno == EINTR);
        if (errno == EAGAIN)
            door_certificates_log(&server->certificates, (int64_t)(utc_ms() / 1000));
    }
    return number;
}

static void wait_for_signal(struct server *server)
{
    struct log_context context = {.module = "main"};
    sigset_t signals;
    int number;
    fill_signals(&signals);
    do {
        number = next_signal(server, &signals);
        if (number == SIGHUP)
            log_line(LOG_WARN, &context,
                     "a reload isn't supported yet: restart to use a changed configuration",
                     "signal=%d", number);
    } while (number == SIGHUP);
    log_line(LOG_INFO, &context, "stopping", "signal=%d", number);
    server_stop(server);
    /* a second signal ends the process at once */
    sigdelset(&signals, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static int first_error(const struct shard_thread *threads, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (threads[i].status == STATUS_OK)
            continue;
        (void)fprintf(stderr, "cencd: shard %u of %u: %s\n", i + 1, count, threads[i].error.text);
        return EXIT_RING;
    }
    return EXIT_GOOD;
}

/* NULL: it is off. On failure the process ends: shards run, but nothing was said of being ready. */
static struct northbound_thread *start_northbound(struct server *server)
{
    struct northbound_thread *northbound = NULL;
    struct kernel_error error;
    if (!server->config->northbound.enabled)
        return NULL;
    enum status status = northbound_thread_start(server, &northbound, &error);
    if (status == STATUS_OK)
        return northbound;
    (void)fprintf(stderr, "cencd: %s\n", error.text);
    log_stop();
    _exit(status == STATUS_REFUSED  ? EXIT_LISTEN
          : status == STATUS_SYSTEM ? EXIT_RING
                                    : EXIT_STATE);
}

/* Returns when the server was told to stop; ops still answers then, if it was started. */
static int serve(struct server *server, struct ops **ops, struct admin **admin)
{
    struct kernel_error error;
    struct log_context context = {.module = "main"};
    int code = EXIT_GOOD;
    atomic_store(&server->ready, true);
    if (server->editor != NULL)
        first_agent_make(server->directory, server->editor, server->config->server.state_dir);
    if ((server->editor != NULL && admin_start(server, admin, &error) != STATUS_OK) ||
        (server->config->ops.enabled && ops_start(server, ops, &error) != STATUS_OK)) {
        (void)fprintf(stderr, "cencd: %s\n", error.text);
        code = EXIT_LISTEN;
        server_stop(server);
    } else {
        door_certificates_log(&server->certificates, (int64_t)(utc_ms() / 1000));
        log_line(LOG_INFO, &context, "ready", "node=%s shards=%u", server->config->server.node,
                 server->shard_count);
        wait_for_signal(server);
    }
    return code;
}

static int run_threads(struct server *server, const struct server_plan *plan,
                       struct durable_thread durable[DURABLE_ROLES], pthread_barrier_t *made)
{
    pthread_barrier_t barrier;
    bool all_good = false;
    struct northbound_thread *northbound = NULL;
    struct ops *ops = NULL;
    struct admin *admin = NULL;
    struct shard_thread *threads = calloc(plan->shards, sizeof *threads);
    CHECK(threads != NULL);
    CHECK(pthread_barrier_init(&barrier, NULL, plan->shards + 1) == 0);
    if (!start_threads(threads, server, plan, &barrier, &all_good))
        exit(EXIT_RING); // NOLINT(concurrency-mt-unsafe): some threads wait for the rest
    pthread_barrier_wait(&barrier);
    int code = first_error(threads, plan->shards);
    all_good = code == EXIT_GOOD;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* all started, or stopping already */
    if (all_good)
        code = first_error(threads, plan->shards);
    if (code == EXIT_GOOD) {
        northbound = start_northbound(server);
        if (server->durable != NULL)
            durable_readers_are_there(server->durable);
        code = serve(server, &ops, &admin);
    }
    pthread_barrier_wait(&barrier); /* all quiet: until then it can be seen what it waits for */
    if (ops != NULL)
        ops_stop(ops);
    if (admin != NULL)
        admin_stop(admin);
    if (northbound != NULL)
        northbound_thread_stop(northbound);
    stop_durable(server, durable, made);
    if (northbound != NULL)
        northbound_thread_free(northbound);
    pthread_barrier_wait(&barrier);
    for (uint32_t i = 0; i < plan->shards; i++)
        pthread_join(threads[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
    free(threads);
    return code;
}

/* The soft limit is raised to the hard one: descriptors are what links are made of. */
static uint64_t descriptor_limit(void)
{
    struct rlimit limit = {1024, 1024};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

/* Those of the machine that this process may run on. */
static unsigned usable_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than a set of this size holds */
    return online > 0 ? (unsigned)online : 1;
}

/* For root it doesn't count. */
static uint64_t lockable_bytes(void)
{
    struct rlimit limit;
    if (geteuid() == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return UINT64_MAX;
    return limit.rlim_cur; /* RLIM_INFINITY is the largest number */
}

static int with_journal(struct server *server, const struct server_plan *plan)
{
    struct durable_thread threads[DURABLE_ROLES];
    pthread_barrier_t made;
    memset(threads, 0, sizeof threads);
    int code = start_durable(server, threads, &made);
    if (code != EXIT_GOOD) {
        log_stop();
        _exit(code); /* the other thread waits for the barrier */
    }
    code = run_threads(server, plan, threads, &made);
    server_free(server);
    return code;
}

static int run(const struct config *config)
{
    struct server_plan plan;
    struct server *server = NULL;
    struct kernel_error error;
    struct log_context context = {.module = "main"};
    char why[sizeof plan.why + 32];
    const struct server_machine machine = {
        .nofile = descriptor_limit(),
        .memlock_bytes = lockable_bytes(),
        .processors = usable_processors(),
    };
    server_plan(config, &machine, &plan);
    log_line(LOG_INFO, &context, "cencd " CENCD_VERSION " starts", "room=%s",
             log_quote(plan.why, why, sizeof why));
    if (plan.too_low[0] != '\0') {
        (void)fprintf(stderr, "cencd: %s\n", plan.too_low);
        return EXIT_RING;
    }
    if (plan.links < config->limits.links)
        log_line(LOG_WARN, &context,
                 "fewer links than limits.links: raise RLIMIT_NOFILE or use more shards",
                 "links=%llu limit=%u", (unsigned long long)plan.links, config->limits.links);
    enum status status = server_create(config, &plan, utc_ms(), &server, &error);
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "cencd: %s\n", error.text);
        return status == STATUS_REFUSED ? EXIT_LISTEN : EXIT_STATE;
    }
    int code = with_journal(server, &plan);
    log_line(LOG_INFO, &context, "stopped", "code=%d", code);
    return code;
}

/* ---- the command line ---- */

static void usage(FILE *out)
{
    (void)fputs(
        "usage: cencd [--config FILE] [--check-config | --help-config | --version | --help]\n"
        "\n"
        "  --config FILE    the configuration (" DEFAULT_CONFIG ")\n"
        "  --check-config   read the configuration, say what is wrong with it, and exit\n"
        "  --help-config    list every key with its type, range, default and meaning\n"
        "  --version        print the version\n"
        "\n"
        "SIGTERM or SIGINT stops the server in order; a second one at once. SIGHUP does nothing.\n"
        "exit codes: 0 stopped in order, 64 usage, 69 an address can't be listened on,\n"
        "71 io_uring, memory or descriptors are refused, 74 journal or directory can't be used,\n"
        "78 the configuration is wrong\n",
        out);
}

static int with_config(const char *path, bool check_only)
{
    struct config *config = NULL;
    if (config_load(path, stderr, &config) != STATUS_OK)
        return EXIT_CONFIG;
    int code = EXIT_GOOD;
    if (check_only) {
        (void)printf("%s: no errors\n", path);
    } else {
        sigset_t signals;
        fill_signals(&signals);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error code, too */
        if (log_start(STDERR_FILENO, config->log.level) != STATUS_OK)
            (void)fputs("cencd: the log can't start\n", stderr);
        code = run(config);
        log_stop();
    }
    if (plugin_host_left_any())
        _exit(code); /* the thread that was left behind runs in what would be freed */
    config_free(config);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'k'},
        {"help-config", no_argument, NULL, 'K'},  {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *path = DEFAULT_CONFIG;
    bool check_only = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'k':
            check_only = true;
            break;
        case 'K':
            config_describe(stdout);
            return EXIT_GOOD;
        case 'v':
            (void)puts("cencd " CENCD_VERSION);
            return EXIT_GOOD;
        case 'h':
            usage(stdout);
            return EXIT_GOOD;
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (optind != argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    return with_config(path, check_only);
}
