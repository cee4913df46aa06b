/* The iRZ plugin towards the modem: what reading software sends, wrapped or not; and that the
 * password is nowhere in what the plugin hands out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "codec/modem/irz.h"
#include "plugins/plugin.h"
#include "tests/hex.h"

#define PLAIN         "AT$IMEI=1,PSW=qwertz,TYP=ATM,DEV=ATM2,\n"
#define ENCAPSULATING "AT$IMEI=1,PSW=qwertz,TYP=ATM,DEV=ATM2,COLPROT=1.3,\n"

extern const struct plugin irz_plugin;

struct connection {
    void *instance;
    uint64_t state[PLUGIN_STATE_SIZE / 8];
    struct plugin_greeting greeting;
    uint8_t reply[PLUGIN_REPLY_SIZE];
};

static void connect_modem(struct connection *connection, const char *hello)
{
    const struct plugin_value values[8] = {[2] = {.integer = 20}, [4] = {.integer = 1000}};
    char error[128];

    memset(connection, 0, sizeof(*connection));
    assert_true(irz_plugin.configure(values, &connection->instance, error, sizeof(error)));
    connection->greeting = (struct plugin_greeting){
        .data = (const uint8_t *)hello, .size = strlen(hello), .reply = connection->reply};
    assert_int_equal(
        irz_plugin.identify(connection->instance, connection->state, &connection->greeting),
        PLUGIN_IDENTIFIED);
}

/* Sends all of data through calls with this much room; returns the bytes for the modem. */
static size_t send_all(struct connection *connection, const uint8_t *data, size_t size,
                       size_t out_capacity, uint8_t *out)
{
    uint8_t *to = out;

    while (size > 0) {
        struct plugin_sent sent = {
            .data = data, .size = size, .out = to, .out_capacity = out_capacity};

        irz_plugin.send(connection->instance, connection->state, &sent);
        assert_true(sent.consumed > 0 && sent.consumed <= size);
        assert_true(sent.out_size <= out_capacity);
        data += sent.consumed;
        size -= sent.consumed;
        to += sent.out_size;
    }
    return (size_t)(to - out);
}

static void wraps_the_vector(void **state)
{
    struct connection connection;
    uint8_t out[2048];
    uint8_t expected[32];
    size_t expected_size = hex_bytes("C8CACBCCCD0100052F3F210D0A0D0A", expected, sizeof(expected));

    (void)state;
    connect_modem(&connection, ENCAPSULATING);
    assert_int_equal(send_all(&connection, (const uint8_t *)"/?!\r\n", 5, sizeof(out), out),
                     expected_size);
    assert_memory_equal(out, expected, expected_size);
    assert_int_equal(connection.greeting.link_flags, PLUGIN_LINK_RECEIVE | PLUGIN_LINK_SEND);
    irz_plugin.destroy(connection.instance);
}

/* Long data becomes several frames, and the modem finds the same bytes in them. */
static void wraps_any_length(void **state)
{
    static uint8_t data[5000];
    static uint8_t out[8000];
    struct connection connection;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 13 + i / 256);
    connect_modem(&connection, ENCAPSULATING);
    for (size_t size = 1; size <= sizeof(data); size += 37) {
        struct irz_decoder decoder = {0};
        struct irz_decoded decoded;
        size_t out_size = send_all(&connection, data, size, 2048, out);

        irz_decode(&decoder, out, out_size, &decoded);
        assert_int_equal(decoded.dropped_bytes + decoded.broken_frames, 0);
        assert_int_equal(decoded.data_size, size);
        assert_memory_equal(out, data, size);
    }
    irz_plugin.destroy(connection.instance);
}

static void leaves_plain_data_alone(void **state)
{
    static uint8_t data[5000];
    static uint8_t out[8000];
    struct connection connection;

    (void)state;
    memset(data, 0xB5, sizeof(data));
    connect_modem(&connection, PLAIN);
    assert_int_equal(send_all(&connection, data, sizeof(data), 2048, out), sizeof(data));
    assert_memory_equal(out, data, sizeof(data));
    assert_int_equal(connection.greeting.link_flags, PLUGIN_LINK_RECEIVE);
    irz_plugin.destroy(connection.instance);
}

static void hands_out_no_password(void **state)
{
    static const char *const hellos[] = {PLAIN, ENCAPSULATING};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct connection connection;

        connect_modem(&connection, hellos[i]);
        assert_int_equal(connection.greeting.consumed, strlen(hellos[i]));
        connection.greeting.data = NULL;
        assert_null(memmem(&connection, sizeof(connection), "qwertz", 6));
        irz_plugin.destroy(connection.instance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wraps_the_vector),
        cmocka_unit_test(wraps_any_length),
        cmocka_unit_test(leaves_plain_data_alone),
        cmocka_unit_test(hands_out_no_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
