/* What TLS lets in and what it doesn't, each rule by itself: whose certificate, for whom and until
 * when, which versions, protocols and sizes; and what holds still when nobody asks for more. One
 * stream of the reactor, one peer with OpenSSL over memory. */
#include <errno.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/reactor/reactor.h"
#include "server/reactor/sim/sim.h"
#include "server/reactor/tls.h"
#include "tests/sim/outside.h"
#include "tests/tls/certificates.h"

#define MAX_STEPS 20000u

static struct {
    struct sim *sim;
    struct reactor *reactor;
    struct reactor *other;
    struct listener listener;
    struct accept_operation accepts[1];
    int socket;
    struct sim_peer_listener *dialled;
    struct stream stream;
    struct stream_move move;
    struct tls_context *context; /* of the stream */
    SSL_CTX *peer_context;
    struct outside_end peer;
    struct certificate authority;
    struct certificate server;
    struct certificate client;
    struct certificate expired;
    bool listener_closed;
    bool move_now; /* when accepted */
    bool keep;     /* what is received, uncounted */
    bool closing;
    unsigned accepted;
    unsigned secured;
    int error; /* of secured, ended or failed */
    unsigned ended;
    unsigned ready;
    unsigned arrived;
    unsigned closed;
    uint64_t received;
    struct chunk *kept;
    char text[64];
} stage;

/* ---- the stream ---- */

static void on_received(struct stream *stream, struct chunk *chunk)
{
    if (stage.received < sizeof stage.text - 1) {
        size_t size = sizeof stage.text - 1 - stage.received;
        memcpy(stage.text + stage.received, chunk->data, size < chunk->size ? size : chunk->size);
    }
    stage.received += chunk->size;
    chunk_free(stream->reactor, chunk);
}

static void on_ended(struct stream *stream, int error)
{
    (void)stream;
    stage.ended++;
    stage.error = error;
}

static void on_ready(struct stream *stream)
{
    (void)stream;
    stage.ready++;
}

static void on_secured(struct stream *stream, int error)
{
    (void)stream;
    stage.secured++;
    stage.error = error;
}

static void on_arrived(struct stream_move *move, struct reactor *reactor)
{
    (void)move;
    assert_ptr_equal(reactor, stage.other);
    stage.arrived++;
}

static void on_connected(struct stream *stream, int error)
{
    assert_int_equal(error, 0);
    assert_int_equal(stream_tls_start(stream, stage.context, "meters.example"), STATUS_OK);
}

static void on_closed(struct stream *stream)
{
    (void)stream;
    stage.closed++;
}

static const struct stream_ops ops = {
    .received = on_received,
    .ended = on_ended,
    .ready = on_ready,
    .connected = on_connected,
    .secured = on_secured,
    .closed = on_closed,
};

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    (void)peer;
    stage.accepted++;
    stream_init(&stage.stream, listener->reactor, slot, &ops);
    assert_int_equal(stream_tls_start(&stage.stream, stage.context, NULL), STATUS_OK);
    stage.move.arrived = on_arrived;
    if (stage.move_now)
        stream_move(&stage.stream, stage.other, &stage.move);
}

static void on_listener_closed(struct listener *listener)
{
    (void)listener;
    stage.listener_closed = true;
}

static const struct listener_ops listener_ops = {.accepted = on_accepted,
                                                 .closed = on_listener_closed};

/* ---- the stage ---- */

static struct reactor *make_reactor(void)
{
    struct reactor *reactor = NULL;
    struct kernel_error error;
    struct reactor_config config = {
        .limits = {
            .slots = 8, .reserved_slots = 1, .buffer_count = {8, 2}, .buffer_size = {512, 4096}}};

    assert_int_equal(reactor_create(&config, &reactor, &error), STATUS_OK);
    return reactor;
}

static void put(const char *path, const char *text)
{
    sim_file_put(stage.sim, path, (const uint8_t *)text, strlen(text));
}

