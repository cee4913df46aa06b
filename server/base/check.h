/* Assertions that stay on in production: they state what the code relies on. Bad input from
 * outside is never asserted. A failed check prints one line and aborts. */
#ifndef CENCD_BASE_CHECK_H
#define CENCD_BASE_CHECK_H

_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

#endif
