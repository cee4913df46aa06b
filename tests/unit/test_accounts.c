/* Accounts: names, passwords, who may reach what, and how failed logins are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/directory/accounts_message.h"
#include "server/directory/attempts.h"
#include "server/directory/internal.h"
#include "server/directory/names.h"
#include "server/directory/places.h"

#define NOW_UTC_MS 1700000000000u

/* ---- names ---- */

static void names_that_may_be(void **state)
{
    static const char *const good[] = {"north",      "North 2",    "Север", "1-й участок",
                                       "№ 7",        "«Восток»",   "a",     "Łódź",
                                       "reader@hes", "x(1)#2+3_4", "Ёлка"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (name_fault(good[i], NAME_OF_OTHERS) != NULL)
            fail_msg("%s %s", good[i], name_fault(good[i], NAME_OF_OTHERS));
    assert_null(name_fault("reader-1", NAME_OF_AGENT));
    assert_null(name_fault("Иванов", NAME_OF_AGENT));
}

static void names_that_may_not(void **state)
{
    static const char *const bad[] = {
        "",
        " north",
        "north ",
        "two  spaces",
        "tab\there",
        "line\n",
        "\x7f",
        "\xff\xfe",        /* no UTF-8 */
        "a\xc0\xaf",       /* overlong */
        "пapa",            /* both scripts in one word */
        "e\xcc\x81",       /* a combining mark */
        "a\xe2\x80\x8b",   /* a space of no width */
        "a\xe2\x80\xae.b", /* turns the direction of writing */
        "\xef\xbc\xa1",    /* full width */
        "a\xc2\xa0.b",     /* a space that doesn't break */
        "-dash",
        "\xf0\x9f\x98\x80",
        "a\\b",
        "a\"b",
        "<b>",
        "a/b",
    };
    char longest[DIRECTORY_NAME_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (name_fault(bad[i], NAME_OF_OTHERS) == NULL)
            fail_msg("number %zu, %s, passed", i, bad[i]);
    assert_non_null(name_fault("with space", NAME_OF_AGENT));
    assert_non_null(name_fault("a:b", NAME_OF_AGENT));
    assert_null(name_fault("a:b", NAME_OF_OTHERS));
    memset(longest, 'a', sizeof longest);
    assert_non_null(name_fault(longest, NAME_OF_OTHERS));
    longest[sizeof longest - 1] = '\0';
    assert_null(name_fault(longest, NAME_OF_OTHERS));
}

static void names_that_look_alike(void **state)
{
    static const char *const pairs[][2] = {
        {"North", "nORTH"}, {"cap", "сар"},   {"TOP", "ТОР"},   {"Восток", "ВОСТОК"},
        {"o1", "0l"},       {"ŁÓDŹ", "łódź"}, {"ёлка", "елка"}, {"Іva", "iva"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!names_look_alike(pairs[i][0], pairs[i][1]))
            fail_msg("%s and %s", pairs[i][0], pairs[i][1]);
    assert_false(names_look_alike("north", "south"));
    assert_false(names_look_alike("Восток", "Запад"));
    assert_false(names_look_alike("a b", "ab"));
}

/* ---- passwords: RFC 7914, clause 12 ---- */

static void scrypt_as_the_rfc_has_it(void **state)
{
    static const struct {
        const char *password, *salt;
        uint64_t n;
        uint32_t r, p;
        uint8_t first[8], last[8];
    } vectors[] = {
        {"",
         "",
         16,
         1,
         1,
         {0x77, 0xd6, 0x57, 0x62, 0x38, 0x65, 0x7b, 0x20},
         {0xcf, 0x35, 0xe2, 0x0c, 0x38, 0xd1, 0x89, 0x06}},
        {"password",
         "NaCl",
         1024,
         8,
         16,
         {0xfd, 0xba, 0xbe, 0x1c, 0x9d, 0x34, 0x72, 0x00},
         {0x83, 0x60, 0xcb, 0xdf, 0xa2, 0xcc, 0x06, 0x40}},
        {"pleaseletmein",
         "SodiumChloride",
         16384,
         8,
         1,
         {0x70, 0x23, 0xbd, 0xcb, 0x3a, 0xfd, 0x73, 0x48},
         {0xdf, 0xcf, 0x01, 0x7b, 0x45, 0x57, 0x58, 0x87}},
    };
    uint8_t out[64];
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        assert_int_equal(password_scrypt(vectors[i].password, strlen(vectors[i].password),
                                         vectors[i].salt, strlen(vectors[i].salt), vectors[i].n,
                                         vectors[i].r, vectors[i].p, out, sizeof out),
                         STATUS_OK);
        assert_memory_equal(out, vectors[i].first, 8);
        assert_memory_equal(out + 56, vectors[i].last, 8);
    }
    assert_int_equal(password_scrypt("", 0, "", 0, 15, 1, 1, out, sizeof out), STATUS_INVALID);
    /* 1 GiB is more than a login may take */
    assert_int_equal(password_scrypt("", 0, "", 0, 1 << 20, 8, 1, out, sizeof out), STATUS_INVALID);
}

static void passwords_are_right_or_not(void **state)
{
    static const uint8_t password[] = "correct horse";
    struct password_hash hash;
    struct password_hash again;
    struct password_hash none = {0};
    struct password_hash absurd;
    (void)state;
    assert_int_equal(password_hash_make(password, 13, &hash), STATUS_OK);
    assert_int_equal(password_hash_make(password, 13, &again), STATUS_OK);
    assert_memory_not_equal(hash.hash, again.hash, PASSWORD_HASH_SIZE); /* a salt of its own */
    assert_true(password_check(password, 13, &hash));
    assert_false(password_check(password, 12, &hash));
    assert_false(password_check((const uint8_t *)"", 0, &hash));
    assert_false(password_check(password, 13, &none));
    absurd = hash;
    absurd.log2_n = 24;
    assert_false(password_check(password, 13, &absurd));
}

/* ---- access ---- */

static struct directory *make_directory(void)
{
    struct directory_config config = {.max_devices = 100};
    struct directory *directory = NULL;
    assert_int_equal(directory_create(&config, &directory), STATUS_OK);
    return directory;
}

static void put_agent(struct directory *directory, const struct agent_info *info)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__AgentAdded body = CENC__V1__AGENT_ADDED__INIT;
    struct agent_message message;
    agent_message(directory, info, &message);
    body.item = &message.agent;
    event.body_case = CENC__V1__EVENT__BODY_AGENT_ADDED;
    event.agent_added = &body;
    assert_int_equal(accounts_apply(directory, &event), STATUS_OK);
}

static struct device *put_device(struct directory *directory, const char *serial, uint32_t project,
                                 uint32_t group)
{
    struct place place = {.project = project, .group = group};
    struct device *device = NULL;
    assert_int_equal(place_enter(directory, "", serial, &place, 1, &device), STATUS_OK);
    directory_recorded(directory, device);
    return device;
}

static const struct address peer = {.ip = {10, 1, 2, 3}, .family = 4};

/* Places of a device: granted ones are project 1 and group 1; group 3 is in project 1. */
static const struct {
    const char *what;
    uint32_t project, group;
    bool by_nothing, by_group, by_project; /* what the grant alone gives */
} places[] = {
    {"of no project", 0, 0, true, true, true},
    {"in no group of a granted project", 1, 0, true, true, true},
    {"in no group of another project", 2, 0, true, true, true},
    {"in a granted group of a granted project", 1, 1, false, true, true},
    {"in another group of a granted project", 1, 3, false, false, true},
    {"in another group of another project", 2, 2, false, false, false},
    {"in a group that is gone", 2, 99, false, false, false},
};

static void who_reaches_what(void **state)
{
    (void)state;
    for (unsigned extended = 0; extended < 2; extended++) {
        for (unsigned grants = 0; grants < 4; grants++) {
            struct directory *directory = make_directory();
            struct agent_info info = {.id = 1,
                                      .revision = 1,
                                      .name = "reader",
                                      .enabled = true,
                                      .extended = extended,
                                      .group_count = grants & 1,
                                      .project_count = grants >> 1,
                                      .groups = {1},
                                      .projects = {1}};
            put_agent(directory, &info);
            for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
                char serial[] = {'d', (char)('0' + i), '\0'};
                const struct device *device =
                    put_device(directory, serial, places[i].project, places[i].group);
                bool may = extended || places[i].by_nothing ||
                           ((grants & 1) && places[i].by_group) ||
                           ((grants & 2) && places[i].by_project);
                enum access_verdict verdict =
                    access_decide(directory, (struct agent_ref){1}, device, &peer, NOW_UTC_MS);
                if (verdict != (may ? ACCESS_ALLOWED : ACCESS_NOT_GRANTED))
                    fail_msg("extended %u, grants %u, a device %s: %s", extended, grants,
                             places[i].what, access_verdict_name(verdict));
            }
            directory_free(directory);
        }
    }
}

