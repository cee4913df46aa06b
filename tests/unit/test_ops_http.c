/* The HTTP server of the pages, over a loopback socket: what it answers, and what it refuses. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/ops/ops.h"
#include "tests/unit/exposition.h"
#include "tests/unit/ops_world.h"

static struct ops_world *world;
static struct ops *ops;
static char answer[1 << 20];

static int set_up(void **state)
{
    struct kernel_error error;

    (void)state;
    world_turns = true;
    world = world_create();
    assert_int_equal(ops_start(&world->server, &ops, &error), STATUS_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ops_stop(ops);
    world_free(world);
    return 0;
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(ops_port(ops))};
    struct timeval patience = {.tv_sec = 30};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(client >= 0);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&to, sizeof(to)), 0);
    return client;
}

static void say(int client, const char *text)
{
    size_t size = strlen(text);

    assert_int_equal(send(client, text, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* All that comes until the server closes. */
static void hear(int client)
{
    size_t size = 0;
    ssize_t got;

    while ((got = recv(client, answer + size, sizeof(answer) - 1 - size, 0)) > 0)
        size += (size_t)got;
    answer[size] = '\0';
    assert_int_equal(close(client), 0);
}

static void ask(const char *request)
{
    int client = dial();

    say(client, request);
    hear(client);
}

static void get(const char *target)
{
    char request[256];

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
             target);
    ask(request);
}

static void assert_status(const char *status)
{
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0)
        fail_msg("expected %s, got %.80s", status, answer);
}

static void assert_has(const char *text)
{
    if (strstr(answer, text) == NULL)
        fail_msg("no \"%s\" in %.500s", text, answer);
}

static const char *body(void)
{
    const char *end = strstr(answer, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

static void test_pages(void **state)
{
    static struct exposition exposition;

    (void)state;
    get("/metrics");
    assert_status("200");
    assert_has("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    exposition_read(&exposition, body());
    assert_true(exposition.count > 50);
    get("/stats");
    assert_status("200");
    assert_has("Content-Type: application/json\r\n");
    assert_has("Cache-Control: no-store\r\n");
    assert_memory_equal(body(), "{\"node\":\"node1\"", 15);
    get("/healthz");
    assert_status("200");
    assert_string_equal(body(), "ok\n");
    get("/readyz");
    assert_status("200");
    assert_string_equal(body(), "ready\n");
    world->server.stopping = true;
    get("/readyz");
    assert_status("503");
    assert_string_equal(body(), "the server stops\n");
}

static void test_parameters(void **state)
{
    struct plugin_identity identity = {.serial = "1", .kind = "x"};

    (void)state;
    (void)world_register(world, &identity, 1);
    snprintf(identity.serial, sizeof(identity.serial), "2");
    (void)world_register(world, &identity, 2);
    get("/stats?devices=1&failed=0");
    assert_status("200");
    assert_has("\"next\":1,");
    get("/stats?from=1&devices=1");
    assert_status("200");
    assert_has("\"serial\":\"2\"");
    assert_has("\"next\":null");
    get("/stats?devices=many");
    assert_status("400");
    assert_string_equal(body(), "devices: expected a number from 0 to 10000\n");
    get("/stats?devices");
    assert_status("400");
    get("/stats?failed=1&colour=red");
    assert_status("400");
    assert_string_equal(body(), "unknown parameter; expected devices, from or failed\n");
}

static void test_other_pages_and_methods(void **state)
{
    (void)state;
    get("/");
    assert_status("404");
    assert_has("/metrics");
    get("/metrics/");
    assert_status("404");
    ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    assert_status("405");
    assert_has("Allow: GET, HEAD\r\n");
    assert_string_equal(body(), "only GET and HEAD are answered\n");
    ask("DELETE /stats HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_status("405");
    ask("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_status("200");
    assert_has("Content-Length: 3\r\n");
    assert_string_equal(body(), "");
}

static void test_bodies_are_refused(void **state)
{
    (void)state;
    ask("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc");
    assert_status("413");
    assert_string_equal(body(), "requests with a body are refused\n");
    ask("GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_status("413");
    ask("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_status("200");
}

static void test_several_requests_on_one_connection(void **state)
{
    (void)state;
    ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_has("\r\n\r\nok\n");
    assert_has("\r\n\r\nready\n");
}

static void test_nonsense(void **state)
{
    static char flood[100000];

    (void)state;
    ask("\x16\x03\x01\x02\r\n\r\n");
    ask("GET\r\n\r\n");
    ask("GET /healthz HTTP/1.1\r\n\r\n"); /* no Host */
    assert_status("400");
    memset(flood, 'a', sizeof(flood) - 1);
    int client = dial();
    say(client, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ");
    (void)send(client, flood, sizeof(flood) - 1, MSG_NOSIGNAL);
    hear(client); /* refused or cut off, in bounded memory */
    assert_null(strstr(answer, " 200 "));
    get("/healthz");
    assert_status("200");
}

/* Four connections are allowed: a fifth is served once one of them ends. */
static void test_connections_are_bounded(void **state)
{
    int held[4];
    char byte;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        held[i] = dial();
        say(held[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_int_equal(recv(held[i], &byte, 1, 0), 1);
    }
    int client = dial();
    say(client, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_int_equal(recv(client, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(close(held[2]), 0);
    hear(client);
    assert_status("200");
    assert_int_equal(close(held[0]) + close(held[1]) + close(held[3]), 0);
}

static void test_an_occupied_port_is_named(void **state)
{
    struct ops *second;
    struct kernel_error error;
    char expected[64];
    uint16_t port = ops_port(ops);

    (void)state;
    snprintf(expected, sizeof(expected), "ops.address 127.0.0.1:%u: Address already in use", port);
    world->config.ops.address.port = port;
    assert_int_equal(ops_start(&world->server, &second, &error), STATUS_SYSTEM);
    if (strstr(error.text, expected) == NULL)
        fail_msg("no \"%s\" in %s", expected, error.text);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_pages),
        WITH_SERVER(test_parameters),
        WITH_SERVER(test_other_pages_and_methods),
        WITH_SERVER(test_bodies_are_refused),
        WITH_SERVER(test_several_requests_on_one_connection),
        WITH_SERVER(test_nonsense),
        WITH_SERVER(test_connections_are_bounded),
        WITH_SERVER(test_an_occupied_port_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
