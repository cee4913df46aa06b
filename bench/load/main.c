/* load: the one load generator for every relay that is compared; see `load --help`. */
#include <signal.h>

#include "bench/load/modes.h"

int main(int argc, char **argv)
{
    static void (*const modes[])(const struct options *) = {
        [MODE_REQUEST] = run_requests,
        [MODE_BULK] = run_bulk,
        [MODE_CHURN] = run_churn,
        [MODE_IDLE] = run_idle,
    };
    struct options options = options_parse(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    modes[options.mode](&options);
    return 0;
}
