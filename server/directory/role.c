#include "server/directory/role.h"

#include <string.h>

#include "server/base/check.h"

static const char *const names[ROLE_COUNT] = {"none", "viewer", "operator", "admin"};

const char *role_name(enum role role)
{
    CHECK(role < ROLE_COUNT);
    return names[role];
}

enum role role_called(const char *name)
{
    for (int i = ROLE_VIEWER; i < ROLE_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (enum role)i;
    return ROLE_NONE;
}
