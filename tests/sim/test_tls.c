/* TLS over streams in the simulation: the property of the reactor (test_reactor.c) holds for clear
 * bytes above TLS, too, under short receives and sends, resets, closes and hand-overs at any
 * moment, in the middle of a handshake for instance; a FIN without close_notify is never taken for
 * an end. The peers are OpenSSL over memory, without any of the reactor's code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/reactor/sim/sim.h"
#include "tests/sim/crowd.h"
#include "tests/sim/seeds.h"
#include "tests/tls/certificates.h"

static struct crowd_tls tls;

static void put(struct sim *sim, const char *path, const char *text)
{
    sim_file_put(sim, path, (const uint8_t *)text, strlen(text));
}

static SSL_CTX *outside_context(const SSL_METHOD *method, const struct certificate *own,
                                const struct certificate *authority)
{
    SSL_CTX *context = SSL_CTX_new(method);

    assert_non_null(context);
    if (own != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(context, own->x509), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(context, own->key), 1);
    }
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority->x509), 1);
    SSL_CTX_set_verify(context, own != NULL ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return context;
}

static int set_up(void **state)
{
    struct sim_options options;
    struct certificate authority;
    struct certificate server;
    struct tls_error error;

    (void)state;
    certificate_make(&authority, &(struct certificate_wish){.name = "CA"});
    certificate_make(&server, &(struct certificate_wish){.name = "server",
                                                         .alternatives = "DNS:meters.example",
                                                         .by = &authority});
    sim_options_calm(&options, 1);
    struct sim *sim = sim_create(&options);
    put(sim, "/ca", authority.pem);
    put(sim, "/certificate", server.pem);
    put(sim, "/key", server.key_pem);
    struct tls_options ours = {.role = TLS_SERVER, .certificate = "/certificate", .key = "/key"};
    assert_int_equal(tls_context_create(&ours, &tls.server, &error), STATUS_OK);
    ours = (struct tls_options){.role = TLS_CLIENT, .verify = TLS_VERIFY_REQUIRED, .ca = "/ca"};
    assert_int_equal(tls_context_create(&ours, &tls.client, &error), STATUS_OK);
    sim_destroy(sim);
    tls.outside_server = outside_context(TLS_server_method(), &server, &authority);
    tls.outside_client = outside_context(TLS_client_method(), NULL, &authority);
    certificate_free(&server);
    certificate_free(&authority);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_context_release(tls.server);
    tls_context_release(tls.client);
    SSL_CTX_free(tls.outside_server);
    SSL_CTX_free(tls.outside_client);
    return 0;
}

static void run_seed(uint64_t seed)
{
    /* half of them with TLS 1.2, whose handshake has another shape */
    int version = seed % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

    SEEDS_REQUIRE(SSL_CTX_set_max_proto_version(tls.outside_client, version) == 1);
    SEEDS_REQUIRE(SSL_CTX_set_max_proto_version(tls.outside_server, version) == 1);
    crowd_run(seed, &tls);
}

static void nothing_is_lost_under_every_seed(void **state)
{
    (void)state;
    seeds_run("tls", 600, run_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_lost_under_every_seed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
