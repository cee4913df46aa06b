/* The agents' ways in, one rule after the other, over one and several shards: logins, what each
 * refusal is answered with, bytes that come together with the request, a virtual modem's
 * connection that outlasts its sessions. */
#include "tests/sim/agents_stage.h"

static void socks_joins_by_serial(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        set_up(seed, (uint32_t)(1 + seed % 3));
        socks(&agent, CALLER_SERIAL ".meter", "request");
        assert_true(hears(&modem, "request"));
        assert_true(socks_answers(&agent, 0));
        caller_say(&modem, "answer");
        assert_true(hears(&agent, "answer"));
        struct session_facts facts;
        assert_int_equal(sessions_list(site->server, 0, &facts, 1), 1);
        assert_string_equal(facts.agent_name, "petrov");
        assert_int_equal(facts.path, SESSION_SOCKS5);
        assert_int_equal(facts.state, SESSION_JOINED);
        assert_int_equal(facts.bytes_to_agent, 6);
        assert_int_equal(facts.bytes_to_device, 7);
        tear_down();
    }
}

static void socks_byte_by_byte(void **unused)
{
    uint8_t words[256];
    (void)unused;
    set_up(1, 2);
    come(&agent, SOCKS);
    size_t size = socks_words(words, "petrov", "secret", CALLER_SERIAL, "~");
    for (size_t i = 0; i < size; i++) {
        caller_say_bytes(&agent, words + i, 1);
        site_run(site, 60);
    }
    assert_true(hears(&modem, "~"));
    assert_true(socks_answers(&agent, 0));
    tear_down();
}

static void socks_refusals(void **unused)
{
    static const uint8_t wrong[] = {5, 2, 1, 1};
    static const uint8_t nobody[] = {5, 0xff};
    uint8_t words[256];
    (void)unused;
    set_up(1, 2);
    dial_in(&second, KEPT);
    hide_device(KEPT);
    dial_in(&third, OTHER);
    caller_shutdown(&third);
    site_run(site, 100);

    come(&agent, SOCKS);
    caller_say_bytes(&agent, words, socks_words(words, "petrov", "sekret", CALLER_SERIAL, ""));
    site_run(site, 3000);
    assert_true(hears_bytes(&agent, wrong, sizeof wrong));
    assert_true(caller_sees_fin(&agent));
    require_closed(CLOSE_AGENT_LOGIN, 1);

    socks(&agent, UNKNOWN, "");
    assert_true(socks_answers(&agent, 4));
    assert_true(caller_sees_fin(&agent));
    require_closed(CLOSE_SESSION_UNKNOWN, 1);
    socks(&agent, KEPT, "");
    assert_true(socks_answers(&agent, 2));
    require_closed(CLOSE_SESSION_NOT_GRANTED, 1);
    socks(&agent, OTHER, "");
    assert_true(socks_answers(&agent, 6));
    require_closed(CLOSE_SESSION_OFFLINE, 1);
    socks(&agent, "0.152.150.129", "");
    assert_true(socks_answers(&agent, 8));
    require_closed(CLOSE_SESSION_NO_SERIAL, 1);
    socks(&third, CALLER_SERIAL, "");
    assert_true(socks_answers(&third, 0));
    socks(&agent, CALLER_SERIAL, "");
    assert_true(socks_answers(&agent, 5));
    require_closed(CLOSE_SESSION_BUSY, 1);

    come(&agent, SOCKS);
    caller_say_bytes(&agent, (const uint8_t *)"\5\1\0", 3);
    assert_true(hears_bytes(&agent, nobody, sizeof nobody));
    require_closed(CLOSE_AGENT_NO_ACCOUNT, 1);
    come(&agent, SOCKS);
    caller_say(&agent, "GET / HTTP/1.1\r\n\r\n");
    assert_false(caller_is_open(&agent));
    require_closed(CLOSE_AGENT_MALFORMED, 1);
    tear_down();
}

/* ---- CONNECT ---- */

static void connect_joins_by_serial(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        set_up(seed, (uint32_t)(1 + seed % 3));
        come(&agent, PROXY);
        ask_proxy(&agent, CALLER_SERIAL, CREDENTIALS, "request");
        assert_true(hears(&modem, "request"));
        assert_true(hears(&agent, "HTTP/1.1 200 Connection established\r\n\r\n"));
        caller_say(&modem, "answer");
        assert_true(hears(&agent, "answer"));
        tear_down();
    }
}

