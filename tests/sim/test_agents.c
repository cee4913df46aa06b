/* The agents' ways in, one rule after the other, over one and several shards: logins, what each
 * refusal is answered with, bytes that come together with the request, a virtual modem's
 * connection that outlasts its sessions; and who waits for a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/bridge/session.h"
#include "server/directory/edit.h"
#include "tests/sim/caller.h"
#include "tests/sim/seeds.h"
#include "tests/sim/state_site.h"

#define MODEMS  5009
#define SOCKS   1080
#define PROXY   3128
#define DIALUP  2323
#define OTHER   "868441033677525"
#define KEPT    "868441033677526" /* in a group that is not granted */
#define UNKNOWN "868441033677999"

static const char yaml[] = "server: {shards: 1}\n"
                           "direct_ports: {range: 20000-20007}\n"
                           "agents:\n"
                           "  listeners:\n"
                           "    - {name: socks, address: 0.0.0.0:1080, kind: socks5}\n"
                           "    - {name: proxy, address: 0.0.0.0:3128, kind: connect}\n"
                           "    - {name: modem, address: 0.0.0.0:2323, kind: modem}\n"
                           "listeners:\n"
                           "  - name: modems\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins: [irz]\n";

static struct state_site state;
static struct site *const site = &state.site;
static struct caller modem;
static struct caller agent;
static struct caller second;
static struct caller third;

/* ---- accounts ---- */

static bool edited;

static void edit_done(struct edit *edit)
{
    (void)edit;
    edited = true;
}

/* Returns the object's id. */
static uint32_t do_edit(struct edit *edit)
{
    edited = false;
    edit->done = edit_done;
    editor_submit(site->server->editor, edit);
    for (int i = 0; i < 1000 && !edited; i++)
        site_run(site, 10);
    assert_true(edited);
    if (edit->result != EDIT_DONE)
        fail_msg("%s: %s", edit_result_name(edit->result), edit->text);
    return edit->id;
}

static struct edit new_edit(enum edit_kind kind, const char *name)
{
    struct edit edit;
    memset(&edit, 0, sizeof edit);
    edit.kind = kind;
    (void)snprintf(edit.name, sizeof edit.name, "%s", name);
    return edit;
}

static void add_agent(const char *name, const char *password, const char *source, bool extended,
                      uint32_t max_sessions)
{
    struct edit edit = new_edit(EDIT_AGENT_ADD, name);
    edit.agent.enabled = true;
    edit.agent.extended = extended;
    edit.agent.max_sessions = max_sessions;
    if (password != NULL)
        assert_int_equal(
            password_hash_make((const uint8_t *)password, strlen(password), &edit.password),
            STATUS_OK);
    if (source != NULL) {
        assert_int_equal(cidr_parse(source, &edit.agent.sources[0]), STATUS_OK);
        edit.agent.source_count = 1;
    }
    (void)do_edit(&edit);
}

static void hide_device(const char *serial)
{
    struct edit project = new_edit(EDIT_PROJECT_ADD, "north");
    struct edit group = new_edit(EDIT_GROUP_ADD, "kept");
    struct edit move = new_edit(EDIT_DEVICE_MOVE, "");
    group.project = do_edit(&project);
    move.project = group.project;
    move.group = do_edit(&group);
    move.device = directory_find(site->server->directory, "default", serial);
    assert_non_null(move.device);
    (void)do_edit(&move);
}

/* ---- the stage ---- */

static void load(uint64_t seed, uint32_t shards)
{
    struct sim_options options;
    sim_options_calm(&options, seed);
    state_load(&state, &options, yaml);
    site->config->server.shards = shards;
}

static void start(void)
{
    state_start(&state);
    site_run(site, 0);
}

static void dial_in(struct caller *caller, const char *serial)
{
    caller_modem(caller, site, "10.0.0.1", MODEMS, serial);
    site_run(site, 50); /* a new one is recorded first */
}