static void accounts_that_may_not(void **state)
{
    struct directory *directory = make_directory();
    struct agent_info info = {
        .id = 1, .revision = 1, .name = "reader", .enabled = true, .extended = true};
    const struct device *device = put_device(directory, "d", 0, 0);
    struct agent_ref agent = {1};
    struct agent_ref nobody = {7};
    (void)state;
    put_agent(directory, &info);
    assert_int_equal(access_decide(directory, agent, NULL, &peer, NOW_UTC_MS),
                     ACCESS_UNKNOWN_DEVICE);
    assert_int_equal(access_decide(directory, nobody, device, &peer, NOW_UTC_MS), ACCESS_DISABLED);
    info.revision++;
    info.expires_utc_ms = NOW_UTC_MS;
    put_agent(directory, &info);
    assert_int_equal(access_decide(directory, agent, device, &peer, NOW_UTC_MS - 1),
                     ACCESS_ALLOWED);
    assert_int_equal(access_decide(directory, agent, device, &peer, NOW_UTC_MS), ACCESS_EXPIRED);
    info.revision++;
    info.expires_utc_ms = 0;
    info.source_count = 1;
    assert_int_equal(cidr_parse("192.0.2.0/24", &info.sources[0]), STATUS_OK);
    put_agent(directory, &info);
    assert_int_equal(access_decide(directory, agent, device, &peer, NOW_UTC_MS), ACCESS_ADDRESS);
    info.revision++;
    assert_int_equal(cidr_parse("10.0.0.0/8", &info.sources[0]), STATUS_OK);
    put_agent(directory, &info);
    assert_int_equal(access_decide(directory, agent, device, &peer, NOW_UTC_MS), ACCESS_ALLOWED);
    info.enabled = false; /* told by an older record: it changes nothing */
    put_agent(directory, &info);
    assert_int_equal(access_decide(directory, agent, device, &peer, NOW_UTC_MS), ACCESS_ALLOWED);
    info.revision++;
    put_agent(directory, &info);
    assert_int_equal(access_decide(directory, agent, device, &peer, NOW_UTC_MS), ACCESS_DISABLED);
    directory_free(directory);
}

