/* Why a ring can't be had, said so that somebody can act on it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/reactor/ring/ring.h"

static int io_uring_disabled(void)
{
    int value = 0;
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &value) != 1) // NOLINT(cert-err34-c): one digit from the kernel
        value = 0;
    (void)fclose(file);
    return value;
}

static void explain_memory(struct kernel_error *error, const char *step)
{
    struct rlimit limit = {0, 0};
    (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    if (geteuid() != 0 && limit.rlim_cur != RLIM_INFINITY)
        (void)snprintf(error->text, sizeof error->text,
                       "%s failed for want of lockable memory: RLIMIT_MEMLOCK is %llu kB; raise it "
                       "(systemd: LimitMEMLOCK=infinity; shell: ulimit -l unlimited) or use fewer "
                       "shards",
                       step, (unsigned long long)limit.rlim_cur / 1024);
    else
        (void)snprintf(error->text, sizeof error->text,
                       "%s failed: out of memory; free some or use fewer shards", step);
}

void ring_explain(struct kernel_error *error, int error_number, const char *step)
{
    error->error = error_number;
    switch (error_number) {
    case ENOMEM:
        explain_memory(error, step);
        return;
    case EPERM:
    case EACCES:
        if (io_uring_disabled() != 0)
            (void)snprintf(error->text, sizeof error->text,
                           "%s was refused: io_uring is switched off on this host; set sysctl "
                           "kernel.io_uring_disabled=0",
                           step);
        else
            (void)snprintf(error->text, sizeof error->text,
                           "%s was refused, most likely by a container's seccomp profile; allow "
                           "io_uring_setup, io_uring_enter and io_uring_register there",
                           step);
        return;
    case ENOSYS:
    case EOPNOTSUPP:
        (void)snprintf(error->text, sizeof error->text,
                       "%s is not offered here (%s): the kernel is built without io_uring or a "
                       "sandbox hides it; run on Linux 6.1 or newer outside that sandbox",
                       step, strerror(error_number));
        return;
    case EINVAL:
        (void)snprintf(error->text, sizeof error->text,
                       "%s is not understood by this kernel: Linux 6.1 or newer is needed", step);
        return;
    case EMFILE:
    case ENFILE:
        (void)snprintf(error->text, sizeof error->text,
                       "%s failed: no descriptors left; raise RLIMIT_NOFILE (systemd: "
                       "LimitNOFILE=1048576) or lower limits.links",
                       step);
        return;
    default:
        (void)snprintf(error->text, sizeof error->text, "%s failed: %s", step,
                       strerror(error_number));
    }
}