static int open_stage(void **state)
{
    struct sim_options options;
    struct address address;
    struct listen_options listen_options = {.backlog = 1};

    (void)state;
    memset(&stage, 0, sizeof stage);
    certificate_make(&stage.authority, &(struct certificate_wish){.name = "CA"});
    certificate_make(&stage.server, &(struct certificate_wish){
                                        .name = "server",
                                        .alternatives = "DNS:meters.example,IP:198.51.100.1",
                                        .by = &stage.authority});
    certificate_make(&stage.client,
                     &(struct certificate_wish){.name = "hes", .by = &stage.authority});
    certificate_make(&stage.expired,
                     &(struct certificate_wish){.name = "old",
                                                .alternatives = "DNS:meters.example",
                                                .by = &stage.authority,
                                                .until = 1000000000});
    sim_options_calm(&options, 1);
    stage.sim = sim_create(&options);
    put("/ca", stage.authority.pem);
    put("/certificate", stage.server.pem);
    put("/key", stage.server.key_pem);
    put("/other-key", stage.client.key_pem);
    put("/empty", "");
    stage.reactor = make_reactor();
    stage.other = make_reactor();
    assert_int_equal(address_parse("192.0.2.1:5000", &address), STATUS_OK);
    stage.socket = kernel_listen(&address, &listen_options);
    stage.listener = (struct listener){
        .ops = &listener_ops, .accepts = stage.accepts, .depth = 1, .socket = stage.socket};
    assert_int_equal(listener_open(&stage.listener, stage.reactor), STATUS_OK);
    return 0;
}

static void step(void)
{
    char buffer[256];

    sim_step(stage.sim);
    struct kernel *kernel = sim_pick_due(stage.sim);
    if (kernel != NULL)
        reactor_turn(kernel == reactor_kernel(stage.reactor) ? stage.reactor : stage.other, -1);
    if (stage.dialled != NULL && stage.peer.peer == NULL)
        outside_begin(&stage.peer, sim_peer_accept(stage.dialled), stage.peer_context);
    if (stage.peer.peer != NULL && !stage.closing) {
        (void)outside_put(&stage.peer, NULL, 0);
        if (!stage.keep)
            (void)outside_take(&stage.peer, (uint8_t *)buffer, sizeof buffer);
    }
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        unsigned steps = 0;                                                                        \
        for (; !(condition); step())                                                               \
            assert_true(++steps < MAX_STEPS);                                                      \
    } while (0)

static void some_steps(void)
{
    for (unsigned i = 0; i < 300; i++)
        step();
}

static int close_stage(void **state)
{
    (void)state;
    stage.closing = true;
    if (stage.stream.flags != 0) {
        stream_close(&stage.stream);
        UNTIL(stage.closed > 0);
    }
    listener_close(&stage.listener);
    UNTIL(stage.listener_closed);
    outside_free(&stage.peer);
    if (stage.peer.peer != NULL)
        sim_peer_release(stage.peer.peer);
    UNTIL(sim_not_quiet(stage.sim) == NULL);
    assert_int_equal(reactor_counters(stage.reactor)->private_bytes, 0);
    assert_int_equal(reactor_counters(stage.other)->private_bytes, 0);
    reactor_destroy(stage.reactor);
    reactor_destroy(stage.other);
    if (stage.dialled != NULL)
        sim_peer_listen_close(stage.dialled);
    kernel_listen_close(stage.socket);
    sim_destroy(stage.sim);
    tls_context_release(stage.context);
    SSL_CTX_free(stage.peer_context);
    certificate_free(&stage.authority);
    certificate_free(&stage.server);
    certificate_free(&stage.client);
    certificate_free(&stage.expired);
    return 0;
}

static void make_context(const struct tls_options *options)
{
    struct tls_error error;

    assert_int_equal(tls_context_create(options, &stage.context, &error), STATUS_OK);
}

static void make_server(void)
{
    make_context(
        &(struct tls_options){.role = TLS_SERVER, .certificate = "/certificate", .key = "/key"});
}