/* A damaged record once left an agent without a name, which lists had and nobody had made. */
static void a_record_that_cannot_be_leaves_no_agent(void **state)
{
    struct directory *directory = make_directory();
    struct agent_info info = {.id = 1, .revision = 1, .name = "reader"};
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__AgentAdded body = CENC__V1__AGENT_ADDED__INIT;
    struct agent_message message;
    char *sources[] = {(char *)"10.0.0.0/8", (char *)"nowhere"};
    (void)state;
    agent_message(directory, &info, &message);
    message.agent.n_sources = 2;
    message.agent.sources = sources;
    body.item = &message.agent;
    event.body_case = CENC__V1__EVENT__BODY_AGENT_ADDED;
    event.agent_added = &body;
    assert_int_equal(accounts_apply(directory, &event), STATUS_INVALID);
    assert_int_equal(agents_list(directory, 0, &info, 1), 0);
    message.agent.n_sources = 1;
    assert_int_equal(accounts_apply(directory, &event), STATUS_OK);
    assert_int_equal(agents_list(directory, 0, &info, 1), 1);
    assert_string_equal(info.name, "reader");
    directory_free(directory);
}

static void the_narrowest_network_names_the_agent(void **state)
{
    static const char *const networks[] = {"10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16",
                                           "10.1.2.3/32"};
    struct directory *directory = make_directory();
    struct agent_ref agent = {0};
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        struct agent_info info = {.id = i + 1, .revision = 1, .enabled = i != 3, .source_count = 1};
        (void)snprintf(info.name, sizeof info.name, "reader%u", i);
        assert_int_equal(cidr_parse(networks[i], &info.sources[0]), STATUS_OK);
        put_agent(directory, &info);
    }
    struct agent_info anywhere = {.id = 9, .revision = 1, .name = "anywhere", .enabled = true};
    put_agent(directory, &anywhere);
    assert_true(agent_by_source(directory, &peer, NOW_UTC_MS, &agent));
    assert_int_equal(agent.id, 2); /* the fourth is disabled, the third is younger */
    struct address stranger = {.ip = {192, 0, 2, 1}, .family = 4};
    assert_false(agent_by_source(directory, &stranger, NOW_UTC_MS, &agent));
    directory_free(directory);
}

