/* What cencctl makes of its words, of times, and of events that an auditor reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agents/cencctl/audit_row.h"
#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/moment.h"
#include "agents/cencctl/request.h"

#define WORDS_MAX 16

/* words: "noun verb and the rest", parted by single spaces; ~ stands for a space inside a word. */
static int read_words(const char *words, struct request *request)
{
    static char copy[512];
    static char *argv[WORDS_MAX + 1];
    int argc = 0;

    (void)snprintf(copy, sizeof(copy), "%s", words);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(argc < WORDS_MAX);
        for (char *at = word; (at = strchr(at, '~')) != NULL;)
            *at = ' ';
        argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    }
    argv[argc] = NULL;
    const struct command *command = command_find(argv[0], argc > 1 ? argv[1] : NULL);
    assert_non_null(command);
    int skipped = command->verb[0] != '\0' ? 2 : 1;
    return request_read(command, argc - skipped, argv + skipped, request);
}

/* A path, a query and a body (NULL: {}) that the words become. */
static void becomes(const char *words, const char *path, const char *query, const char *body)
{
    struct request request;
    json_t *wanted = json_loads(body != NULL ? body : "{}", 0, NULL);

    assert_int_equal(read_words(words, &request), EXIT_GOOD);
    char *got = request_path(&request);
    assert_string_equal(got, path);
    assert_string_equal(request.query != NULL ? request.query : "", query);
    assert_true(json_equal(request.body, wanted));
    free(got);
    json_decref(wanted);
    request_free(&request);
}

static void refused(const char *words)
{
    struct request request;

    assert_int_equal(read_words(words, &request), EXIT_USAGE);
    request_free(&request);
}

static void words_become_a_request(void **state)
{
    (void)state;
    becomes("device list --project north --offline --json", "devices", "project=north&online=false",
            NULL);
    becomes("device list --project=north~a&b", "devices", "project=north%20a%26b", NULL);
    becomes("device show 86/8 --scope s", "devices/s/86%2F8", "", NULL);
    becomes("device show -- --8", "devices/default/--8", "", NULL);
    becomes("device move 1 --no-project", "devices/default/1", "", "{\"project\":null}");
    becomes("link list --listener irz", "links", "listener=irz", NULL);
    becomes("group set north feeder --note x", "groups/north/feeder", "", "{\"note\":\"x\"}");
    becomes("agent add hes --no-password --group n/a --group n/b --max-sessions 3 --extended",
            "agents", "",
            "{\"name\":\"hes\",\"groups\":[{\"project\":\"n\",\"name\":\"a\"},{\"project\":\"n\","
            "\"name\":\"b\"}],\"max_sessions\":3,\"extended\":true}");
    becomes("agent set hes --no-groups --no-expiry", "agents/hes", "",
            "{\"groups\":[],\"expires\":null}");
    becomes("agent disable hes", "agents/hes", "", "{\"enabled\":false}");
    becomes("binding set irz north --move", "bindings/irz", "",
            "{\"project\":\"north\",\"move\":true}");
}

static void an_agent_gets_a_password_of_its_own(void **state)
{
    struct request one;
    struct request two;

    (void)state;
    assert_int_equal(read_words("agent add hes", &one), EXIT_GOOD);
    assert_int_equal(read_words("agent add hes", &two), EXIT_GOOD);
    assert_int_equal(strlen(one.new_password), 20);
    assert_string_not_equal(one.new_password, two.new_password);
    assert_string_equal(json_string_value(json_object_get(one.body, "password")), one.new_password);
    request_free(&one);
    request_free(&two);
}

static void options_of_its_own(void **state)
{
    struct request request;

    (void)state;
    assert_int_equal(
        read_words("session list --watch 7 --device 1 --limit 9 --socket /s", &request), EXIT_GOOD);
    assert_int_equal(request.watch_s, 7);
    assert_int_equal(request.limit, 9);
    assert_string_equal(request.server.socket_path, "/s");
    assert_string_equal(request.filters[0].value, "1");
    assert_null(request.filters[1].option);
    request_free(&request);
    assert_int_equal(read_words("session list --watch --json", &request), EXIT_GOOD);
    assert_int_equal(request.watch_s, 2);
    assert_true(request.json);
    request_free(&request);
    assert_int_equal(read_words("audit --since 1d --agent=hes", &request), EXIT_GOOD);
    assert_string_equal(request_given(&request, "since"), "1d");
    assert_string_equal(request_given(&request, "agent"), "hes");
    assert_null(request_given(&request, "until"));
    request_free(&request);
}