static void peer_shows(const struct certificate *certificate)
{
    assert_int_equal(SSL_CTX_use_certificate(stage.peer_context, certificate->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(stage.peer_context, certificate->key), 1);
}

static void peer_connects(void)
{
    struct address to;
    struct address from;

    assert_int_equal(address_parse("192.0.2.1:5000", &to), STATUS_OK);
    assert_int_equal(address_parse("10.0.0.1:1000", &from), STATUS_OK);
    struct sim_peer *peer = sim_peer_connect(stage.sim, &to, &from);
    assert_non_null(peer);
    outside_begin(&stage.peer, peer, stage.peer_context);
    SSL_set_connect_state(stage.peer.ssl);
}

static void make_peer_client(void)
{
    stage.peer_context = SSL_CTX_new(TLS_client_method());
    assert_non_null(stage.peer_context);
}

static void assert_refused(const char *why)
{
    char text[TLS_ERROR_SIZE];

    UNTIL(stage.secured > 0);
    assert_int_equal(stage.error, -EPROTO);
    assert_non_null(strstr(stream_tls_error(&stage.stream, text), why));
    assert_int_equal(stage.received, 0);
    assert_true(stream_failed(&stage.stream));
}

static void assert_secured(void)
{
    UNTIL(stage.secured > 0);
    assert_int_equal(stage.error, 0);
}

/* ---- as a server ---- */

static void words_go_both_ways(void **state)
{
    (void)state;
    make_server();
    make_peer_client();
    peer_connects();
    assert_secured();
    stream_receive(&stage.stream, RECEIVE_ONCE);
    UNTIL(outside_put(&stage.peer, (const uint8_t *)"hello", 5) == 5);
    UNTIL(stage.received == 5);
    assert_string_equal(stage.text, "hello");
    assert_string_equal(stream_tls_version(&stage.stream), "TLSv1.3");
    uint8_t heard[16];
    stage.keep = true;
    assert_int_equal(stream_send_copy(&stage.stream, (const uint8_t *)"well", 4), STATUS_OK);
    UNTIL(outside_take(&stage.peer, heard, sizeof heard) == 4);
    assert_memory_equal(heard, "well", 4);
    stream_shutdown(&stage.stream);
    UNTIL((outside_take(&stage.peer, heard, sizeof heard), outside_heard_end(&stage.peer)));
}

static void old_versions_are_refused(void **state)
{
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION};

    (void)state;
    make_server();
    make_peer_client();
    SSL_CTX_set_security_level(stage.peer_context, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(stage.peer_context, versions[0]), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(stage.peer_context, versions[1]), 1);
    peer_connects();
    assert_refused("unsupported protocol");
}

static void what_is_not_tls_is_refused(void **state)
{
    static const char words[] = "GET / HTTP/1.1\r\nHost: meters.example\r\n\r\n";
    struct address to;
    struct address from;

    (void)state;
    make_server();
    assert_int_equal(address_parse("192.0.2.1:5000", &to), STATUS_OK);
    assert_int_equal(address_parse("10.0.0.1:1000", &from), STATUS_OK);
    stage.peer.peer = sim_peer_connect(stage.sim, &to, &from);
    assert_int_equal(sim_peer_write(stage.peer.peer, (const uint8_t *)words, sizeof words - 1),
                     sizeof words - 1);
    assert_refused("http request");
}

static void a_long_handshake_is_refused(void **state)
{
    (void)state;
    make_context(&(struct tls_options){.role = TLS_SERVER,
                                       .certificate = "/certificate",
                                       .key = "/key",
                                       .handshake_max_bytes = 100});
    make_peer_client();
    peer_connects();
    assert_refused("too many bytes");
}

static void make_asking_server(enum tls_verify verify)
{
    make_context(&(struct tls_options){.role = TLS_SERVER,
                                       .certificate = "/certificate",
                                       .key = "/key",
                                       .ca = "/ca",
                                       .verify = verify});
    make_peer_client();
}

static void a_client_without_certificate_is_refused(void **state)
{
    (void)state;
    make_asking_server(TLS_VERIFY_REQUIRED);
    peer_connects();
    assert_refused("peer did not return a certificate");
}

static void a_client_may_show_nothing(void **state)
{
    char subject[TLS_SUBJECT_SIZE];
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];

    (void)state;
    make_asking_server(TLS_VERIFY_OPTIONAL);
    peer_connects();
    assert_secured();
    assert_false(stream_tls_peer(&stage.stream, subject, fingerprint));
}