static void sessions_have_a_limit(void **state)
{
    struct directory *directory = make_directory();
    struct agent_info info = {
        .id = 1, .revision = 1, .name = "reader", .enabled = true, .max_sessions = 2};
    struct agent_ref agent = {1};
    (void)state;
    put_agent(directory, &info);
    assert_true(agent_session_begin(directory, agent));
    assert_true(agent_session_begin(directory, agent));
    assert_false(agent_session_begin(directory, agent));
    agent_session_end(directory, agent);
    assert_true(agent_session_begin(directory, agent));
    assert_true(agent_get(directory, agent, &info));
    assert_int_equal(info.sessions, 2);
    assert_false(agent_session_begin(directory, (struct agent_ref){5}));
    agent_session_end(directory, (struct agent_ref){5}); /* it was removed meanwhile */
    directory_free(directory);
}

/* ---- failed logins ---- */

static const uint8_t name[] = "reader";

static struct attempt_rule rule(struct attempts *attempts, const struct address *from,
                                uint64_t now_ms)
{
    return attempts_rule(attempts, name, 6, from, now_ms);
}

static void a_pair_waits_longer_and_is_locked_out(void **state)
{
    static const uint32_t delays[] = {0, 0, 0, 1000, 2000, 4000, 8000, 16000, 16000, 16000};
    struct attempts *attempts = attempts_create();
    struct address other = {.ip = {10, 1, 2, 4}, .family = 4};
    uint64_t told = 0;
    (void)state;
    for (unsigned i = 0; i < PAIR_LOCK_FAILURES; i++) {
        assert_int_equal(rule(attempts, &peer, 1000).delay_ms, delays[i]);
        assert_false(rule(attempts, &peer, 1000).locked);
        struct attempt_news news = attempts_failed(attempts, name, 6, &peer, 1000);
        told += news.count;
        assert_int_equal(news.locked_out, i + 1 == PAIR_LOCK_FAILURES);
    }
    assert_int_equal(told, PAIR_LOCK_FAILURES);
    assert_true(rule(attempts, &peer, 1000 + PAIR_LOCK_MS - 1).locked);
    /* nobody else is: neither the account from elsewhere, nor other accounts from there */
    assert_false(rule(attempts, &other, 1000).locked);
    assert_int_equal(rule(attempts, &other, 1000).delay_ms, 0);
    assert_false(attempts_rule(attempts, (const uint8_t *)"hes", 3, &peer, 1000).locked);
    assert_false(rule(attempts, &peer, 1000 + PAIR_LOCK_MS).locked);
    free(attempts);
}

