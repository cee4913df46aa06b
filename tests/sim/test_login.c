/* Logins at a desk: what is remembered, what is hashed, who is held off, and that whoever leaves is
 * not called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/directory/accounts_message.h"
#include "server/directory/internal.h"
#include "server/directory/login.h"
#include "server/reactor/sim/world.h"

struct answer {
    unsigned times;
    enum access_verdict verdict;
    struct agent_ref agent;
};

static struct {
    struct sim *sim;
    struct reactor *reactor;
    struct directory *directory;
    struct login_desk *desk;
    unsigned reports;
    uint64_t reported;
    unsigned lockouts;
    char last_name[64];
} world;

static void reported(struct reactor *reactor, const struct login_report *report)
{
    assert_ptr_equal(reactor, world.reactor);
    world.reports++;
    world.reported += report->count;
    world.lockouts += report->locked_out;
    (void)snprintf(world.last_name, sizeof world.last_name, "%s", report->name);
}

static void put_agent(const char *password, uint64_t revision, bool enabled)
{
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__AgentSecret secret;
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__AgentChanged body = CENC__V1__AGENT_CHANGED__INIT;
    struct agent_info info = {.id = 1, .revision = revision, .name = "reader", .enabled = enabled};
    struct agent_message message;
    struct password_hash hash;
    if (password != NULL) {
        assert_int_equal(password_hash_make((const uint8_t *)password, strlen(password), &hash),
                         STATUS_OK);
        secret_message(1, revision, &hash, &secret);
        record.body_case = CENC__PRIVATE__V1__RECORD__BODY_AGENT_SECRET;
        record.agent_secret = &secret;
        assert_int_equal(accounts_apply_private(world.directory, &record), STATUS_OK);
    }
    agent_message(world.directory, &info, &message);
    body.item = &message.agent;
    body.password_changed = password != NULL;
    event.body_case = CENC__V1__EVENT__BODY_AGENT_CHANGED;
    event.agent_changed = &body;
    assert_int_equal(accounts_apply(world.directory, &event), STATUS_OK);
}

static int set_up(void **state)
{
    struct sim_options options;
    struct kernel_error error;
    struct directory_config directory = {.max_devices = 10};
    struct reactor_config reactor = {
        .limits = {
            .slots = 4, .reserved_slots = 1, .buffer_count = {2, 2}, .buffer_size = {256, 256}}};
    (void)state;
    memset(&world, 0, sizeof world);
    sim_options_calm(&options, 1);
    world.sim = sim_create(&options);
    assert_int_equal(reactor_create(&reactor, &world.reactor, &error), STATUS_OK);
    assert_int_equal(directory_create(&directory, &world.directory), STATUS_OK);
    assert_int_equal(login_desk_create(world.directory, world.reactor, reported, &world.desk),
                     STATUS_OK);
    put_agent("secret", 1, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    login_desk_free(world.desk);
    reactor_destroy(world.reactor);
    directory_free(world.directory);
    sim_destroy(world.sim);
    return 0;
}

static void answered(void *context, enum access_verdict verdict, struct agent_ref agent)
{
    struct answer *answer = context;
    answer->times++;
    answer->verdict = verdict;
    answer->agent = agent;
}

static struct login *begin_from(const char *name, const char *password, uint8_t host,
                                struct answer *answer)
{
    struct login_request request = {
        .name = (const uint8_t *)name,
        .name_size = strlen(name),
        .password = (const uint8_t *)password,
        .password_size = strlen(password),
        .peer = {.ip = {10, 0, 0, host}, .family = 4},
    };
    struct login *login = NULL;
    memset(answer, 0, sizeof *answer);
    assert_int_equal(login_begin(world.desk, &request, answered, answer, &login), STATUS_OK);
    assert_int_equal(answer->times, 0); /* not from inside */
    return login;
}

static void let_happen(void)
{
    sim_step(world.sim);
    if (sim_pick_due(world.sim) != NULL)
        reactor_turn(world.reactor, -1);
}

