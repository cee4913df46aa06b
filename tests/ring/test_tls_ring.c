/* TLS over the real ring against the openssl command: as a server for s_client, which sends a file
 * and gets it back, and as a client of s_server, by a name that is looked up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/reactor/resolve.h"
#include "server/reactor/tls.h"
#include "tests/tls/certificates.h"

#define FILE_BYTES  300000u
#define QUEUE_LIMIT 20000u
#define TURNS       20000 /* of at most 10 ms: only a test that is stuck gets there */

static struct {
    struct reactor *reactor;
    struct listener listener;
    struct accept_operation accepts[1];
    struct address address;
    struct stream stream;
    struct resolve resolve;
    struct tls_context *context;
    char folder[64];
    pid_t child;
    bool open;
    bool listener_closed;
    bool resolved;
    unsigned next_address;
    unsigned secured;
    int error;
    bool echo;
    uint64_t received;
    char text[32];
    unsigned ended;
    unsigned closed;
} bench;

static bool has_openssl(void)
{
    return system("openssl version >/dev/null 2>&1") == 0; // NOLINT(cert-env33-c)
}

/* ---- files ---- */

static char *path_of(const char *name, char out[static 128])
{
    (void)snprintf(out, 128, "%s/%s", bench.folder, name);
    return out;
}