/* A device, and an agent's account: petrov with the password secret. */
static void set_up(uint64_t seed, uint32_t shards)
{
    load(seed, shards);
    start();
    add_agent("petrov", "secret", NULL, false, 0);
    dial_in(&modem, CALLER_SERIAL);
}

static void tear_down(void)
{
    site_check(site);
    state_stop(&state, NULL);
    state_close(&state);
}

static void require_closed(enum close_reason reason, uint64_t times)
{
    site_check(site);
    if (site_closed(site, reason) != times)
        fail_msg("%s/%s: %llu times", close_layer(reason), close_cause(reason),
                 (unsigned long long)site_closed(site, reason));
}

static void come(struct caller *caller, uint16_t port)
{
    caller_dial(caller, site, "127.0.0.1", port);
}

static bool hears_bytes(struct caller *caller, const void *bytes, size_t size)
{
    site_run(site, 20);
    caller_read(caller, sizeof caller->heard);
    bool same = caller->heard_size == size && memcmp(caller->heard, bytes, size) == 0;
    if (!same)
        print_message("heard %zu bytes: \"%.*s\"\n", caller->heard_size, (int)caller->heard_size,
                      (const char *)caller->heard);
    caller->heard_size = 0;
    return same;
}

static bool hears(struct caller *caller, const char *text)
{
    return hears_bytes(caller, text, strlen(text));
}

/* ---- SOCKS5 ---- */

/* A client's whole greeting in one piece. */
static size_t socks_words(uint8_t out[static 256], const char *name, const char *password,
                          const char *host, const char *data)
{
    uint8_t *at = out;
    *at++ = 5;
    *at++ = 1;
    *at++ = 2;
    *at++ = 1;
    *at++ = (uint8_t)strlen(name);
    at = mempcpy(at, name, strlen(name));
    *at++ = (uint8_t)strlen(password);
    at = mempcpy(at, password, strlen(password));
    at = mempcpy(at, "\5\1\0\3", 4);
    *at++ = (uint8_t)strlen(host);
    at = mempcpy(at, host, strlen(host));
    *at++ = 0;
    *at++ = 23;
    at = mempcpy(at, data, strlen(data));
    return (size_t)(at - out);
}

static void socks(struct caller *caller, const char *host, const char *data)
{
    uint8_t words[256];
    come(caller, SOCKS);
    caller_say_bytes(caller, words, socks_words(words, "petrov", "secret", host, data));
    site_run(site, 50);
}

/* Method and login were good; the reply is this. */
static bool socks_answers(struct caller *caller, uint8_t reply)
{
    uint8_t expected[14] = {5, 2, 1, 0, 5, reply, 0, 1};
    return hears_bytes(caller, expected, sizeof expected);
}

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

#define CREDENTIALS "Proxy-Authorization: Basic cGV0cm92OnNlY3JldA==\r\n"

static void ask_proxy(struct caller *caller, const char *host, const char *headers,
                      const char *data)
{
    char text[512];
    (void)snprintf(text, sizeof text, "CONNECT %s:1 HTTP/1.1\r\n%s\r\n%s", host, headers, data);
    caller_say(caller, text);
    site_run(site, 50);
}

static bool proxy_says(struct caller *caller, const char *status)
{
    site_run(site, 20);
    caller_read(caller, sizeof caller->heard);
    caller->heard[caller->heard_size] = '\0';
    bool same = memmem(caller->heard, 15, status, strlen(status)) != NULL;
    if (!same)
        print_message("%s\n", (const char *)caller->heard);
    caller->heard_size = 0;
    return same;
}

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

