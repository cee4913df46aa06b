/* What a directory holds, as text: equal texts are equal directories. */
#ifndef CENCD_TESTS_SIM_DIRECTORY_TEXT_H
#define CENCD_TESTS_SIM_DIRECTORY_TEXT_H

#include "server/directory/directory.h"

/* To be freed. Devices are in order of their serials, since that of their registration may be
 * another after a crash; those that are not recorded are not there. */
char *directory_text(struct directory *directory);

/* Prints both and aborts unless they are. */
void directory_require_text(const char *text, const char *expected);
/* The same of devices and what is known of them, as events tell (tests/history/history.h). */
void directory_require_same(struct directory *directory, struct directory *expected);

#endif
