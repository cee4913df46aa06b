/* Runs a property under many seeds. SIM_SEEDS in the environment says how many (otherwise as many
 * as the test asks for, a quarter of that under a sanitizer), SIM_SEED replays one. A failing seed
 * is printed, whichever way the process ends. */
#ifndef CENCD_TESTS_SIM_SEEDS_H
#define CENCD_TESTS_SIM_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

void seeds_run(const char *name, unsigned count, void (*run)(uint64_t seed));

/* Whether seeds_run takes as many as the test asks for. What only some seeds come upon can be
 * asserted only then. */
bool seeds_all(void);

/* For properties: prints the seed and what was expected, and aborts. */
_Noreturn void seeds_failed(const char *expression, const char *file, int line);
#define SEEDS_REQUIRE(expression)                                                                  \
    ((expression) ? (void)0 : seeds_failed(#expression, __FILE__, __LINE__))

#endif