static void type(struct caller *caller, const char *text)
{
    caller_say(caller, text);
    site_run(site, 50);
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

/* ---- who waits ---- */

static void set_up_queue(uint32_t wait_s, uint32_t max_waiting)
{
    load(3, 2);
    for (size_t i = 0; i < 3; i++)
        site->config->agents.listeners[i].wait_s = wait_s;
    site->config->agents.listeners[1].priority = CONFIG_COLLECTION;
    site->config->sessions.max_waiting = max_waiting;
    start();
    add_agent("petrov", "secret", NULL, true, 0);
    dial_in(&modem, CALLER_SERIAL);
    socks(&agent, CALLER_SERIAL, "");
    assert_true(socks_answers(&agent, 0));
}

/* What it said while it waited arrives. */
static void the_next_one_is_served(void **unused)
{
    (void)unused;
    set_up_queue(60, 8);
    socks(&second, CALLER_SERIAL, "one");
    type(&second, "two");
    assert_false(caller_in_session(&second));
    caller_reset(&agent);
    assert_true(hears(&modem, "onetwo"));
    assert_true(socks_answers(&second, 0));
    type(&second, "three");
    assert_true(hears(&modem, "three"));
    tear_down();
}

static void nobody_waits_for_ever(void **unused)
{
    (void)unused;
    set_up_queue(30, 8);
    socks(&second, CALLER_SERIAL, "");
    site_run(site, 29000);
    assert_true(caller_is_open(&second));
    site_run(site, 2100);
    assert_true(socks_answers(&second, 5));
    require_closed(CLOSE_SESSION_WAIT_TIMEOUT, 1);
    tear_down();
}

static void persons_come_first(void **unused)
{
    (void)unused;
    set_up_queue(50, 2);
    come(&second, PROXY);
    ask_proxy(&second, CALLER_SERIAL, CREDENTIALS, "");
    static struct caller collector;
    come(&collector, PROXY);
    ask_proxy(&collector, CALLER_SERIAL, CREDENTIALS, "");
    socks(&third, CALLER_SERIAL, ""); /* takes the place of the last collector */
    assert_true(proxy_says(&collector, "409"));
    require_closed(CLOSE_SESSION_QUEUE_FULL, 1);
    caller_reset(&agent);
    assert_true(caller_in_session(&third));
    caller_reset(&third);
    assert_true(caller_in_session(&second));
    tear_down();
}

static void set_priority(const char *name, enum agent_priority priority)
{
    struct edit edit = new_edit(EDIT_AGENT_CHANGE, "");
    struct agent_info info;
    assert_true(agent_find(site->server->directory, name, &info));
    edit.id = info.id;
    edit.fields = EDIT_PRIORITY;
    edit.agent.priority = priority;
    (void)do_edit(&edit);
}

/* What the account says counts, not the way in: SOCKS is for persons here, the proxy for others. */
static void an_account_has_its_own_priority(void **unused)
{
    (void)unused;
    set_up_queue(50, 8);
    set_priority("petrov", AGENT_COLLECTION);
    socks(&second, CALLER_SERIAL, "");
    set_priority("petrov", AGENT_PERSON);
    come(&third, PROXY);
    ask_proxy(&third, CALLER_SERIAL, CREDENTIALS, "");
    site_run(site, 100);
    caller_reset(&agent);
    assert_true(caller_in_session(&third));
    caller_reset(&third);
    assert_true(caller_in_session(&second));
    tear_down();
}

static void who_leaves_the_queue_is_out(void **unused)
{
    (void)unused;
    set_up_queue(50, 2);
    socks(&second, CALLER_SERIAL, "");
    caller_shutdown(&second);
    site_run(site, 50);
    require_closed(CLOSE_AGENT_CLOSED, 1);
    caller_reset(&agent);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    tear_down();
}

/* It has sent all it wanted, shut its side, and reads: as in a session the answer comes. */
static void who_has_said_all_waits_on(void **unused)
{
    (void)unused;
    set_up_queue(50, 2);
    socks(&second, CALLER_SERIAL, "one");
    type(&second, "two");
    caller_shutdown(&second);
    site_run(site, 40000);
    assert_true(caller_is_open(&second));
    caller_reset(&agent);
    assert_true(hears(&modem, "onetwo"));
    assert_true(socks_answers(&second, 0));
    type(&modem, "answer");
    assert_true(hears(&second, "answer"));
    site_run(site, 10000); /* sessions.half_close_s */
    assert_true(caller_sees_fin(&second));
    require_closed(CLOSE_AGENT_CLOSED, 1);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    tear_down();
}

/* It is told why it got nothing, too. */
static void who_has_said_all_is_told(void **unused)
{
    (void)unused;
    set_up_queue(20, 2);
    socks(&second, CALLER_SERIAL, "one");
    caller_shutdown(&second);
    site_run(site, 21000);
    assert_true(socks_answers(&second, 5));
    require_closed(CLOSE_SESSION_WAIT_TIMEOUT, 1);
    tear_down();
}

static void a_still_holder_yields(void **unused)
{
    (void)unused;
    set_up_queue(120, 2);
    socks(&second, CALLER_SERIAL, "");
    site_run(site, 40000);
    type(&agent, "still there");
    site_run(site, 59000);
    assert_true(caller_in_session(&agent));
    site_run(site, 2100);
    assert_true(caller_in_session(&second));
    require_closed(CLOSE_SESSION_STILL, 1);
    site_run(site, 61000);
    socks(&third, CALLER_SERIAL, ""); /* who comes to one that is still needn't wait */
    assert_true(caller_in_session(&third));
    tear_down();
}

/* The device dials in anew: those who wait for it follow. */
static void who_waits_follows_the_device(void **unused)
{
    static struct caller again;
    (void)unused;
    set_up_queue(50, 2);
    socks(&second, CALLER_SERIAL, "");
    site_run(site, 31000);
    dial_in(&again, CALLER_SERIAL);
    site_run(site, 100);
    assert_true(caller_in_session(&second) || !caller_is_open(&second));
    tear_down();
}

static void sessions_have_a_longest(void **unused)
{
    (void)unused;
    load(1, 1);
    site->config->sessions.max_length_s = 30;
    start();
    add_agent("petrov", "secret", NULL, true, 0);
    dial_in(&modem, CALLER_SERIAL);
    socks(&agent, CALLER_SERIAL, "");
    for (int i = 0; i < 28; i++) {
        type(&agent, "x");
        site_run(site, 950);
    }
    assert_true(caller_in_session(&agent));
    site_run(site, 3000);
    assert_false(caller_in_session(&agent));
    require_closed(CLOSE_SESSION_TOO_LONG, 1);
    tear_down();
}

static void an_operator_ends_sessions(void **unused)
{
    struct session_facts facts[4];
    (void)unused;
    set_up_queue(50, 2);
    socks(&second, CALLER_SERIAL, "");
    assert_int_equal(sessions_list(site->server, 0, facts, 4), 2);
    assert_int_equal(facts[0].state, SESSION_JOINED);
    assert_int_equal(facts[1].state, SESSION_WAITING);
    assert_int_equal(sessions_list(site->server, facts[0].id, facts + 2, 2), 1);
    assert_int_equal(facts[2].id, facts[1].id);
    assert_int_equal(session_kill(site->server, 999), STATUS_NOT_FOUND);
    assert_int_equal(session_kill(site->server, facts[1].id), STATUS_OK);
    site_run(site, 10);
    assert_true(socks_answers(&second, 1));
    assert_int_equal(session_kill(site->server, facts[0].id), STATUS_OK);
    site_run(site, 10);
    assert_true(caller_sees_fin(&agent));
    require_closed(CLOSE_SESSION_KILLED, 2);
    assert_int_equal(sessions_list(site->server, 0, facts, 4), 0);
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
        cmocka_unit_test(the_next_one_is_served),
        cmocka_unit_test(nobody_waits_for_ever),
        cmocka_unit_test(persons_come_first),
        cmocka_unit_test(an_account_has_its_own_priority),
        cmocka_unit_test(who_leaves_the_queue_is_out),
        cmocka_unit_test(who_has_said_all_waits_on),
        cmocka_unit_test(who_has_said_all_is_told),
        cmocka_unit_test(a_still_holder_yields),
        cmocka_unit_test(who_waits_follows_the_device),
        cmocka_unit_test(sessions_have_a_longest),
        cmocka_unit_test(an_operator_ends_sessions),
    };
    return cmocka_run_group_tests_name("agents", tests, NULL, NULL);
}
