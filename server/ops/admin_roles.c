#include "server/ops/admin_roles.h"

#include <string.h>

#include "server/base/check.h"

/* A star stands for any one part. A row has a line of its own. */
/* clang-format off */
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which rows are read
static const struct row {
    enum admin_method method;
    const char *path;
    enum role role;
} rows[] = {
    {ADMIN_GET, "devices", ROLE_VIEWER},
    {ADMIN_POST, "devices", ROLE_OPERATOR},
    {ADMIN_GET, "devices/*/*", ROLE_VIEWER},
    {ADMIN_PATCH, "devices/*/*", ROLE_OPERATOR},
    {ADMIN_DELETE, "devices/*/*", ROLE_OPERATOR},
    {ADMIN_GET, "projects", ROLE_VIEWER},
    {ADMIN_POST, "projects", ROLE_ADMIN},
    {ADMIN_GET, "projects/*", ROLE_VIEWER},
    {ADMIN_PATCH, "projects/*", ROLE_ADMIN},
    {ADMIN_DELETE, "projects/*", ROLE_ADMIN},
    {ADMIN_GET, "groups", ROLE_VIEWER},
    {ADMIN_POST, "groups", ROLE_ADMIN},
    {ADMIN_GET, "groups/*/*", ROLE_VIEWER},
    {ADMIN_PATCH, "groups/*/*", ROLE_ADMIN},
    {ADMIN_DELETE, "groups/*/*", ROLE_ADMIN},
    {ADMIN_GET, "agents", ROLE_VIEWER},
    {ADMIN_POST, "agents", ROLE_ADMIN},
    {ADMIN_GET, "agents/*", ROLE_VIEWER},
    {ADMIN_PATCH, "agents/*", ROLE_ADMIN},
    {ADMIN_DELETE, "agents/*", ROLE_ADMIN},
    {ADMIN_GET, "channels", ROLE_VIEWER},
    {ADMIN_POST, "channels", ROLE_ADMIN},
    {ADMIN_GET, "channels/*", ROLE_VIEWER},
    {ADMIN_PATCH, "channels/*", ROLE_ADMIN},
    {ADMIN_DELETE, "channels/*", ROLE_ADMIN},
    {ADMIN_GET, "tokens", ROLE_VIEWER},
    {ADMIN_POST, "tokens", ROLE_ADMIN},
    {ADMIN_GET, "tokens/*", ROLE_VIEWER},
    {ADMIN_PATCH, "tokens/*", ROLE_ADMIN},
    {ADMIN_DELETE, "tokens/*", ROLE_ADMIN},
    {ADMIN_GET, "bindings", ROLE_VIEWER},
    {ADMIN_GET, "bindings/*", ROLE_VIEWER},
    {ADMIN_PUT, "bindings/*", ROLE_OPERATOR},
    {ADMIN_DELETE, "bindings/*", ROLE_OPERATOR},
    {ADMIN_GET, "listeners", ROLE_VIEWER},
    {ADMIN_GET, "listeners/*", ROLE_VIEWER},
    {ADMIN_PATCH, "listeners/*", ROLE_OPERATOR},
    {ADMIN_GET, "links", ROLE_VIEWER},
    {ADMIN_GET, "links/failed", ROLE_VIEWER},
    {ADMIN_GET, "sessions", ROLE_VIEWER},
    {ADMIN_DELETE, "sessions/*", ROLE_OPERATOR},
    {ADMIN_GET, "consumers", ROLE_VIEWER},
    {ADMIN_POST, "import", ROLE_ADMIN},
    {ADMIN_GET, "export", ROLE_VIEWER},
};
/* clang-format on */

const char *admin_method_name(enum admin_method method)
{
    static const char *const names[ADMIN_METHODS] = {"GET", "POST", "PATCH", "PUT", "DELETE"};

    return method < ADMIN_METHODS ? names[method] : NULL;
}

unsigned admin_roles_listed(void)
{
    return sizeof(rows) / sizeof(rows[0]);
}

static bool matches(const char *pattern, char parts[][ADMIN_PART_SIZE], unsigned part_count)
{
    for (unsigned i = 0; i < part_count; i++) {
        size_t size = strcspn(pattern, "/");
        bool any = size == 1 && pattern[0] == '*';
        if (!any && (strlen(parts[i]) != size || memcmp(parts[i], pattern, size) != 0))
            return false;
        pattern += size;
        if (pattern[0] == '\0')
            return i + 1 == part_count;
        pattern++;
    }
    return false;
}

enum role admin_role_needed(enum admin_method method, char parts[][ADMIN_PART_SIZE],
                            unsigned part_count, bool *listed)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *listed = rows[i].method == method && matches(rows[i].path, parts, part_count);
        if (*listed)
            return rows[i].role;
    }
    return ROLE_ADMIN;
}
