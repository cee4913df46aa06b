/* TLS's handshake: whatever a stranger sends to a server that asks for certificates, the owner is
 * told once that it failed, and nothing stays behind. The first byte says in which pieces it comes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/reactor/reactor.h"
#include "server/reactor/sim/sim.h"
#include "server/reactor/tls.h"
#include "tests/fuzz/fuzz.h"
#include "tests/tls/certificates.h"

#define MAX_STEPS 100000u

static struct {
    struct tls_context *context; /* the same for all inputs */
    struct sim *sim;
    struct reactor *reactor;
    struct listener listener;
    struct accept_operation accepts[1];
    struct stream stream;
    bool listener_closed;
    unsigned secured;
    unsigned closed;
} world;

static void on_secured(struct stream *stream, int error)
{
    char text[TLS_ERROR_SIZE];

    CHECK(error < 0);
    CHECK(error != -EPROTO || stream_tls_error(stream, text)[0] != '\0');
    world.secured++;
    stream_close(stream);
}

static void on_received(struct stream *stream, struct chunk *chunk)
{
    (void)stream;
    (void)chunk;
    CHECK(false); /* nobody has shown a certificate */
}

static void on_ended(struct stream *stream, int error)
{
    (void)stream;
    (void)error;
    CHECK(false);
}

static void on_closed(struct stream *stream)
{
    (void)stream;
    world.closed++;
}

static const struct stream_ops ops = {
    .received = on_received,
    .ended = on_ended,
    .secured = on_secured,
    .closed = on_closed,
};

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    (void)peer;
    stream_init(&world.stream, listener->reactor, slot, &ops);
    CHECK(stream_tls_start(&world.stream, world.context, NULL) == STATUS_OK);
    stream_receive(&world.stream, RECEIVE_STREAM);
}

static void on_listener_closed(struct listener *listener)
{
    (void)listener;
    world.listener_closed = true;
}

static const struct listener_ops listener_ops = {.accepted = on_accepted,
                                                 .closed = on_listener_closed};

static void make_context(void)
{
    const struct tls_options options = {.role = TLS_SERVER,
                                        .verify = TLS_VERIFY_REQUIRED,
                                        .certificate = "/certificate",
                                        .key = "/key",
                                        .ca = "/certificate",
                                        .alpn = "h2"};
    struct certificate own;
    struct tls_error error;

    certificate_make(&own, &(struct certificate_wish){.name = "server"});
    sim_file_put(world.sim, "/certificate", (const uint8_t *)own.pem, strlen(own.pem));
    sim_file_put(world.sim, "/key", (const uint8_t *)own.key_pem, strlen(own.key_pem));
    CHECK(tls_context_create(&options, &world.context, &error) == STATUS_OK);
    certificate_free(&own);
}

static void open_world(struct address *address)
{
    const struct listen_options listen_options = {.backlog = 1};
    const struct reactor_config config = {
        .limits = {
            .slots = 4, .reserved_slots = 1, .buffer_count = {2, 1}, .buffer_size = {512, 4096}}};
    struct sim_options options;
    struct kernel_error error;

    sim_options_calm(&options, 1);
    world.sim = sim_create(&options);
    if (world.context == NULL)
        make_context();
    CHECK(reactor_create(&config, &world.reactor, &error) == STATUS_OK);
    CHECK(address_parse("192.0.2.1:5000", address) == STATUS_OK);
    world.listener = (struct listener){.ops = &listener_ops,
                                       .accepts = world.accepts,
                                       .depth = 1,
                                       .socket = kernel_listen(address, &listen_options)};
    CHECK(listener_open(&world.listener, world.reactor) == STATUS_OK);
    world.listener_closed = false;
    world.secured = world.closed = 0;
}

static void step(struct sim_peer *peer)
{
    uint8_t heard[512];

    sim_step(world.sim);
    if (sim_pick_due(world.sim) != NULL)
        reactor_turn(world.reactor, -1);
    (void)sim_peer_read(peer, heard, sizeof heard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address address;
    struct address from;
    unsigned steps = 0;
    size_t piece = size > 0 ? 1 + 3 * (size_t)data[0] : 1;

    open_world(&address);
    CHECK(address_parse("10.0.0.1:1000", &from) == STATUS_OK);
    struct sim_peer *peer = sim_peer_connect(world.sim, &address, &from);
    for (size_t at = 1; at < size && world.closed == 0;) {
        CHECK(++steps < MAX_STEPS);
        at += sim_peer_write(peer, data + at, size - at < piece ? size - at : piece);
        for (int i = 0; i < 4; i++)
            step(peer);
    }
    sim_peer_shutdown(peer);
    for (; world.closed == 0; step(peer))
        CHECK(++steps < MAX_STEPS);
    CHECK(world.secured == 1 && world.closed == 1);
    listener_close(&world.listener);
    for (; !world.listener_closed || sim_not_quiet(world.sim) != NULL; step(peer))
        CHECK(++steps < MAX_STEPS);
    CHECK(reactor_counters(world.reactor)->private_bytes == 0);
    sim_peer_release(peer);
    reactor_destroy(world.reactor);
    kernel_listen_close(world.listener.socket);
    sim_destroy(world.sim);
    return 0;
}
