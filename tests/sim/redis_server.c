#include "tests/sim/redis_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/reactor/sim/sim.h"
#include "tests/sim/seeds.h"

#define ARGUMENTS_MAX 5000u
#define COMMAND_MAX   400000u /* bytes; more than one of them is a mistake of the client */
#define PIECE         4096u
#define SLOW_MS       15000u

/* ---- clients ---- */

static void reserve(char **memory, size_t *capacity, size_t size)
{
    if (size <= *capacity)
        return;
    *capacity = size * 2;
    *memory = realloc(*memory, *capacity);
    SEEDS_REQUIRE(*memory != NULL);
}

static void say(struct redis_client *client, const char *text)
{
    size_t size = strlen(text);

    reserve(&client->out, &client->out_capacity, client->out_size + size);
    memcpy(client->out + client->out_size, text, size);
    client->out_size += size;
}

/* The connection itself was ended before, or not. */
static void forget(struct redis_client *client)
{
    sim_peer_release(client->peer);
    free(client->in);
    free(client->out);
    *client = (struct redis_client){.peer = NULL};
}

static void break_off(struct redis_server *server, struct redis_client *client)
{
    switch (sim_below(server->sim, 3)) {
    case 0:
        sim_peer_reset(client->peer);
        break;
    case 1:
        sim_peer_close(client->peer);
        break;
    default:
        sim_peer_vanish(client->peer);
        break;
    }
    forget(client);
}

static bool accept_one(struct redis_server *server)
{
    struct sim_peer *peer = server->listener != NULL ? sim_peer_accept(server->listener) : NULL;

    if (peer == NULL)
        return false;
    for (size_t i = 0; i < REDIS_SERVER_CLIENTS; i++) {
        if (server->clients[i].peer != NULL)
            continue;
        server->clients[i] = (struct redis_client){
            .peer = peer,
            .known = server->password[0] == '\0',
            .cut_in = SIZE_MAX,
            .cut_out = SIZE_MAX,
        };
        return true;
    }
    sim_peer_release(peer); /* those that vanished count until they are noticed */
    return true;
}

/* ---- answers ---- */

static void say_answer(struct redis_client *client, const struct answer *answer)
{
    char text[400];

    switch (answer->kind) {
    case ANSWER_NIL:
        (void)snprintf(text, sizeof(text), "$-1\r\n");
        break;
    case ANSWER_NUMBER:
        (void)snprintf(text, sizeof(text), ":%lld\r\n", (long long)answer->number);
        break;
    case ANSWER_TEXT:
        (void)snprintf(text, sizeof(text), "$%zu\r\n%s\r\n", strlen(answer->text), answer->text);
        break;
    case ANSWER_STATUS:
        (void)snprintf(text, sizeof(text), "+%s\r\n", answer->text);
        break;
    case ANSWER_ERROR:
        (void)snprintf(text, sizeof(text), "-%s\r\n", answer->text);
        break;
    case ANSWER_LIST:
        (void)snprintf(text, sizeof(text), "*%zu\r\n", answer->count);
        break;
    }
    say(client, text);
}

/* Anything but what looks like a good answer: a Redis that lies about what it did is not one to do
 * anything about. */
static void babble(struct redis_server *server, struct redis_client *client)
{
    static const char *const words[] = {
        "+OK\r\n",
        ":-1\r\n",
        ":99999999999999999999999\r\n",
        "$-1\r\n",
        "$3\r\n123\r\n",
        "$5\r\n1",
        "$999999999\r\n",
        "*2\r\n:1\r\n:2\r\n",
        "*-1\r\n",
        "-\r\n",
        "-ERR \r\n:0\r\n:0\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "\r\n",
        "\x16\x03\x01",
        "%1\r\n+a\r\n:1\r\n",
    };

    say(client, words[sim_below(server->sim, sizeof(words) / sizeof(words[0]))]);
}

/* ---- commands ---- */

static const char *refuse(void *context)
{
    struct redis_server *server = context;

    if (server->writes_left > 0) {
        server->writes_left--;
        return NULL;
    }
    switch (server->health) {
    case HEALTH_FULL:
        return "OOM command not allowed when used memory > 'maxmemory'.";
    case HEALTH_READ_ONLY:
        return "READONLY You can't write against a read only replica.";
    case HEALTH_NO_DISK:
        return "MISCONF Errors writing to the AOF file: No space left on device";
    default:
        return NULL;
    }
}