static void connect_refusals(void **unused)
{
    (void)unused;
    set_up(1, 2);
    dial_in(&second, KEPT);
    hide_device(KEPT);
    dial_in(&third, OTHER);
    caller_shutdown(&third);
    site_run(site, 100);

    come(&agent, PROXY);
    ask_proxy(&agent, UNKNOWN, "", "");
    assert_true(proxy_says(&agent, "407"));
    assert_true(caller_is_open(&agent)); /* it may ask again */
    ask_proxy(&agent, UNKNOWN, CREDENTIALS, "");
    assert_true(proxy_says(&agent, "404"));
    assert_true(caller_sees_fin(&agent));
    come(&agent, PROXY);
    ask_proxy(&agent, CALLER_SERIAL, "Proxy-Authorization: Basic cGV0cm92OnNla3JldA==\r\n", "");
    site_run(site, 3000);
    assert_true(proxy_says(&agent, "407"));
    assert_true(caller_sees_fin(&agent));
    come(&agent, PROXY);
    ask_proxy(&agent, KEPT, CREDENTIALS, "");
    assert_true(proxy_says(&agent, "403"));
    come(&agent, PROXY);
    ask_proxy(&agent, OTHER, CREDENTIALS, "");
    assert_true(proxy_says(&agent, "503"));
    come(&agent, PROXY);
    ask_proxy(&agent, "10.0.0.1", CREDENTIALS, "");
    assert_true(proxy_says(&agent, "400"));
    come(&agent, PROXY);
    caller_say(&agent, "GET / HTTP/1.1\r\n\r\n");
    assert_true(proxy_says(&agent, "405"));
    come(&third, PROXY);
    ask_proxy(&third, CALLER_SERIAL, CREDENTIALS, "");
    assert_true(proxy_says(&third, "200"));
    site_run(site, 12000);
    come(&agent, PROXY);
    ask_proxy(&agent, CALLER_SERIAL, CREDENTIALS, "");
    assert_true(caller_sees_fin(&agent));
    caller_read(&agent, sizeof agent.heard);
    agent.heard[agent.heard_size] = '\0';
    assert_non_null(strstr((const char *)agent.heard, "409 Conflict"));
    assert_non_null(strstr((const char *)agent.heard, "petrov has it for 1"));
    tear_down();
}

/* ---- the virtual modem ---- */

#define LOGIN     "ATE0+LOGIN=petrov,secret\r"
#define CONNECTED "\r\nCONNECT 9600\r\n"
#define OK        "\r\nOK\r\n"

static void log_in(struct caller *caller)
{
    come(caller, DIALUP);
    caller_say(caller, "ATE0\r");
    assert_true(hears(caller, "ATE0\r\r\nOK\r\n"));
    caller_say(caller, "AT+LOGIN=petrov,secret\r");
    site_run(site, 50);
    assert_true(hears(caller, OK));
}

static void modem_dials_again_and_again(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        set_up(seed, (uint32_t)(1 + seed % 3));
        dial_in(&second, OTHER);
        log_in(&agent);
        type(&agent, "ATDT" CALLER_SERIAL "\r\nrequest");
        assert_true(hears(&modem, "request"));
        assert_true(hears(&agent, CONNECTED));
        type(&modem, "answer");
        assert_true(hears(&agent, "answer"));

        site_run(site, 1500);
        type(&agent, "+++");
        site_run(site, 1100);
        assert_true(hears(&agent, OK));
        type(&modem, "kept back");
        assert_true(hears(&agent, ""));
        type(&agent, "ATO\rmore");
        assert_true(hears(&modem, "+++more"));
        assert_true(hears(&agent, CONNECTED "kept back"));

        site_run(site, 1500);
        type(&agent, "+++");
        site_run(site, 1100);
        type(&agent, "ATH\r");
        assert_true(hears(&agent, OK OK));
        require_closed(CLOSE_AGENT_HUNG_UP, 1);
        assert_int_equal(caller_link_state(&modem), LINK_IDLE);

        type(&agent, "ATD" OTHER "\r");
        assert_true(hears(&agent, CONNECTED));
        type(&second, "last words");
        caller_shutdown(&second);
        assert_true(hears(&agent, "last words\r\nNO CARRIER\r\n"));
        type(&agent, "ATD" OTHER "\r");
        assert_true(hears(&agent, "\r\nNO ANSWER\r\n"));
        type(&agent, "ATD" CALLER_SERIAL "\r");
        assert_true(hears(&agent, CONNECTED));
        caller_reset(&agent);
        require_closed(CLOSE_AGENT_RESET, 1);
        tear_down();
    }
}

static void modem_refusals(void **unused)
{
    (void)unused;
    set_up(1, 2);
    dial_in(&second, KEPT);
    hide_device(KEPT);
    come(&agent, DIALUP);
    type(&agent, "ATE0\rATD" CALLER_SERIAL "\r");
    assert_true(hears(&agent, "ATE0\r\r\nOK\r\n\r\nNO DIALTONE\r\n"));
    type(&agent, "AT+LOGIN=petrov,sekret\r");
    site_run(site, 3000);
    assert_true(hears(&agent, "\r\nERROR\r\n"));
    type(&agent, "AT+LOGIN=petrov,secret\rATD" UNKNOWN "\r");
    site_run(site, 3000);
    assert_true(hears(&agent, OK "\r\nNO CARRIER\r\n"));
    type(&agent, "ATD" KEPT "\r");
    assert_true(hears(&agent, "\r\nNO DIALTONE\r\n"));
    socks(&third, CALLER_SERIAL, "");
    type(&agent, "ATD" CALLER_SERIAL "\r");
    assert_true(hears(&agent, "\r\nBUSY\r\n"));
    type(&agent, "ATV0DT" CALLER_SERIAL "\r");
    assert_true(hears(&agent, "7\r"));
    assert_true(caller_is_open(&agent));
    tear_down();
}