static void who_a_client_is(void **state)
{
    char subject[TLS_SUBJECT_SIZE];
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    uint8_t expected[EVP_MAX_MD_SIZE];

    (void)state;
    make_asking_server(TLS_VERIFY_REQUIRED);
    peer_shows(&stage.client);
    peer_connects();
    assert_secured();
    assert_true(stream_tls_peer(&stage.stream, subject, fingerprint));
    assert_string_equal(subject, "CN=hes");
    assert_int_equal(X509_digest(stage.client.x509, EVP_sha256(), expected, NULL), 1);
    assert_memory_equal(fingerprint, expected, sizeof fingerprint);
}

static void a_client_of_another_authority_is_refused(void **state)
{
    struct certificate stranger;

    (void)state;
    certificate_make(&stranger, &(struct certificate_wish){.name = "hes"});
    make_asking_server(TLS_VERIFY_OPTIONAL);
    peer_shows(&stranger);
    peer_connects();
    assert_refused("certificate verify failed");
    certificate_free(&stranger);
}

static void make_h2_server(const char *offer, unsigned size)
{
    make_context(&(struct tls_options){
        .role = TLS_SERVER, .certificate = "/certificate", .key = "/key", .alpn = "h2,http/1.1"});
    make_peer_client();
    if (size > 0)
        assert_int_equal(SSL_CTX_set_alpn_protos(stage.peer_context, (const uint8_t *)offer, size),
                         0);
    peer_connects();
}

static void the_preferred_protocol_is_chosen(void **state)
{
    char name[TLS_ALPN_SIZE];

    (void)state;
    make_h2_server("\x08http/1.1\x02h2", 12);
    assert_secured();
    assert_string_equal(stream_tls_alpn(&stage.stream, name), "h2");
}

static void a_client_may_offer_no_protocol(void **state)
{
    char name[TLS_ALPN_SIZE];

    (void)state;
    make_h2_server(NULL, 0);
    assert_secured();
    assert_string_equal(stream_tls_alpn(&stage.stream, name), "");
}

static void a_client_with_other_protocols_is_refused(void **state)
{
    (void)state;
    make_h2_server("\x04spdy", 5);
    assert_refused("protocol");
}

/* ---- as a client ---- */

static void dial(const struct certificate *shown)
{
    struct address address;

    if (stage.context == NULL)
        make_context(
            &(struct tls_options){.role = TLS_CLIENT, .verify = TLS_VERIFY_REQUIRED, .ca = "/ca"});
    stage.peer_context = SSL_CTX_new(TLS_server_method());
    peer_shows(shown);
    assert_int_equal(address_parse("198.51.100.1:7000", &address), STATUS_OK);
    stage.dialled = sim_peer_listen(stage.sim, &address, 1);
    stream_connect(&stage.stream, stage.reactor, &address, NULL, &ops);
}

static void a_good_server(void **state)
{
    char subject[TLS_SUBJECT_SIZE];
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];

    (void)state;
    dial(&stage.server);
    assert_secured();
    assert_true(stream_tls_peer(&stage.stream, subject, fingerprint));
    assert_string_equal(subject, "CN=server");
    UNTIL(SSL_is_init_finished(stage.peer.ssl));
    assert_string_equal(SSL_get_servername(stage.peer.ssl, TLSEXT_NAMETYPE_host_name),
                        "meters.example");
}

static void a_server_of_another_authority_is_refused(void **state)
{
    struct certificate stranger;

    (void)state;
    certificate_make(&stranger, &(struct certificate_wish){.name = "server",
                                                           .alternatives = "DNS:meters.example"});
    dial(&stranger);
    assert_refused("certificate verify failed: self-signed certificate");
    certificate_free(&stranger);
}

static void an_expired_server_is_refused(void **state)
{
    (void)state;
    dial(&stage.expired);
    assert_refused("certificate verify failed: certificate has expired");
}

static void a_server_of_another_name_is_refused(void **state)
{
    (void)state;
    dial(&stage.client);
    assert_refused("certificate verify failed: hostname mismatch");
}

static void an_unverified_server_may_be_anybody(void **state)
{
    (void)state;
    make_context(&(struct tls_options){.role = TLS_CLIENT, .verify = TLS_VERIFY_NONE});
    dial(&stage.expired);
    assert_secured();
}

/* ---- names and addresses, by stream_tls_start alone ---- */