static void log_in(const struct redis_server *server, struct redis_client *client, size_t count,
                   const char *const *arguments, struct answer *answer)
{
    client->known = strcmp(arguments[count - 1], server->password) == 0;
    if (client->known) {
        answer->kind = ANSWER_STATUS;
        (void)snprintf(answer->text, sizeof(answer->text), "OK");
    } else {
        answer_error(answer, "WRONGPASS invalid username-password pair or user is disabled.");
    }
}

static void evaluate(struct redis_server *server, size_t count, const char *const *arguments,
                     struct answer *answer)
{
    SEEDS_REQUIRE(count >= 3 && strcmp(arguments[2], "0") == 0);
    server->writes_left = sim_chance(server->sim, 500) ? 0 : sim_below(server->sim, 100);
    server->scripts++;
    redis_lua_run(&server->lua, arguments[1], count - 3, arguments + 3, answer);
}

static void execute(struct redis_server *server, struct redis_client *client, size_t count,
                    const char *const *arguments, struct answer *answer)
{
    if (strcmp(arguments[0], "AUTH") == 0 && count > 1)
        log_in(server, client, count, arguments, answer);
    else if (!client->known)
        answer_error(answer, "NOAUTH Authentication required.");
    else if (server->health == HEALTH_LOADING)
        answer_error(answer, "LOADING Redis is loading the dataset in memory");
    else if (server->health == HEALTH_FORBIDS)
        answer_error(answer, "NOPERM this user has no permissions to run this command");
    else if (strcmp(arguments[0], "SELECT") == 0)
        *answer = (struct answer){.kind = ANSWER_STATUS, .text = "OK"};
    else if (strcmp(arguments[0], "EVAL") == 0)
        evaluate(server, count, arguments, answer);
    else
        answer_error(answer, "ERR unknown command");
}

static void serve(struct redis_server *server, struct redis_client *client, size_t count,
                  const char *const *arguments)
{
    static struct answer answer;

    bool done = server->health != HEALTH_BABBLES || sim_chance(server->sim, 500);

    answer.kind = ANSWER_NIL;
    if (done)
        execute(server, client, count, arguments, &answer);
    if (server->health == HEALTH_SILENT)
        return;
    if (server->health == HEALTH_SLOW && client->out_size == 0)
        client->out_from_ms = sim_now_ms(server->sim) + sim_below(server->sim, SLOW_MS);
    if (done)
        say_answer(client, &answer);
    if (server->health == HEALTH_BABBLES && (!done || sim_chance(server->sim, 500)))
        babble(server, client);
    answer_clear(&answer);
}

/* ---- the protocol ---- */

/* A number behind `mark`, at *at; false: it isn't whole yet. */
static bool take_number(const struct redis_client *client, char mark, size_t *at, size_t *number)
{
    const char *from = client->in + *at;
    const char *end = memchr(from, '\n', client->in_size - *at);

    if (end == NULL)
        return false;
    SEEDS_REQUIRE(from[0] == mark && end[-1] == '\r');
    *number = strtoull(from + 1, NULL, 10);
    *at += (size_t)(end - from) + 1;
    return true;
}

/* The oldest command, if it is whole. */
static bool take_command(struct redis_server *server, struct redis_client *client)
{
    static const char *arguments[ARGUMENTS_MAX];
    static size_t ends[ARGUMENTS_MAX];
    size_t at = 0;
    size_t count = 0;
    size_t size = 0;

    if (client->in_size == 0 || !take_number(client, '*', &at, &count))
        return false;
    SEEDS_REQUIRE(count > 0 && count <= ARGUMENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (at == client->in_size || !take_number(client, '$', &at, &size))
            return false;
        SEEDS_REQUIRE(size < COMMAND_MAX);
        if (client->in_size - at < size + 2)
            return false;
        arguments[i] = client->in + at;
        ends[i] = at + size;
        at += size + 2;
    }
    for (size_t i = 0; i < count; i++)
        client->in[ends[i]] = '\0'; /* where "\r\n" was */
    serve(server, client, count, arguments);
    client->in_size -= at;
    memmove(client->in, client->in + at, client->in_size);
    return true;
}