static void a_modem_without_login_line_knows_addresses(void **unused)
{
    (void)unused;
    load(1, 1);
    site->config->agents.listeners[2].login[0] = '\0';
    start();
    dial_in(&modem, CALLER_SERIAL);
    come(&agent, DIALUP);
    type(&agent, "ATE0\rATD" CALLER_SERIAL "\r");
    assert_true(hears(&agent, "ATE0\r\r\nOK\r\n\r\nNO DIALTONE\r\n"));
    add_agent("local", NULL, "127.0.0.0/8", true, 0);
    type(&agent, "ATD" CALLER_SERIAL "\r");
    assert_true(hears(&agent, CONNECTED));
    tear_down();
}

/* ---- direct ports ---- */

static void a_direct_port_knows_addresses(void **unused)
{
    (void)unused;
    set_up(1, 2);
    caller_agent(&agent, site, CALLER_SERIAL);
    assert_false(caller_is_open(&agent));
    require_closed(CLOSE_AGENT_NO_ACCOUNT, 1);
    add_agent("local", NULL, "127.0.0.0/8", true, 1);
    caller_agent(&agent, site, CALLER_SERIAL);
    assert_true(caller_in_session(&agent));
    assert_string_equal(site_session(site, &agent.address)->agent_name, "local");
    dial_in(&second, OTHER);
    caller_agent(&third, site, OTHER);
    assert_false(caller_is_open(&third));
    require_closed(CLOSE_AGENT_SESSIONS, 1);
    caller_reset(&agent);
    caller_agent(&third, site, OTHER);
    assert_true(caller_in_session(&third));
    tear_down();
}

/* ---- strangers ---- */

static void who_says_nothing_is_closed(void **unused)
{
    static const uint16_t ports[] = {SOCKS, PROXY, DIALUP};
    (void)unused;
    set_up(1, 2);
    for (size_t i = 0; i < 3; i++) {
        come(&agent, ports[i]);
        site_run(site, 19000);
        assert_true(caller_is_open(&agent));
        site_run(site, 2100);
        assert_false(caller_is_open(&agent));
    }
    require_closed(CLOSE_AGENT_SILENT, 3);
    tear_down();
}

static void who_says_too_much_is_closed(void **unused)
{
    static char much[9000];
    (void)unused;
    set_up(1, 1);
    memset(much, 'A', sizeof much - 1);
    come(&agent, DIALUP);
    caller_say(&agent, much);
    site_run(site, 50);
    assert_false(caller_is_open(&agent));
    require_closed(CLOSE_AGENT_TOO_LONG, 1);
    tear_down();
}

static void strangers_have_limits(void **unused)
{
    static struct caller strangers[3];
    (void)unused;
    load(1, 1);
    site->config->agents.unauthenticated_per_source = 2;
    site->config->agents.connections = 4;
    start();
    for (size_t i = 0; i < 3; i++)
        come(&strangers[i], SOCKS);
    require_closed(CLOSE_LIMIT_VISITOR_SOURCE, 1);
    site->config->agents.connections = 2;
    site_run(site, 1500); /* accepts that are armed already still come */
    for (uint64_t i = 1; i <= 2; i++) {
        come(&strangers[2], SOCKS);
        require_closed(CLOSE_LIMIT_VISITORS, i);
    }
    come(&agent, SOCKS); /* waits in the backlog */
    require_closed(CLOSE_LIMIT_VISITORS, 2);
    caller_reset(&strangers[0]);
    site_run(site, 1500);
    caller_say_bytes(&agent, (const uint8_t *)"\5\1\2", 3);
    assert_true(hears(&agent, "\5\2"));
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socks_joins_by_serial),
        cmocka_unit_test(socks_byte_by_byte),
        cmocka_unit_test(socks_refusals),
        cmocka_unit_test(connect_joins_by_serial),
        cmocka_unit_test(connect_refusals),
        cmocka_unit_test(modem_dials_again_and_again),
        cmocka_unit_test(modem_refusals),
        cmocka_unit_test(a_modem_without_login_line_knows_addresses),
        cmocka_unit_test(a_direct_port_knows_addresses),
        cmocka_unit_test(who_says_nothing_is_closed),
        cmocka_unit_test(who_says_too_much_is_closed),
        cmocka_unit_test(strangers_have_limits),
    };
    return cmocka_run_group_tests_name("agents", tests, NULL, NULL);
}