static void the_socket_of_the_environment(void **state)
{
    struct request request;

    (void)state;
    assert_int_equal(setenv("CENCD_SOCKET", "/from/the/environment", 1), 0);
    assert_int_equal(read_words("device list", &request), EXIT_GOOD);
    assert_string_equal(request.server.socket_path, "/from/the/environment");
    request_free(&request);
    assert_int_equal(unsetenv("CENCD_SOCKET"), 0);
    assert_int_equal(read_words("device list", &request), EXIT_GOOD);
    assert_string_equal(request.server.socket_path, "/var/lib/cencd/admin.sock");
    request_free(&request);
}

static void wrong_words_are_refused(void **state)
{
    static const char *const wrong[] = {
        "device list x",
        "device list --colour red",
        "device list --project",
        "device list --online=yes",
        "device list --limit 0",
        "device list --limit many",
        "device list --limit -1",
        "device list --watch 0",
        "device list --watch=often",
        "device show",
        "device show ''",
        "device show 1 2",
        "project add a b",
        "project add a --watch",
        "agent add x --group north",
        "agent add x --max-sessions -1",
        "agent add x --password=geheim",
        "agent add x --passwor",
        "agent add \xff",
        "audit a b",
        "audit --watch",
        "journal verify",
        "journal dump a --limit 1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refused(wrong[i]);
}

static void every_command_is_found_and_has_a_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_count; i++) {
        const struct option_spec *option = NULL;
        assert_ptr_equal(command_find(commands[i].noun, commands[i].verb), &commands[i]);
        assert_true(commands[i].help[0] != '\0');
        for (size_t k = 0; (option = command_option(&commands[i], k)) != NULL; k++)
            assert_true(option->help[0] != '\0');
        assert_true(commands[i].sort != COMMAND_LIST || commands[i].columns != NULL);
    }
    assert_null(command_find("device", "dance"));
    assert_null(command_find("device", NULL));
}

/* ---- times ---- */

static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t wanted;
    } good[] = {
        {"1970-01-02", 86400000},        {"1970-01-01T01:00", 3600000},
        {"1970-01-01T00:00:30Z", 30000}, {"90s", 1000000000 - 90000},
        {"30m", 1000000000 - 1800000},   {"2h", 1000000000 - 7200000},
        {"1d", 1000000000 - 86400000},   {"2026-11-21T04:00:00Z", 1795233600000},
    };
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "7",
                                      "7y",
                                      "-1d",
                                      "2026-02-30",
                                      "2026-11-21x",
                                      "2026-11-21T04:00:00Zx",
                                      "99999999999999999999d"};
    int64_t got = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(moment_parse(good[i].text, 1000000000, &got));
        assert_int_equal(got, good[i].wanted);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(moment_parse(bad[i], 1000000000, &got));
}

/* ---- audit ---- */

static void tells(const char *kind, const char *rest, const char *who, const char *what)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
                   "{\"received_unix_ms\":\"1000\",\"device\":{\"serial\":\"86\"},%s}", rest);
    json_t *event = json_loads(text, 0, NULL);
    assert_non_null(event);
    json_t *row = audit_row(event, kind);
    assert_non_null(row);
    assert_string_equal(json_string_value(json_object_get(row, "time")), "1970-01-01T00:00:01Z");
    assert_string_equal(json_string_value(json_object_get(row, "device")), "86");
    assert_string_equal(json_string_value(json_object_get(row, "who")), who);
    assert_string_equal(json_string_value(json_object_get(row, "what")), what);
    json_decref(row);
    json_decref(event);
}

#define PEER  "{\"address\":\"10.0.0.1\",\"port\":99}"
#define ACTOR "\"actor\":{\"name\":\"uid:0\",\"via\":\"cli\"},"

