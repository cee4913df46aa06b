#include "tests/sim/redis_lua.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/seeds.h"

#define ARGUMENTS_MAX 32

/* ---- from Redis to Lua ---- */

static void push_field(lua_State *state, const char *name, const char *text)
{
    lua_newtable(state);
    lua_pushstring(state, text);
    lua_setfield(state, -2, name);
}

static void push_answer(lua_State *state, const struct answer *answer)
{
    switch (answer->kind) {
    case ANSWER_NIL:
        lua_pushboolean(state, 0);
        break;
    case ANSWER_NUMBER:
        lua_pushnumber(state, (lua_Number)answer->number);
        break;
    case ANSWER_TEXT:
        lua_pushstring(state, answer->text);
        break;
    case ANSWER_STATUS:
        push_field(state, "ok", answer->text);
        break;
    case ANSWER_ERROR:
        push_field(state, "err", answer->text);
        break;
    case ANSWER_LIST:
        lua_newtable(state);
        for (size_t i = 0; i < answer->count; i++) {
            if (answer->list[i] != NULL)
                lua_pushstring(state, answer->list[i]);
            else
                lua_pushboolean(state, 0);
            lua_rawseti(state, -2, (int)i + 1);
        }
        break;
    }
}

/* ---- redis.call, redis.pcall ---- */

static struct redis_lua *lua_of(lua_State *state)
{
    lua_getfield(state, LUA_REGISTRYINDEX, "redis_lua");
    struct redis_lua *lua = lua_touserdata(state, -1);
    lua_pop(state, 1);
    return lua;
}

static void run(lua_State *state, struct answer *answer)
{
    struct redis_lua *lua = lua_of(state);
    const char *arguments[ARGUMENTS_MAX];
    int count = lua_gettop(state);

    SEEDS_REQUIRE(count > 1 && count <= ARGUMENTS_MAX);
    for (int i = 0; i < count; i++) {
        arguments[i] = lua_tostring(state, i + 1);
        SEEDS_REQUIRE(arguments[i] != NULL); /* Redis takes texts and numbers only */
    }
    const char *refusal = keyspace_writes(arguments[0]) ? lua->refuse(lua->context) : NULL;
    if (refusal != NULL)
        answer_error(answer, refusal);
    else
        keyspace_run(lua->keyspace, (size_t)count, arguments, answer);
}

static int redis_pcall(lua_State *state)
{
    struct answer answer = {.kind = ANSWER_NIL};

    run(state, &answer);
    push_answer(state, &answer);
    answer_clear(&answer);
    return 1;
}

static int redis_call(lua_State *state)
{
    struct answer answer = {.kind = ANSWER_NIL};

    run(state, &answer);
    push_answer(state, &answer);
    answer_clear(&answer);
    return answer.kind == ANSWER_ERROR ? lua_error(state) : 1;
}

void redis_lua_init(struct redis_lua *lua, struct keyspace *keyspace)
{
    static const luaL_Reg functions[] = {
        {"call", redis_call}, {"pcall", redis_pcall}, {NULL, NULL}};

    lua->keyspace = keyspace;
    lua->state = luaL_newstate();
    SEEDS_REQUIRE(lua->state != NULL);
    luaL_openlibs(lua->state);
    luaL_register(lua->state, "redis", functions);
    lua_settop(lua->state, 0);
    lua_pushlightuserdata(lua->state, lua);
    lua_setfield(lua->state, LUA_REGISTRYINDEX, "redis_lua");
}

void redis_lua_free(struct redis_lua *lua)
{
    lua_close(lua->state);
}

/* ---- from Lua to Redis ---- */

/* A field of the table on top; false if it has none. */
static bool take_field(lua_State *state, const char *name, char text[static 320])
{
    lua_getfield(state, -1, name);
    const char *value = lua_tostring(state, -1);
    if (value != NULL)
        (void)snprintf(text, 320, "%s", value);
    lua_pop(state, 1);
    return value != NULL;
}

static void take_result(lua_State *state, struct answer *answer)
{
    switch (lua_type(state, -1)) {
    case LUA_TNUMBER:
        answer->kind = ANSWER_NUMBER;
        answer->number = (int64_t)lua_tonumber(state, -1);
        break;
    case LUA_TSTRING:
        answer->kind = ANSWER_TEXT;
        (void)snprintf(answer->text, sizeof(answer->text), "%s", lua_tostring(state, -1));
        break;
    default:
        SEEDS_REQUIRE(!lua_toboolean(state, -1)); /* the scripts return nothing else */
        answer->kind = ANSWER_NIL;
        break;
    }
}

static void take_error(lua_State *state, struct answer *answer)
{
    answer->kind = ANSWER_ERROR;
    SEEDS_REQUIRE(lua_istable(state, -1)); /* otherwise the script itself is wrong */
    SEEDS_REQUIRE(take_field(state, "err", answer->text));
}

/* Compiled once; Redis does the same. */
static void push_script(lua_State *state, const char *script)
{
    lua_getfield(state, LUA_REGISTRYINDEX, script);
    if (!lua_isnil(state, -1))
        return;
    lua_pop(state, 1);
    if (luaL_loadstring(state, script) != 0) {
        (void)fprintf(stderr, "%s\n", lua_tostring(state, -1));
        SEEDS_REQUIRE(false);
    }
    lua_pushvalue(state, -1);
    lua_setfield(state, LUA_REGISTRYINDEX, script);
}

void redis_lua_run(struct redis_lua *lua, const char *script, size_t count,
                   const char *const *arguments, struct answer *answer)
{
    lua_State *state = lua->state;

    lua_newtable(state);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(state, arguments[i]);
        lua_rawseti(state, -2, (int)i + 1);
    }
    lua_setglobal(state, "ARGV");
    push_script(state, script);
    if (lua_pcall(state, 0, 1, 0) == 0) {
        take_result(state, answer);
    } else {
        if (!lua_istable(state, -1))
            (void)fprintf(stderr, "%s\n", lua_tostring(state, -1));
        take_error(state, answer);
    }
    lua_settop(state, 0);
}