static void on_connected_by_address(struct stream *stream, int error)
{
    assert_int_equal(error, 0);
    assert_int_equal(stream_tls_start(stream, stage.context, "198.51.100.1"), STATUS_OK);
}

static void on_connected_by_wrong_address(struct stream *stream, int error)
{
    assert_int_equal(error, 0);
    assert_int_equal(stream_tls_start(stream, stage.context, "198.51.100.2"), STATUS_OK);
}

static void addresses_are_verified_as_such(void **state)
{
    struct stream_ops by_address = ops;

    (void)state;
    by_address.connected = on_connected_by_address;
    dial(&stage.server);
    stage.stream.ops = &by_address;
    assert_secured();
    UNTIL(SSL_is_init_finished(stage.peer.ssl));
    assert_null(SSL_get_servername(stage.peer.ssl, TLSEXT_NAMETYPE_host_name));
    stage.stream.ops = &ops;
}

static void another_address_is_refused(void **state)
{
    struct stream_ops by_address = ops;

    (void)state;
    by_address.connected = on_connected_by_wrong_address;
    dial(&stage.server);
    stage.stream.ops = &by_address;
    assert_refused("certificate verify failed: IP address mismatch");
    stage.stream.ops = &ops;
}

/* ---- standing still ---- */

/* A stream that nobody receives from holds no shared buffer, whatever came. */
static void what_nobody_asks_for_waits_in_private(void **state)
{
    uint8_t bytes[3000] = {0};
    uint64_t put_bytes = 0;

    (void)state;
    make_server();
    make_peer_client();
    peer_connects();
    assert_secured();
    stream_receive(&stage.stream, RECEIVE_STREAM);
    UNTIL((put_bytes += outside_put(&stage.peer, bytes, sizeof bytes)) >= 30000);
    UNTIL(stage.received > 0);
    stream_receive_stop(&stage.stream);
    uint64_t received = stage.received;
    for (unsigned i = 0; i < 300; i++) {
        put_bytes += outside_put(&stage.peer, bytes, sizeof bytes);
        step();
        assert_int_equal(stage.received, received);
    }
    reactor_turn(stage.reactor, 0);
    const struct reactor_counters *counters = reactor_counters(stage.reactor);
    assert_int_equal(counters->buffers_out[BUFFERS_SMALL], 0);
    assert_int_equal(counters->buffers_out[BUFFERS_LARGE], 0);
    assert_true(counters->private_bytes <= 8 * 512 + 2 * 4096);
    stream_watch(&stage.stream); /* there is something to be had */
    UNTIL(stage.ready > 0);
    stream_receive(&stage.stream, RECEIVE_STREAM);
    UNTIL(outside_finish(&stage.peer, true));
    UNTIL(stage.ended > 0);
    assert_int_equal(stage.error, 0);
    assert_int_equal(stage.received, put_bytes);
}

static void a_cut_connection_is_not_an_end(void **state)
{
    char text[TLS_ERROR_SIZE];

    (void)state;
    make_server();
    make_peer_client();
    peer_connects();
    assert_secured();
    stream_receive(&stage.stream, RECEIVE_STREAM);
    UNTIL(outside_put(&stage.peer, (const uint8_t *)"hello", 5) == 5 &&
          outside_finish(&stage.peer, false));
    sim_peer_shutdown(stage.peer.peer);
    UNTIL(stage.ended > 0);
    assert_int_equal(stage.received, 5);
    assert_int_equal(stage.error, -EPROTO);
    assert_non_null(strstr(stream_tls_error(&stage.stream, text), "close_notify"));
}

static void a_cut_connection_may_be_an_end(void **state)
{
    (void)state;
    make_context(&(struct tls_options){.role = TLS_SERVER,
                                       .certificate = "/certificate",
                                       .key = "/key",
                                       .allow_truncation = true});
    make_peer_client();
    peer_connects();
    assert_secured();
    stream_receive(&stage.stream, RECEIVE_STREAM);
    UNTIL(outside_finish(&stage.peer, false));
    sim_peer_shutdown(stage.peer.peer);
    UNTIL(stage.ended > 0);
    assert_int_equal(stage.error, 0);
}