static void accesses_are_told(void **state)
{
    (void)state;
    tells("access_started",
          "\"access_started\":{\"agent\":\"hes\",\"agent_peer\":" PEER
          ",\"path\":\"ACCESS_PATH_SOCKS5\",\"session\":\"5\"}",
          "hes", "socks5 from 10.0.0.1:99, session 5");
    tells("access_finished",
          "\"access_finished\":{\"agent\":\"hes\",\"agent_peer\":{\"address\":\"::1\",\"port\":1},"
          "\"path\":\"ACCESS_PATH_DIRECT_PORT\",\"session\":\"5\",\"bytes_to_device\":\"12\","
          "\"duration_ms\":\"1500\",\"reason\":{\"layer\":\"agent\",\"cause\":\"closed\"}}",
          "hes",
          "direct_port from [::1]:1, session 5, 12 bytes to the device, 0 to the agent, 1.5 s, "
          "agent/closed");
    tells("access_refused",
          "\"access_refused\":{\"wanted\":\"999\",\"path\":\"ACCESS_PATH_SOCKS5\","
          "\"reason\":{\"layer\":\"session\",\"cause\":\"unknown\"}}",
          "", "socks5, wanted \"999\", session/unknown");
    tells("security_event",
          "\"security_event\":{\"kind\":\"SECURITY_KIND_LOGIN_FAILED\",\"account\":\"hes\","
          "\"peer\":" PEER ",\"count\":\"3\",\"text\":\"wrong password\"}",
          "hes", "login_failed from 10.0.0.1:99, 3 times: wrong password");
}

static void changes_are_told_with_what_was_before(void **state)
{
    (void)state;
    tells("agent_added",
          ACTOR "\"agent_added\":{\"item\":{\"name\":\"hes\",\"id\":1,\"revision\":"
                "\"1\",\"extended\":true,\"groups\":[{\"project\":\"n\",\"name\":"
                "\"a\",\"id\":1}]}}",
          "uid:0", "hes, extended yes, groups n/a");
    tells("agent_changed",
          ACTOR
          "\"agent_changed\":{\"former_name\":\"old\",\"password_changed\":true,\"item\":{"
          "\"name\":\"hes\",\"revision\":\"3\",\"note\":\"new\",\"max_sessions\":2},"
          "\"former\":{\"name\":\"old\",\"revision\":\"2\",\"note\":\"n\",\"extended\":true}}",
          "uid:0",
          "old -> hes, note \"n\" -> \"new\", max_sessions none -> 2, extended yes -> none, the "
          "password");
    tells("group_removed",
          ACTOR "\"group_removed\":{\"item\":{\"project\":\"n\",\"name\":\"a\","
                "\"note\":\"x\"}}",
          "uid:0", "n/a");
    tells("binding_changed",
          ACTOR "\"binding_changed\":{\"listener\":\"irz\",\"project\":\"n\",\"move\":true}",
          "uid:0", "irz: project none -> n, its devices, too");
    tells("channel_changed",
          ACTOR "\"channel_changed\":{\"item\":{\"name\":\"bus\",\"host\":\"b\",\"port\":2,"
                "\"exclusive\":true,\"project\":\"n\",\"project_id\":1,\"revision\":\"2\"},"
                "\"former\":{\"name\":\"bus\",\"host\":\"a\",\"port\":2}}",
          "uid:0", "n/bus, project none -> n, host \"a\" -> \"b\", exclusive none -> yes");
    tells("device_added",
          ACTOR "\"project\":\"n\",\"device_added\":{\"state\":{\"channel\":\"bus\"}}", "uid:0",
          "project n, channel bus");
    tells("device_moved",
          ACTOR "\"project\":\"n\",\"device_moved\":{\"former_project\":\"n\",\"former_groups\":["
                "\"g\"],\"groups\":[\"g\"],\"channel\":\"bus\"}",
          "uid:0", "channel none -> bus");
    tells("device_moved", ACTOR "\"project\":\"n\",\"device_moved\":{\"former_channel\":\"bus\"}",
          "uid:0", "none -> n, channel bus -> none");
    tells("device_moved",
          ACTOR "\"project\":\"n\",\"device_moved\":{\"former_project\":\"o\",\"former_groups\":["
                "\"g\"]}",
          "uid:0", "o/g -> n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_a_request),
        cmocka_unit_test(an_agent_gets_a_password_of_its_own),
        cmocka_unit_test(options_of_its_own),
        cmocka_unit_test(the_socket_of_the_environment),
        cmocka_unit_test(wrong_words_are_refused),
        cmocka_unit_test(every_command_is_found_and_has_a_help),
        cmocka_unit_test(times),
        cmocka_unit_test(accesses_are_told),
        cmocka_unit_test(changes_are_told_with_what_was_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
