#include "server/redis/redis.h"

const char *redis_state_name(enum redis_state state)
{
    static const char *const names[] = {"waiting", "connecting", "rebuilding", "following",
                                        "stopping"};

    return names[state];
}