static enum access_verdict try_from(const char *name, const char *password, uint8_t host)
{
    struct answer answer;
    (void)begin_from(name, password, host, &answer);
    for (unsigned i = 0; i < 100000 && answer.times == 0; i++)
        let_happen();
    assert_int_equal(answer.times, 1);
    assert_int_equal(answer.agent.id, answer.verdict == ACCESS_ALLOWED ? 1 : 0);
    return answer.verdict;
}

static void fired(struct timer *timer)
{
    (void)timer;
}

static void pass_time(uint64_t ms)
{
    struct timer timer;
    uint64_t until_ms = reactor_now_ms(world.reactor) + ms;
    timer_init(&timer, fired);
    timer_start(world.reactor, &timer, ms);
    while (reactor_now_ms(world.reactor) < until_ms)
        let_happen();
    timer_stop(&timer);
}

static uint64_t hashed(void)
{
    return directory_login_counters(world.directory)->hashed;
}

static void a_right_password_is_hashed_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(try_from("reader", "secret", 1), ACCESS_ALLOWED);
    assert_int_equal(try_from("reader", "secret", 2), ACCESS_ALLOWED);
    assert_int_equal(hashed(), 1);
    assert_int_equal(directory_login_counters(world.directory)->remembered, 5);
    assert_int_equal(world.reports, 1); /* that it was checked */
    assert_int_equal(directory_login_counters(world.directory)->waiting, 0);
}

/* Hundreds of sessions at once, before the first is checked. */
static void a_burst_costs_one_hash(void **state)
{
    struct answer answers[300];
    (void)state;
    for (unsigned i = 0; i < 300; i++)
        (void)begin_from("reader", "secret", 1, &answers[i]);
    while (answers[299].times == 0)
        let_happen();
    for (unsigned i = 0; i < 300; i++)
        assert_true(answers[i].times == 1 && answers[i].verdict == ACCESS_ALLOWED);
    assert_int_equal(hashed(), 1);
}

static void it_is_forgotten_when_the_account_changes(void **state)
{
    (void)state;
    assert_int_equal(try_from("reader", "secret", 1), ACCESS_ALLOWED);
    put_agent(NULL, 2, true); /* no other password: it stays, but is checked */
    assert_int_equal(try_from("reader", "secret", 1), ACCESS_ALLOWED);
    assert_int_equal(hashed(), 2);
    put_agent("another", 3, true);
    assert_int_equal(try_from("reader", "secret", 1), ACCESS_WRONG_PASSWORD);
    assert_int_equal(try_from("reader", "another", 1), ACCESS_ALLOWED);
    assert_int_equal(hashed(), 4);
    put_agent(NULL, 4, false);
    assert_int_equal(try_from("reader", "another", 1), ACCESS_DISABLED);
}

/* While it is being checked, too. */
static void a_change_meanwhile_counts(void **state)
{
    struct answer answer;
    (void)state;
    (void)begin_from("reader", "secret", 1, &answer);
    put_agent("another", 2, true);
    while (answer.times == 0)
        let_happen();
    assert_int_not_equal(answer.verdict, ACCESS_ALLOWED);
}

static void ten_minutes_later_it_is_checked_again(void **state)
{
    (void)state;
    assert_int_equal(try_from("reader", "secret", 1), ACCESS_ALLOWED);
    pass_time(REMEMBERED_FOR_MS + 1000);
    assert_int_equal(try_from("reader", "secret", 1), ACCESS_ALLOWED);
    assert_int_equal(hashed(), 2);
}

