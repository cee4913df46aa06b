#include "agents/cencctl/cencctl.h"

#include <stdio.h>

int usage_error(const char *text, const char *what)
{
    (void)fprintf(stderr, "cencctl: %s%s; see cencctl --help\n", text, what);
    return EXIT_USAGE;
}
