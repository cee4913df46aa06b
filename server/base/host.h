/* What names a host: an IP address, or a name as DNS has them. Pure functions. */
#ifndef CENCD_BASE_HOST_H
#define CENCD_BASE_HOST_H

#include <stdbool.h>
#include <stddef.h>

#define HOST_SIZE 254 /* bytes with NUL */

/* A name of letters, digits, dots, - and _. What ends in a number is meant as an address. */
bool host_is_name(const char *text, size_t size);

/* A name, or an IP address without brackets and port. */
bool host_is_valid(const char *text);

#endif