/* Whether there is such an account can't be told by the work it makes. */
static void a_name_that_nobody_has_is_hashed(void **state)
{
    struct login_request nul = {
        .name = (const uint8_t *)"reader\0x",
        .name_size = 8,
        .password = (const uint8_t *)"secret",
        .password_size = 6,
    };
    struct answer answer = {0};
    struct login *login;
    (void)state;
    assert_int_equal(try_from("nobody", "secret", 1), ACCESS_WRONG_PASSWORD);
    assert_int_equal(try_from("", "secret", 1), ACCESS_WRONG_PASSWORD);
    assert_int_equal(hashed(), 2);
    assert_int_equal(login_begin(world.desk, &nul, answered, &answer, &login), STATUS_OK);
    while (answer.times == 0)
        let_happen();
    assert_int_equal(answer.verdict, ACCESS_WRONG_PASSWORD);
    assert_string_equal(world.last_name, "reader\\x00x");
    /* too long: not hashed as a whole, but hashed */
    char text[600];
    memset(text, 'a', sizeof text);
    text[599] = '\0';
    assert_int_equal(try_from("reader", text, 2), ACCESS_WRONG_PASSWORD);
    assert_int_equal(try_from(text, "secret", 2), ACCESS_WRONG_PASSWORD);
    assert_int_equal(hashed(), 5);
}

static void failures_lock_out_who_makes_them(void **state)
{
    uint64_t before_ms = reactor_now_ms(world.reactor);
    (void)state;
    assert_int_equal(try_from("reader", "secret", 9), ACCESS_ALLOWED);
    for (unsigned i = 0; i < PAIR_LOCK_FAILURES; i++)
        assert_int_equal(try_from("reader", "wrong", 1), ACCESS_WRONG_PASSWORD);
    assert_true(reactor_now_ms(world.reactor) - before_ms >= 1000 + 2000 + 4000 + 8000 + 3 * 16000);
    assert_int_equal(world.lockouts, 1);
    assert_int_equal(world.reported, 1 + PAIR_LOCK_FAILURES);
    uint64_t before = hashed();
    assert_int_equal(try_from("reader", "wrong", 1), ACCESS_LOCKED_OUT);
    assert_int_equal(hashed(), before);
    /* others reach the account, and so does who had it before he failed */
    put_agent(NULL, 2, true);
    assert_int_equal(try_from("reader", "secret", 2), ACCESS_ALLOWED);
    assert_int_equal(try_from("reader", "secret", 1), ACCESS_ALLOWED);
}

static void who_leaves_is_not_called(void **state)
{
    struct answer answers[4];
    struct login *logins[4];
    (void)state;
    for (unsigned i = 0; i < PAIR_FREE_FAILURES + 1; i++)
        assert_int_equal(try_from("reader", "wrong", 1), ACCESS_WRONG_PASSWORD);
    logins[0] = begin_from("reader", "wrong", 2, &answers[0]); /* being hashed */
    logins[1] = begin_from("reader", "bad", 2, &answers[1]);   /* waits for that */
    logins[2] = begin_from("reader", "wrong", 1, &answers[2]); /* waits for its time */
    for (unsigned i = 0; i < 3; i++)
        login_cancel(logins[i]);
    (void)begin_from("other", "wrong", 3, &answers[3]);
    while (answers[3].times == 0 || directory_login_counters(world.directory)->waiting > 0)
        let_happen();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(answers[i].times, 0);
    assert_int_equal(directory_login_counters(world.directory)->waiting, 0);
    /* decided, and not yet told */
    assert_int_equal(try_from("reader", "secret", 4), ACCESS_ALLOWED);
    logins[0] = begin_from("reader", "secret", 4, &answers[0]);
    login_cancel(logins[0]);
    for (unsigned i = 0; i < 100; i++)
        let_happen();
    assert_int_equal(answers[0].times, 0);
}

/* Once, whoever hung up while its password was being checked was not counted: it could go on for
 * ever, and no event told of it. */
