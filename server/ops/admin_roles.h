/* Which role each request of the admin API needs: one table of methods and paths, in the order of
 * docs/openapi.yaml, whose x-role says the same. What isn't in the table is for admins only: a path
 * that is added without a row is closed, not open. Pure. */
#ifndef CENCD_OPS_ADMIN_ROLES_H
#define CENCD_OPS_ADMIN_ROLES_H

#include <stdbool.h>

#include "server/directory/role.h"

enum admin_method { ADMIN_GET, ADMIN_POST, ADMIN_PATCH, ADMIN_PUT, ADMIN_DELETE, ADMIN_METHODS };

/* "GET" ... ; NULL: there are no more. */
const char *admin_method_name(enum admin_method method);

#define ADMIN_PARTS     4
#define ADMIN_PART_SIZE 256

/* The path behind /v1/, in its parts, decoded. *listed: there is a row for it. */
enum role admin_role_needed(enum admin_method method, char parts[][ADMIN_PART_SIZE],
                            unsigned part_count, bool *listed);

unsigned admin_roles_listed(void); /* rows of the table */

#endif