/* The same for those who don't wait, but come again. */
static void who_comes_again_is_told_when(void **state)
{
    static const uint32_t waits[] = {0, 0, 1000, 2000, 4000, 8000, 16000, 16000, 16000};
    struct attempts *attempts = attempts_create();
    struct address other = {.ip = {10, 1, 2, 4}, .family = 4};
    uint64_t now_ms = 5000;
    (void)state;
    assert_int_equal(attempts_wait_ms(attempts, name, 6, &peer, now_ms), 0);
    for (unsigned i = 0; i + 1 < PAIR_LOCK_FAILURES; i++) {
        (void)attempts_failed(attempts, name, 6, &peer, now_ms);
        uint64_t wait_ms = attempts_wait_ms(attempts, name, 6, &peer, now_ms);
        assert_int_equal(wait_ms, waits[i]);
        if (wait_ms > 0)
            assert_int_equal(attempts_wait_ms(attempts, name, 6, &peer, now_ms + wait_ms - 1), 1);
        now_ms += wait_ms;
        assert_int_equal(attempts_wait_ms(attempts, name, 6, &peer, now_ms), 0);
    }
    assert_true(attempts_failed(attempts, name, 6, &peer, now_ms).locked_out);
    assert_int_equal(attempts_wait_ms(attempts, name, 6, &peer, now_ms), PAIR_LOCK_MS);
    assert_int_equal(attempts_wait_ms(attempts, name, 6, &other, now_ms), 0);
    attempts_succeeded(attempts, name, 6, &peer);
    assert_int_equal(attempts_wait_ms(attempts, name, 6, &peer, now_ms), 0);
    free(attempts);
}

static void what_went_well_or_is_old_is_forgotten(void **state)
{
    struct attempts *attempts = attempts_create();
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        (void)attempts_failed(attempts, name, 6, &peer, 1000);
    assert_true(rule(attempts, &peer, 1000).delay_ms > 0);
    attempts_succeeded(attempts, name, 6, &peer);
    assert_int_equal(rule(attempts, &peer, 1000).delay_ms, 0);
    for (unsigned i = 0; i < 5; i++)
        (void)attempts_failed(attempts, name, 6, &peer, 1000);
    assert_int_equal(rule(attempts, &peer, 1000 + PAIR_FORGET_MS).delay_ms, 0);
    free(attempts);
}

/* Somebody tries many names. The table has room for few of them: his address is held off, and the
 * account of somebody else is not. */
static void an_address_with_many_names_is_held_off(void **state)
{
    struct attempts *attempts = attempts_create();
    struct address other = {.ip = {10, 1, 2, 4}, .family = 4};
    struct address neighbour = {.ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 1}, .family = 6};
    struct address same_network = {.ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 2}, .family = 6};
    unsigned lockouts = 0;
    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        char tried[16];
        int size = snprintf(tried, sizeof tried, "name%u", i);
        lockouts +=
            attempts_failed(attempts, (const uint8_t *)tried, (size_t)size, &peer, 1000).locked_out;
    }
    assert_true(lockouts >= 1);
    assert_true(rule(attempts, &peer, 1000).locked);
    assert_false(rule(attempts, &peer, 1000 + ADDRESS_LOCK_MS).locked);
    assert_false(rule(attempts, &other, 1000).locked);
    /* a network of IPv6 is one address */
    for (unsigned i = 0; i < ADDRESS_LOCK_FAILURES; i++) {
        uint8_t tried = (uint8_t)i;
        (void)attempts_failed(attempts, &tried, 1, &neighbour, 1000);
    }
    assert_true(rule(attempts, &same_network, 1000).locked);
    free(attempts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_may_be),
        cmocka_unit_test(names_that_may_not),
        cmocka_unit_test(names_that_look_alike),
        cmocka_unit_test(scrypt_as_the_rfc_has_it),
        cmocka_unit_test(passwords_are_right_or_not),
        cmocka_unit_test(who_reaches_what),
        cmocka_unit_test(accounts_that_may_not),
        cmocka_unit_test(a_record_that_cannot_be_leaves_no_agent),
        cmocka_unit_test(the_narrowest_network_names_the_agent),
        cmocka_unit_test(sessions_have_a_limit),
        cmocka_unit_test(a_pair_waits_longer_and_is_locked_out),
        cmocka_unit_test(who_comes_again_is_told_when),
        cmocka_unit_test(what_went_well_or_is_old_is_forgotten),
        cmocka_unit_test(an_address_with_many_names_is_held_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
