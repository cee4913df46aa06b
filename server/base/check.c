#include "server/base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    (void)fprintf(stderr, "cencd: check failed: %s (%s:%d)\n", expression, file, line);
    abort();
}
