/* A site whose server has agents' ways in, and what the tests of them say and hear: petrov's
 * account with the password secret, a modem. Include this in one file of a test. */
#ifndef CENCD_TESTS_SIM_AGENTS_STAGE_H
#define CENCD_TESTS_SIM_AGENTS_STAGE_H

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

static inline void edit_done(struct edit *edit)
{
    (void)edit;
    edited = true;
}

/* Returns the object's id. */
static inline uint32_t do_edit(struct edit *edit)
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

static inline struct edit new_edit(enum edit_kind kind, const char *name)
{
    struct edit edit;
    memset(&edit, 0, sizeof edit);
    edit.kind = kind;
    (void)snprintf(edit.name, sizeof edit.name, "%s", name);
    return edit;
}

static inline void add_agent(const char *name, const char *password, const char *source,
                             bool extended, uint32_t max_sessions)
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

static inline void hide_device(const char *serial)
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

static inline void load(uint64_t seed, uint32_t shards)
{
    struct sim_options options;
    sim_options_calm(&options, seed);
    state_load(&state, &options, yaml);
    site->config->server.shards = shards;
}

static inline void start(void)
{
    state_start(&state);
    site_run(site, 0);
}

static inline void dial_in(struct caller *caller, const char *serial)
{
    caller_modem(caller, site, "10.0.0.1", MODEMS, serial);
    site_run(site, 50); /* a new one is recorded first */
}

/* A device, and an agent's account: petrov with the password secret. */
static inline void set_up(uint64_t seed, uint32_t shards)
{
    load(seed, shards);
    start();
    add_agent("petrov", "secret", NULL, false, 0);
    dial_in(&modem, CALLER_SERIAL);
}

static inline void tear_down(void)
{
    site_check(site);
    state_stop(&state, NULL);
    state_close(&state);
}

static inline void require_closed(enum close_reason reason, uint64_t times)
{
    site_check(site);
    if (site_closed(site, reason) != times)
        fail_msg("%s/%s: %llu times", close_layer(reason), close_cause(reason),
                 (unsigned long long)site_closed(site, reason));
}

static inline void come(struct caller *caller, uint16_t port)
{
    caller_dial(caller, site, "127.0.0.1", port);
}

static inline bool hears_bytes(struct caller *caller, const void *bytes, size_t size)
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

static inline bool hears(struct caller *caller, const char *text)
{
    return hears_bytes(caller, text, strlen(text));
}

/* ---- SOCKS5 ---- */

/* A client's whole greeting in one piece. */
static inline size_t socks_words(uint8_t out[static 256], const char *name, const char *password,
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

static inline void socks(struct caller *caller, const char *host, const char *data)
{
    uint8_t words[256];
    come(caller, SOCKS);
    caller_say_bytes(caller, words, socks_words(words, "petrov", "secret", host, data));
    site_run(site, 50);
}

/* Method and login were good; the reply is this. */
static inline bool socks_answers(struct caller *caller, uint8_t reply)
{
    uint8_t expected[14] = {5, 2, 1, 0, 5, reply, 0, 1};
    return hears_bytes(caller, expected, sizeof expected);
}

#define CREDENTIALS "Proxy-Authorization: Basic cGV0cm92OnNlY3JldA==\r\n"

static inline void ask_proxy(struct caller *caller, const char *host, const char *headers,
                             const char *data)
{
    char text[512];
    (void)snprintf(text, sizeof text, "CONNECT %s:1 HTTP/1.1\r\n%s\r\n%s", host, headers, data);
    caller_say(caller, text);
    site_run(site, 50);
}

static inline bool proxy_says(struct caller *caller, const char *status)
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

static inline void type(struct caller *caller, const char *text)
{
    caller_say(caller, text);
    site_run(site, 50);
}

#endif