static void who_guesses_and_leaves_is_counted(void **state)
{
    struct answer answer;
    const struct login_counters *counters = directory_login_counters(world.directory);
    (void)state;
    for (unsigned i = 0; i <= PAIR_FREE_FAILURES; i++) {
        login_cancel(begin_from("reader", "wrong", 1, &answer)); /* being hashed */
        while (counters->waiting > 0)
            let_happen();
        assert_int_equal(answer.times, 0);
        assert_int_equal(hashed(), i + 1);
        assert_int_equal(counters->verdicts[ACCESS_WRONG_PASSWORD], i + 1);
    }
    assert_true(world.reports > 0);
    assert_string_equal(world.last_name, "reader");
    uint64_t before_ms = reactor_now_ms(world.reactor);
    assert_int_equal(try_from("reader", "wrong", 1), ACCESS_WRONG_PASSWORD);
    assert_true(reactor_now_ms(world.reactor) - before_ms >= 1000);
    /* a right password is no failure, and isn't taken for known either */
    login_cancel(begin_from("reader", "secret", 2, &answer));
    while (counters->waiting > 0)
        let_happen();
    assert_int_equal(counters->verdicts[ACCESS_WRONG_PASSWORD], PAIR_FREE_FAILURES + 2);
}

/* A crowd behind one address, then one attempt from each of three others: these are not last. */
static void addresses_take_turns(void **state)
{
    static struct answer crowd[200];
    struct answer others[3];
    char name[16];
    unsigned before = 0;
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "agent%u", i);
        (void)begin_from(name, "wrong", 1, &crowd[i]);
    }
    for (uint8_t i = 0; i < 3; i++)
        (void)begin_from("reader", "secret", (uint8_t)(2 + i), &others[i]);
    while (others[0].times + others[1].times + others[2].times < 3)
        let_happen();
    for (unsigned i = 0; i < 200; i++)
        before += crowd[i].times;
    assert_true(before < 40); /* those that were being checked, and one for each of the others */
    while (directory_login_counters(world.directory)->waiting > 0)
        let_happen();
}

/* Guesses at one account from one address don't run side by side, or more of them would be checked
 * than may fail. */
static void guesses_come_one_by_one(void **state)
{
    static struct answer answers[40];
    unsigned checked = 0;
    (void)state;
    for (unsigned i = 0; i < 40; i++)
        (void)begin_from("reader", "wrong", 1, &answers[i]);
    while (directory_login_counters(world.directory)->waiting > 0)
        let_happen();
    for (unsigned i = 0; i < 40; i++)
        checked += answers[i].verdict == ACCESS_WRONG_PASSWORD;
    assert_int_equal(checked, PAIR_LOCK_FAILURES);
    assert_int_equal(hashed(), PAIR_LOCK_FAILURES);
}

static void the_queue_has_a_bound(void **state)
{
    static struct answer answers[1100];
    struct login *logins[1100];
    unsigned refused = 0;
    unsigned decided = 0;
    (void)state;
    for (unsigned i = 0; i < 1100; i++)
        logins[i] = begin_from("nobody", "wrong", (uint8_t)(i % 200), &answers[i]);
    for (unsigned i = 0; i < 20; i++)
        let_happen();
    for (unsigned i = 0; i < 1100; i++) {
        decided += answers[i].times;
        refused += answers[i].times == 1 && answers[i].verdict == ACCESS_TRY_LATER;
    }
    assert_int_equal(refused, 1100 - 1024);
    assert_true(decided < 1100);
    for (unsigned i = 0; i < 1100; i++)
        if (answers[i].times == 0)
            login_cancel(logins[i]);
    while (directory_login_counters(world.directory)->waiting > 0)
        let_happen();
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_right_password_is_hashed_once),
        TEST(a_burst_costs_one_hash),
        TEST(it_is_forgotten_when_the_account_changes),
        TEST(a_change_meanwhile_counts),
        TEST(ten_minutes_later_it_is_checked_again),
        TEST(a_name_that_nobody_has_is_hashed),
        TEST(failures_lock_out_who_makes_them),
        TEST(who_leaves_is_not_called),
        TEST(who_guesses_and_leaves_is_counted),
        TEST(addresses_take_turns),
        TEST(guesses_come_one_by_one),
        TEST(the_queue_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