static bool receive(struct redis_server *server, struct redis_client *client)
{
    size_t wanted = client->cut_in < PIECE ? client->cut_in : PIECE;

    if (server->health == HEALTH_DEAF)
        return false;
    reserve(&client->in, &client->in_capacity, client->in_size + PIECE);
    size_t size = sim_peer_read(client->peer, (uint8_t *)client->in + client->in_size, wanted);
    client->in_size += size;
    if (client->cut_in != SIZE_MAX)
        client->cut_in -= size;
    return size > 0;
}

static bool is_held(const struct redis_server *server, const struct redis_client *client)
{
    return server->health == HEALTH_SLOW && client->out_from_ms > sim_now_ms(server->sim);
}

static bool transmit(struct redis_server *server, struct redis_client *client)
{
    size_t size = client->out_size < client->cut_out ? client->out_size : client->cut_out;

    if (size == 0 || is_held(server, client))
        return false;
    size = sim_peer_write(client->peer, (const uint8_t *)client->out, size);
    client->out_size -= size;
    memmove(client->out, client->out + size, client->out_size);
    if (client->cut_out != SIZE_MAX)
        client->cut_out -= size;
    return size > 0;
}

static bool run_client(struct redis_server *server, struct redis_client *client)
{
    bool done = receive(server, client);

    while ((client->cut_in > 0 || sim_chance(server->sim, 500)) && take_command(server, client))
        done = true;
    done = transmit(server, client) || done;
    if (client->cut_in == 0 || client->cut_out == 0) {
        break_off(server, client);
        return true;
    }
    if (sim_peer_state(client->peer) != SIM_PEER_CONNECTED &&
        sim_peer_readable(client->peer) == 0) {
        forget(client);
        return true;
    }
    return done;
}

bool redis_server_run(struct redis_server *server)
{
    bool done = accept_one(server);

    for (size_t i = 0; i < REDIS_SERVER_CLIENTS; i++)
        if (server->clients[i].peer != NULL && run_client(server, &server->clients[i]))
            done = true;
    return done;
}

uint64_t redis_server_due_ms(const struct redis_server *server)
{
    uint64_t due_ms = UINT64_MAX;

    for (size_t i = 0; i < REDIS_SERVER_CLIENTS; i++) {
        const struct redis_client *client = &server->clients[i];
        if (client->peer != NULL && client->out_size > 0 && is_held(server, client) &&
            client->out_from_ms < due_ms)
            due_ms = client->out_from_ms;
    }
    return due_ms;
}

/* ---- life ---- */

void redis_server_open(struct redis_server *server, struct sim *sim, const struct address *address,
                       const char *password)
{
    *server = (struct redis_server){.sim = sim, .address = *address, .password = password};
    keyspace_init(&server->keyspace, sim);
    keyspace_init(&server->saved, sim);
    redis_lua_init(&server->lua, &server->keyspace);
    server->lua.refuse = refuse;
    server->lua.context = server;
    redis_server_up(server, CONTENT_EMPTY);
}

void redis_server_close(struct redis_server *server)
{
    redis_server_down(server);
    keyspace_clear(&server->keyspace);
    keyspace_clear(&server->saved);
    redis_lua_free(&server->lua);
}

void redis_server_down(struct redis_server *server)
{
    for (size_t i = 0; i < REDIS_SERVER_CLIENTS; i++)
        if (server->clients[i].peer != NULL)
            break_off(server, &server->clients[i]);
    if (server->listener != NULL)
        sim_peer_listen_close(server->listener);
    server->listener = NULL;
}

void redis_server_up(struct redis_server *server, enum redis_content content)
{
    if (content != CONTENT_KEPT)
        redis_server_down(server);
    if (server->listener == NULL)
        server->listener = sim_peer_listen(server->sim, &server->address, 16);
    SEEDS_REQUIRE(server->listener != NULL);
    if (content == CONTENT_EMPTY)
        keyspace_clear(&server->keyspace);
    else if (content == CONTENT_SAVED)
        keyspace_copy(&server->keyspace, &server->saved);
}

void redis_server_save(struct redis_server *server)
{
    keyspace_copy(&server->saved, &server->keyspace);
}

void redis_server_cut(struct redis_server *server)
{
    for (size_t i = 0; i < REDIS_SERVER_CLIENTS; i++) {
        struct redis_client *client = &server->clients[i];
        if (sim_chance(server->sim, 500))
            client->cut_in = sim_below(server->sim, sim_chance(server->sim, 500) ? 50000 : 8);
        else
            client->cut_out = sim_below(server->sim, 12);
    }
}