/* Nobody receives there, and the handshake goes on all the same. */
static void a_stream_moves_before_its_handshake(void **state)
{
    (void)state;
    stage.move_now = true;
    make_server();
    make_peer_client();
    peer_connects();
    assert_secured();
    assert_int_equal(stage.arrived, 1);
    stream_receive(&stage.stream, RECEIVE_STREAM);
    UNTIL(outside_put(&stage.peer, (const uint8_t *)"hello", 5) == 5);
    UNTIL(stage.received == 5);
}

/* Sent before the handshake, counted as queued, and heard after it. */
static void early_words_wait(void **state)
{
    uint8_t heard[16];

    (void)state;
    make_server();
    make_peer_client();
    peer_connects();
    UNTIL(stage.accepted > 0);
    assert_int_equal(stream_send_copy(&stage.stream, (const uint8_t *)"early", 5), STATUS_OK);
    assert_true(stage.stream.queued_bytes >= 5);
    stream_shutdown(&stage.stream);
    stage.keep = true;
    UNTIL(outside_take(&stage.peer, heard, sizeof heard) == 5);
    assert_memory_equal(heard, "early", 5);
    UNTIL((outside_take(&stage.peer, heard, sizeof heard), outside_heard_end(&stage.peer)));
    some_steps();
    assert_int_equal(stage.stream.queued_bytes, 0);
}

/* ---- contexts ---- */

static void assert_no_context(const struct tls_options *options, const char *file, const char *why)
{
    struct tls_context *context = NULL;
    struct tls_error error;

    assert_int_not_equal(tls_context_create(options, &context, &error), STATUS_OK);
    assert_null(context);
    assert_non_null(strstr(error.text, file));
    assert_non_null(strstr(error.text, why));
    assert_null(strstr(error.text, "BEGIN"));
    assert_int_equal(ERR_peek_error(), 0);
}

static void files_that_can_not_be(void **state)
{
    struct tls_options options = {
        .role = TLS_SERVER, .certificate = "/certificate", .key = "/other-key"};

    (void)state;
    assert_no_context(&options, "/other-key", "doesn't suit the certificate");
    options.key = "/empty";
    assert_no_context(&options, "/empty", "no key");
    options.key = "/certificate";
    assert_no_context(&options, "/certificate", "no key");
    options.key = "/nowhere";
    assert_no_context(&options, "/nowhere", "No such file");
    options.key = NULL;
    assert_no_context(&options, "/certificate", "needs its key");
    options = (struct tls_options){.role = TLS_SERVER, .certificate = "/key", .key = "/key"};
    assert_no_context(&options, "/key", "no certificate");
    options = (struct tls_options){.role = TLS_SERVER};
    assert_no_context(&options, "TLS", "needs a certificate");
    options = (struct tls_options){.role = TLS_SERVER,
                                   .certificate = "/certificate",
                                   .key = "/key",
                                   .verify = TLS_VERIFY_REQUIRED};
    assert_no_context(&options, "TLS", "file of CAs");
    options.ca = "/empty";
    assert_no_context(&options, "/empty", "no certificate");
    options.ca = "/ca";
    options.alpn = ",";
    assert_no_context(&options, "TLS", "protocols");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(words_go_both_ways),
        TEST(old_versions_are_refused),
        TEST(what_is_not_tls_is_refused),
        TEST(a_long_handshake_is_refused),
        TEST(a_client_without_certificate_is_refused),
        TEST(a_client_may_show_nothing),
        TEST(who_a_client_is),
        TEST(a_client_of_another_authority_is_refused),
        TEST(the_preferred_protocol_is_chosen),
        TEST(a_client_may_offer_no_protocol),
        TEST(a_client_with_other_protocols_is_refused),
        TEST(a_good_server),
        TEST(a_server_of_another_authority_is_refused),
        TEST(an_expired_server_is_refused),
        TEST(a_server_of_another_name_is_refused),
        TEST(an_unverified_server_may_be_anybody),
        TEST(addresses_are_verified_as_such),
        TEST(another_address_is_refused),
        TEST(what_nobody_asks_for_waits_in_private),
        TEST(a_cut_connection_is_not_an_end),
        TEST(a_cut_connection_may_be_an_end),
        TEST(a_stream_moves_before_its_handshake),
        TEST(early_words_wait),
        TEST(files_that_can_not_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
