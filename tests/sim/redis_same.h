/* Whether Redis has what the directory has, key by key, and nothing else under the prefix. */
#ifndef CENCD_TESTS_SIM_REDIS_SAME_H
#define CENCD_TESTS_SIM_REDIS_SAME_H

#include "tests/sim/redis_keyspace.h"
#include "tests/sim/site.h"

/* talks: says on stderr what isn't the same. */
bool redis_same(struct keyspace *keyspace, const struct site *site, bool talks);

#endif
