/* EVAL of the simulated Redis: the very script that the server sends, run by Lua 5.1, which is what
 * Redis has. redis.call and redis.pcall reach a keyspace. */
#ifndef CENCD_TESTS_SIM_REDIS_LUA_H
#define CENCD_TESTS_SIM_REDIS_LUA_H

#include "tests/sim/redis_keyspace.h"

struct lua_State;

struct redis_lua {
    struct lua_State *state;
    struct keyspace *keyspace;
    /* Asked before each command that writes: NULL, or the error that it gets. */
    const char *(*refuse)(void *context);
    void *context;
};

void redis_lua_init(struct redis_lua *lua, struct keyspace *keyspace);
void redis_lua_free(struct redis_lua *lua);

/* The script's arguments become ARGV. */
void redis_lua_run(struct redis_lua *lua, const char *script, size_t count,
                   const char *const *arguments, struct answer *answer);

#endif
