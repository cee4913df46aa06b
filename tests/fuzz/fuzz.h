/* What a fuzz target defines: takes any bytes, returns 0, and stops the process (CHECK, sanitizer)
 * where a promise is broken. Called many times in one process, so it keeps nothing between calls.
 */
#ifndef CENCD_TESTS_FUZZ_H
#define CENCD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
