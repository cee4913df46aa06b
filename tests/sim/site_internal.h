/* Between the files of the site. */
#ifndef CENCD_TESTS_SIM_SITE_INTERNAL_H
#define CENCD_TESTS_SIM_SITE_INTERNAL_H

#include "tests/sim/site.h"

/* site_log.c: reads what was logged into site->ends, and holds it against the counters. */
void site_read_log(struct site *site);

#endif
