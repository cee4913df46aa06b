#include "tests/sim/quiet_log.h"

#include <fcntl.h>
#include <unistd.h>

#include "server/base/log.h"

static int nowhere = -1;

int quiet_log_start(void **state)
{
    (void)state;
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return nowhere >= 0 && log_start(nowhere, LOG_ERROR) == STATUS_OK ? 0 : -1;
}

int quiet_log_stop(void **state)
{
    (void)state;
    log_stop();
    return close(nowhere);
}
