/* How many bytes wait for somebody who doesn't read, what they cost in memory, and that whoever
 * reads slowly gets them all; in a calm network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/bridge/session.h"
#include "tests/sim/calm.h"

static struct caller modem;
static struct caller agent;

#define BLOCK 50000u
static uint8_t block[BLOCK];

static void fill_block(void)
{
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = (uint8_t)(i % 127);
}

/* The agent reads a little every second, and gets all that the device said before its FIN. */
static void an_agent_gets_what_is_left_after_the_device_is_gone(void **state)
{
    (void)state;
    calm_load_narrow(2048);
    calm_start();
    calm_join(&modem, &agent);
    fill_block();
    for (size_t done = 0; done < BLOCK; site_run(&calm, 200))
        done += sim_peer_write(modem.peer, block + done, BLOCK - done);
    caller_shutdown(&modem);
    calm_require_closed(CLOSE_SESSION_DEVICE_GONE, 1);
    for (int i = 0; i < 60 && !caller_sees_fin(&agent); i++) {
        caller_read(&agent, 1000);
        site_run(&calm, 1500);
    }
    caller_read(&agent, BLOCK);
    assert_int_equal(agent.heard_size, BLOCK);
    assert_memory_equal(agent.heard, block, BLOCK);
    assert_true(caller_sees_fin(&agent));
    calm_finish();
}

static size_t pour(struct caller *caller)
{
    size_t poured = 0;
    for (size_t taken = 1; taken > 0; poured += taken) {
        taken = sim_peer_write(caller->peer, block, BLOCK);
        site_run(&calm, 500);
    }
    return poured;
}

static void one_who_does_not_read_stops_the_other(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    fill_block();
    size_t poured = pour(&modem); /* the agent reads nothing */
    assert_true(agent.peer != NULL);
    const struct session *session = site_session(&calm, &agent.address);
    assert_in_range(session->agent.queued_bytes, 65536, 65536 + 131072);
    assert_in_range(poured, 65536, 600000);
    size_t heard = 0;
    for (int i = 0; i < 1000 && heard < poured; i++) {
        agent.heard_size = 0;
        caller_read(&agent, sizeof agent.heard);
        heard += agent.heard_size;
        site_run(&calm, 10);
    }
    assert_int_equal(heard, poured);
    assert_int_equal(session->agent.queued_bytes, 0);
    poured = pour(&agent); /* and the device */
    const struct link *link = site_link(&calm, &modem.address);
    assert_in_range(link->stream.queued_bytes, 65536, 65536 + 131072);
    assert_in_range(poured, 65536, 600000);
    calm_finish();
}

/* What a queue costs, with what each chunk costs besides its bytes. */
static uint64_t memory_of(const struct stream *stream)
{
    uint64_t bytes = 0;
    for (const struct chunk *chunk = stream->send_head; chunk != NULL; chunk = chunk->next)
        bytes += sizeof *chunk + CHUNK_HEADROOM + chunk->capacity;
    return bytes;
}

/* Many pieces of one byte each for somebody who doesn't read: what they cost in memory is bounded
 * too, not only the bytes in them. */
static void tiny_pieces_cost_little_memory(void **state)
{
    (void)state;
    calm_load_narrow(512);
    calm.config->listeners[0].tcp.user_timeout_s = 0;
    calm_start();
    calm_join(&modem, &agent);
    const struct session *session = site_session(&calm, &agent.address);
    const struct link *link = site_link(&calm, &modem.address);
    for (int i = 0; i < 60000; i++) {
        caller_say(&modem, "d");
        caller_say(&agent, "a");
        if (i % 100 == 0)
            site_run(&calm, 120);
        if (session != site_session(&calm, &agent.address))
            break;
    }
    assert_in_range(session->agent.queued_bytes, 20000, 65536);
    assert_in_range(memory_of(&session->agent), 20000, 4 * 65536);
    assert_in_range(memory_of(&link->stream), 20000, 4 * 65536);
    calm_finish();
}

/* The first piece that the agent doesn't take is private memory (bytes that the plugin had held);
 * the shard's buffers behind it go back all the same. */
static void buffers_do_not_wait_behind_a_released_piece(void **state)
{
    (void)state;
    calm_load_narrow(512);
    calm.config->buffers.small_count = 64;
    calm_start();
    calm_join(&modem, &agent);
    for (int i = 0; i < 1024; i++)
        caller_say(&modem, "d");
    const struct session *session = site_session(&calm, &agent.address);
    assert_int_equal(session->agent.queued_bytes, 0);
    site_run(&calm, 1000);
    caller_say_bytes(&modem, calm_keepalive, 2);
    site_run(&calm, 300);
    assert_int_equal(session->agent.queued_bytes, 2);
    for (int i = 0; i < 200; i++)
        caller_say(&modem, "d");
    site_run(&calm, 300);
    const struct reactor_counters *counters = reactor_counters(calm.server->shards[0]->reactor);
    assert_int_equal(atomic_load(&counters->buffers_out[BUFFERS_SMALL]), 0);
    assert_int_equal(session->agent.queued_bytes, 202);
    calm_finish();
}

/* A device that sends keepalives and reads no acknowledgement. */
static void unread_acknowledgements_do_not_pile_up(void **state)
{
    (void)state;
    calm_load();
    calm.config->listeners[1].tcp.user_timeout_s = 0;
    calm_start();
    caller_modem(&modem, &calm, "10.0.0.1", CALM_ACKNOWLEDGED, CALLER_SERIAL);
    const struct link *link = site_link(&calm, &modem.address);
    assert_non_null(link);
    for (int i = 0; i < 200000 && sim_peer_write(modem.peer, calm_keepalive, 5) == 5; i++)
        site_run(&calm, i % 16 == 0 ? 30 : 0);
    assert_in_range(link->stream.queued_bytes, 0, 65536);
    calm_finish();
}

static void a_stop_lets_agents_read_what_is_there(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    fill_block();
    caller_say_bytes(&modem, block, BLOCK);
    server_stop(calm.server);
    for (int i = 0; i < 20; i++) {
        site_run(&calm, 50);
        caller_read(&agent, 5000);
    }
    assert_int_equal(agent.heard_size, BLOCK);
    assert_true(caller_sees_fin(&agent));
    calm_require_closed(CLOSE_SERVER_STOPPING, 2);
    calm_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_gets_what_is_left_after_the_device_is_gone),
        cmocka_unit_test(one_who_does_not_read_stops_the_other),
        cmocka_unit_test(tiny_pieces_cost_little_memory),
        cmocka_unit_test(buffers_do_not_wait_behind_a_released_piece),
        cmocka_unit_test(unread_acknowledgements_do_not_pile_up),
        cmocka_unit_test(a_stop_lets_agents_read_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