static void write_file(const char *name, const char *text, size_t size)
{
    char path[128];
    FILE *file = fopen(path_of(name, path), "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_certificates(void)
{
    struct certificate authority;
    struct certificate server;

    certificate_make(&authority, &(struct certificate_wish){.name = "CA"});
    certificate_make(&server, &(struct certificate_wish){.name = "server",
                                                         .alternatives = "DNS:localhost",
                                                         .by = &authority});
    write_file("ca", authority.pem, strlen(authority.pem));
    write_file("certificate", server.pem, strlen(server.pem));
    write_file("key", server.key_pem, strlen(server.key_pem));
    certificate_free(&server);
    certificate_free(&authority);
}

static void make_context(enum tls_role role)
{
    char ca[128];
    char certificate[128];
    char key[128];
    struct tls_error error;
    struct tls_options options = {.role = role};

    if (role == TLS_SERVER) {
        options.certificate = path_of("certificate", certificate);
        options.key = path_of("key", key);
    } else {
        options.verify = TLS_VERIFY_REQUIRED;
        options.ca = path_of("ca", ca);
    }
    assert_int_equal(tls_context_create(&options, &bench.context, &error), STATUS_OK);
}

/* ---- the stream ---- */

static void note(const struct chunk *chunk)
{
    if (bench.received < sizeof bench.text - 1) {
        size_t room = sizeof bench.text - 1 - bench.received;
        memcpy(bench.text + bench.received, chunk->data, room < chunk->size ? room : chunk->size);
    }
    bench.received += chunk->size;
}

static void on_received(struct stream *stream, struct chunk *chunk)
{
    note(chunk);
    if (!bench.echo) {
        chunk_free(stream->reactor, chunk);
        return;
    }
    stream_send(stream, chunk);
    if (bench.received == FILE_BYTES)
        stream_shutdown(stream);
    else if (stream->queued_bytes > QUEUE_LIMIT)
        stream_receive_stop(stream);
}

static void on_sent(struct stream *stream)
{
    if (stream->queued_bytes < QUEUE_LIMIT / 2 && !stream_receive_ended(stream))
        stream_receive(stream, RECEIVE_STREAM);
}

static void on_ended(struct stream *stream, int error)
{
    (void)stream;
    bench.ended++;
    bench.error = error;
}

static void on_secured(struct stream *stream, int error)
{
    bench.secured++;
    bench.error = error;
    if (error == 0)
        stream_receive(stream, RECEIVE_STREAM);
}

static void on_closed(struct stream *stream)
{
    (void)stream;
    bench.closed++;
    bench.open = false;
}

static void on_connected(struct stream *stream, int error);

static const struct stream_ops ops = {
    .received = on_received,
    .sent = on_sent,
    .ended = on_ended,
    .connected = on_connected,
    .secured = on_secured,
    .closed = on_closed,
};

static void dial(void)
{
    bench.open = true;
    stream_connect(&bench.stream, bench.reactor, &bench.resolve.addresses[bench.next_address++],
                   NULL, &ops);
}

static void on_connected(struct stream *stream, int error)
{
    if (error == 0)
        CHECK(stream_tls_start(stream, bench.context, "localhost") == STATUS_OK);
    else
        stream_close(stream); /* the next address */
}

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    (void)peer;
    bench.open = true;
    stream_init(&bench.stream, listener->reactor, slot, &ops);
    CHECK(stream_tls_start(&bench.stream, bench.context, NULL) == STATUS_OK);
}

static void on_listener_closed(struct listener *listener)
{
    (void)listener;
    bench.listener_closed = true;
}

static const struct listener_ops listener_ops = {.accepted = on_accepted,
                                                 .closed = on_listener_closed};

/* ---- the bench ---- */

static int set_up(void **state)
{
    struct kernel_error error;
    struct listen_options options = {.backlog = 4};
    struct reactor_config config = {.limits = {.slots = 16,
                                               .reserved_slots = 1,
                                               .buffer_count = {64, 4},
                                               .buffer_size = {2048, 65536}}};
    const char *temporary = getenv("TMPDIR");

    (void)state;
    memset(&bench, 0, sizeof bench);
    (void)snprintf(bench.folder, sizeof bench.folder, "%.40s/cencd-tls-XXXXXX",
                   temporary != NULL ? temporary : "/tmp");
    assert_non_null(mkdtemp(bench.folder));
    write_certificates();
    assert_int_equal(reactor_create(&config, &bench.reactor, &error), STATUS_OK);
    assert_int_equal(address_parse("127.0.0.1:1", &bench.address), STATUS_OK);
    bench.address.port = 0;
    bench.listener = (struct listener){.ops = &listener_ops, .accepts = bench.accepts, .depth = 1};
    bench.listener.socket = kernel_listen(&bench.address, &options);
    assert_true(bench.listener.socket >= 0);
    assert_int_equal(listener_open(&bench.listener, bench.reactor), STATUS_OK);
    return 0;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (int turn = 0; !(condition); turn++) {                                                 \
            assert_true(turn < TURNS);                                                             \
            reactor_turn(bench.reactor, 10);                                                       \
        }                                                                                          \
    } while (0)

static int tear_down(void **state)
{
    static const char *const names[] = {"ca", "certificate", "key", "in", "out"};
    char path[128];

    (void)state;
    if (bench.open)
        stream_close(&bench.stream);
    listener_close(&bench.listener);
    UNTIL(!bench.open && bench.listener_closed && reactor_idle(bench.reactor));
    if (bench.child > 0) {
        (void)kill(bench.child, SIGKILL);
        (void)waitpid(bench.child, NULL, 0);
    }
    assert_int_equal(reactor_counters(bench.reactor)->buffers_out[BUFFERS_SMALL], 0);
    reactor_destroy(bench.reactor);
    kernel_listen_close(bench.listener.socket);
    tls_context_release(bench.context);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(path_of(names[i], path));
    assert_int_equal(rmdir(bench.folder), 0);
    return 0;
}

/* arguments end with NULL; input and output are descriptors, or -1. */
static void run_openssl(char *const arguments[], int input, int output)
{
    bench.child = fork();
    assert_true(bench.child >= 0);
    if (bench.child > 0)
        return;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup2(input >= 0 ? input : nothing, 0);
    (void)dup2(output >= 0 ? output : nothing, 1);
    (void)dup2(nothing, 2);
    (void)execvp("openssl", arguments);
    _exit(127);
}

/* The exit status of the command; it ends by itself. */
static int wait_for_openssl(void)
{
    int status = 0;
    pid_t child = bench.child;

    UNTIL(waitpid(child, &status, WNOHANG) == child);
    bench.child = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- tests ---- */

static void connect_with(const char *option)
{
    char ca[128];
    char target[ADDRESS_TEXT_SIZE];
    char path[128];
    char *const arguments[] = {"openssl",
                               "s_client",
                               "-quiet",
                               "-connect",
                               address_format(&bench.address, target),
                               "-CAfile",
                               path_of("ca", ca),
                               "-verify_return_error",
                               "-verify_hostname",
                               "localhost",
                               (char *)(uintptr_t)option,
                               NULL};

    int input = open(path_of("in", path), O_RDONLY | O_CLOEXEC);
    int output = open(path_of("out", path), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(input >= 0 && output >= 0);
    run_openssl(arguments, input, output);
    (void)close(input);
    (void)close(output);
}

static void a_file_comes_back(const char *version)
{
    static char sent[FILE_BYTES];
    static char got[FILE_BYTES + 1];
    char path[128];

    make_context(TLS_SERVER);
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)('a' + (i * 7 + i / 1000) % 26);
    write_file("in", sent, sizeof sent);
    bench.echo = true;
    connect_with(version);
    assert_int_equal(wait_for_openssl(), 0);
    assert_int_equal(bench.received, FILE_BYTES);
    FILE *file = fopen(path_of("out", path), "re");
    assert_non_null(file);
    assert_int_equal(fread(got, 1, sizeof got, file), FILE_BYTES);
    (void)fclose(file);
    assert_memory_equal(got, sent, FILE_BYTES);
}

static void s_client_gets_its_file_back(void **state)
{
    (void)state;
    if (!has_openssl())
        skip();
    a_file_comes_back("-tls1_3");
}

static void with_tls_1_2_too(void **state)
{
    (void)state;
    if (!has_openssl())
        skip();
    a_file_comes_back("-tls1_2");
}

static void tls_1_1_is_refused(void **state)
{
    char text[TLS_ERROR_SIZE];

    (void)state;
    if (!has_openssl())
        skip();
    make_context(TLS_SERVER);
    write_file("in", "x", 1);
    connect_with("-tls1_1");
    /* Debian's own rules may keep s_client from saying anything: then it just ends */
    UNTIL(bench.secured > 0);
    assert_true(bench.error < 0);
    assert_string_not_equal(stream_tls_error(&bench.stream, text), "");
    assert_int_not_equal(wait_for_openssl(), 0);
}

static void on_resolved(struct resolve *resolve, int error)
{
    (void)resolve;
    assert_int_equal(error, 0);
    bench.resolved = true;
}

/* s_server says where it listens: "ACCEPT 127.0.0.1:PORT". */
static uint16_t read_port(int output)
{
    char text[512];
    size_t size = 0;
    const char *at = NULL;

    while (at == NULL || strchr(at, '\n') == NULL) {
        ssize_t part = read(output, text + size, sizeof text - 1 - size);
        assert_true(part > 0);
        size += (size_t)part;
        text[size] = '\0';
        at = strstr(text, "ACCEPT ");
    }
    return (uint16_t)strtoul(strrchr(at, ':') + 1, NULL, 10);
}

static void s_server_answers_by_name(void **state)
{
    char certificate[128];
    char key[128];
    int pipes[2];
    char *const arguments[] = {"openssl", "s_server",
                               "-accept", "127.0.0.1:0",
                               "-cert",   path_of("certificate", certificate),
                               "-key",    path_of("key", key),
                               "-rev",    NULL};

    (void)state;
    if (!has_openssl())
        skip();
    make_context(TLS_CLIENT);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    run_openssl(arguments, -1, pipes[1]);
    (void)close(pipes[1]);
    uint16_t port = read_port(pipes[0]);
    bench.resolve.done = on_resolved;
    assert_int_equal(resolve_start(&bench.resolve, bench.reactor, "localhost", port), STATUS_OK);
    UNTIL(bench.resolved);
    assert_true(bench.resolve.count >= 1 && bench.resolve.addresses[0].port == port);
    while (bench.secured == 0) {
        assert_true(bench.next_address < bench.resolve.count);
        dial();
        UNTIL(bench.secured > 0 || !bench.open);
    }
    assert_int_equal(bench.error, 0);
    assert_int_equal(stream_send_copy(&bench.stream, (const uint8_t *)"sretem\n", 7), STATUS_OK);
    UNTIL(bench.received >= 7);
    assert_string_equal(bench.text, "meters\n");
    (void)close(pipes[0]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(s_client_gets_its_file_back),
        TEST(with_tls_1_2_too),
        TEST(tls_1_1_is_refused),
        TEST(s_server_answers_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
