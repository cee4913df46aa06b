#include "server/directory/login.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/accounts.h"
#include "server/directory/internal.h"

#define NAME_MAX_BYTES 255u  /* as in RFC 1929 */
#define WAITING_MAX    1024u /* attempts of one desk */
#define HASHING_MAX    8u    /* of those, being checked: as many as wait for a processor */
#define NETWORK_V4     32u   /* whoever shares so many bits is one address */
#define NETWORK_V6     64u

enum login_state {
    LOGIN_DELAYED, /* the timer will fire */
    LOGIN_QUEUED,
    LOGIN_HASHING,
    LOGIN_DECIDED, /* done will be called */
};

struct login {
    struct list node; /* in the desk's list of its state */
    struct login_desk *desk;
    enum login_state state;
    bool cancelled; /* while hashing */
    struct timer timer;
    login_done *done;
    void *context;
    struct address peer;
    enum access_verdict verdict;
    struct agent_ref agent;
    struct operation work;
    uint64_t round;    /* queued: its place among those of other addresses */
    uint64_t revision; /* of the account when its hash was taken */
    struct password_hash hash;
    bool right;
    size_t password_size;
    uint8_t password[AGENT_PASSWORD_MAX];
    size_t name_size;
    char name[NAME_MAX_BYTES + 1];
};

struct login_desk {
    struct directory *directory;
    struct reactor *reactor;
    void (*report)(struct reactor *reactor, const struct login_report *report);
    struct list delayed;
    struct list queued;
    struct list decided;
    struct list hashing;
    uint32_t hashing_count;
    uint64_t round; /* of the last one that was taken from the queue */
    struct message message;
    bool posted;
    uint32_t waiting;
};

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static struct login_counters *counters_of(const struct login_desk *desk)
{
    return &desk->directory->accounts->logins;
}

static void forget(struct login *login)
{
    login->desk->waiting--;
    atomic_fetch_sub_explicit(&counters_of(login->desk)->waiting, 1, memory_order_relaxed);
    OPENSSL_cleanse(login, sizeof(*login));
    free(login);
}

/* ---- answers ---- */

static void report(struct login *login, uint64_t alike, bool locked_out)
{
    char name[PROTO_TEXT_SIZE(NAME_MAX_BYTES)];
    struct login_report news = {
        .verdict = login->verdict,
        .locked_out = locked_out,
        .name = name,
        .peer = login->peer,
        .count = alike,
    };

    if (login->desk->report == NULL || (alike == 0 && !locked_out))
        return;
    (void)proto_text(login->name, login->name_size, name, sizeof(name));
    login->desk->report(login->desk->reactor, &news);
}

static void answer(struct login *login)
{
    login_done *done = login->done;
    void *context = login->context;
    enum access_verdict verdict = login->verdict;
    struct agent_ref agent = login->agent;

    count(&counters_of(login->desk)->verdicts[verdict]);
    list_remove(&login->node);
    forget(login);
    done(context, verdict, agent);
}

static void answer_decided(struct message *message, struct reactor *reactor)
{
    struct login_desk *desk = container_of(message, struct login_desk, message);

    struct list now;

    (void)reactor;
    desk->posted = false;
    list_init(&now);
    list_splice(&now, &desk->decided);
    while (!list_empty(&now))
        answer(container_of(now.next, struct login, node));
}

static void decide(struct login *login, enum access_verdict verdict)
{
    struct login_desk *desk = login->desk;

    login->verdict = verdict;
    if (verdict != ACCESS_ALLOWED)
        login->agent.id = 0;
    login->state = LOGIN_DECIDED;
    list_append(&desk->decided, &login->node);
    if (desk->posted)
        return;
    desk->posted = true;
    reactor_post(desk->reactor, desk->reactor, &desk->message);
}

/* ---- accounts ---- */

/* True if the password is remembered: verdict is what the account says then. Otherwise takes what
 * is needed to check it. */
static bool look_up(struct login *login, enum access_verdict *verdict)
{
    struct login_desk *desk = login->desk;
    struct accounts *accounts = accounts_read(desk->directory);
    struct named *named = named_find(&accounts->agents, 0, login->name);
    bool remembered = false;

    login->agent.id = 0;
    login->hash.log2_n = 0;
    /* a name with a NUL inside is nobody's */
    if (named != NULL && strlen(login->name) == login->name_size) {
        struct agent *agent = agent_of(named);
        login->agent.id = named->id;
        login->revision = named->revision;
        login->hash = agent->password;
        remembered = agent->password.log2_n != 0 &&
                     agent_remembers(accounts, agent, login->password, login->password_size,
                                     reactor_now_ms(desk->reactor));
        *verdict = agent_verdict(agent, &login->peer, reactor_utc_ms(desk->reactor));
    }
    accounts_unlock(accounts);
    return remembered;
}

/* The password was right; the account may have been changed meanwhile. */
static enum access_verdict confirm(struct login *login)
{
    struct login_desk *desk = login->desk;
    struct accounts *accounts = accounts_read(desk->directory);
    struct named *named = named_get(&accounts->agents, login->agent.id);
    enum access_verdict verdict = ACCESS_TRY_LATER;

    if (named != NULL && named->revision == login->revision) {
        agent_remember(accounts, agent_of(named), login->password, login->password_size,
                       reactor_now_ms(desk->reactor));
        verdict = agent_verdict(agent_of(named), &login->peer, reactor_utc_ms(desk->reactor));
    }
    accounts_unlock(accounts);
    return verdict;
}

/* ---- failures ---- */

static struct attempt_rule rule_of(const struct login *login)
{
    struct accounts *accounts = login->desk->directory->accounts;

    CHECK(pthread_mutex_lock(&accounts->attempting) == 0);
    struct attempt_rule rule =
        attempts_rule(accounts->attempts, (const uint8_t *)login->name, login->name_size,
                      &login->peer, reactor_now_ms(login->desk->reactor));
    CHECK(pthread_mutex_unlock(&accounts->attempting) == 0);
    return rule;
}

/* Also of one who didn't wait for the answer: otherwise guesses would cost the server a hash each,
 * and nobody would hear of them. */
static struct attempt_news note_failure(struct login *login)
{
    struct accounts *accounts = login->desk->directory->accounts;

    CHECK(pthread_mutex_lock(&accounts->attempting) == 0);
    struct attempt_news news =
        attempts_failed(accounts->attempts, (const uint8_t *)login->name, login->name_size,
                        &login->peer, reactor_now_ms(login->desk->reactor));
    CHECK(pthread_mutex_unlock(&accounts->attempting) == 0);
    if (news.locked_out)
        count(&accounts->logins.lockouts);
    return news;
}

static void failed(struct login *login)
{
    struct attempt_news news = note_failure(login);

    decide(login, ACCESS_WRONG_PASSWORD);
    report(login, news.count, news.locked_out);
}

static void failed_and_gone(struct login *login)
{
    struct attempt_news news = note_failure(login);

    login->verdict = ACCESS_WRONG_PASSWORD;
    count(&counters_of(login->desk)->verdicts[login->verdict]);
    report(login, news.count, news.locked_out);
}

static void succeeded(struct login *login)
{
    struct accounts *accounts = login->desk->directory->accounts;

    CHECK(pthread_mutex_lock(&accounts->attempting) == 0);
    attempts_succeeded(accounts->attempts, (const uint8_t *)login->name, login->name_size,
                       &login->peer);
    CHECK(pthread_mutex_unlock(&accounts->attempting) == 0);
    decide(login, confirm(login));
    report(login, 1, false);
}

/* ---- hashing ---- */

static void hash_next(struct login_desk *desk);

static void check_password(void *argument)
{
    struct login *login = argument;

    login->right = password_check(login->password, login->password_size, &login->hash);
}

static void checked(struct operation *operation, int32_t result)
{
    struct login *login = container_of(operation, struct login, work);
    struct login_desk *desk = login->desk;

    (void)result;
    list_remove(&login->node);
    desk->hashing_count--;
    count(&counters_of(desk)->hashed);
    if (login->cancelled) {
        if (!login->right)
            failed_and_gone(login);
        forget(login);
    } else if (login->right) {
        succeeded(login);
    } else {
        failed(login);
    }
    hash_next(desk);
}

/* The one before may have been the same password. */
static bool known_by_now(struct login *login)
{
    enum access_verdict verdict = ACCESS_WRONG_PASSWORD;

    if (!look_up(login, &verdict))
        return false;
    count(&counters_of(login->desk)->remembered);
    decide(login, verdict);
    return true;
}

/* Of one account and address one attempt is checked at a time: each is to know how the one before
 * ended, and may find its password remembered. */
static bool has_to_wait(const struct login_desk *desk, const struct login *login)
{
    for (const struct list *node = desk->hashing.next; node != &desk->hashing; node = node->next) {
        const struct login *other = container_of(node, struct login, node);
        if (other->name_size == login->name_size &&
            memcmp(other->name, login->name, login->name_size) == 0 &&
            address_same_ip(&other->peer, &login->peer))
            return true;
    }
    return false;
}

/* The first that needn't wait; NULL: none. */
static struct login *take_next(struct login_desk *desk)
{
    for (struct list *node = desk->queued.next; node != &desk->queued; node = node->next) {
        struct login *login = container_of(node, struct login, node);
        if (has_to_wait(desk, login))
            continue;
        list_remove(&login->node);
        desk->round = login->round;
        return login;
    }
    return NULL;
}

static void hash(struct login *login)
{
    struct login_desk *desk = login->desk;

    login->work.done = checked;
    if (reactor_compute(desk->reactor, &login->work, check_password, login) != STATUS_OK) {
        decide(login, ACCESS_TRY_LATER);
        return;
    }
    login->state = LOGIN_HASHING;
    list_append(&desk->hashing, &login->node);
    desk->hashing_count++;
}

static void hash_next(struct login_desk *desk)
{
    struct login *login;

    while (desk->hashing_count < HASHING_MAX && (login = take_next(desk)) != NULL) {
        if (known_by_now(login))
            continue;
        if (rule_of(login).locked)
            decide(login, ACCESS_LOCKED_OUT);
        else
            hash(login);
    }
}

/* Addresses take turns: behind all that are in its round, which is the one after that of the last
 * one from the same address. */
static void queue(struct login *login)
{
    struct login_desk *desk = login->desk;
    struct list *behind = &desk->queued;

    login->state = LOGIN_QUEUED;
    login->round = desk->round;
    for (struct list *node = desk->queued.next; node != &desk->queued; node = node->next) {
        const struct login *other = container_of(node, struct login, node);
        if (address_same_network(&other->peer, &login->peer, NETWORK_V4, NETWORK_V6))
            login->round = other->round + 1;
    }
    for (struct list *node = desk->queued.next; node != &desk->queued; node = node->next)
        if (container_of(node, struct login, node)->round <= login->round)
            behind = node;
    list_append(behind->next, &login->node);
    hash_next(desk);
}

static void delay_over(struct timer *timer)
{
    struct login *login = container_of(timer, struct login, timer);

    list_remove(&login->node);
    queue(login);
}

/* ---- the caller's ---- */

static void start(struct login *login)
{
    struct login_desk *desk = login->desk;

    if (known_by_now(login))
        return;
    struct attempt_rule rule = rule_of(login);
    if (rule.locked) {
        decide(login, ACCESS_LOCKED_OUT);
    } else if (desk->waiting > WAITING_MAX) {
        decide(login, ACCESS_TRY_LATER);
    } else if (rule.delay_ms > 0) {
        login->state = LOGIN_DELAYED;
        list_append(&desk->delayed, &login->node);
        timer_start(desk->reactor, &login->timer, rule.delay_ms);
    } else {
        queue(login);
    }
}

enum status login_begin(struct login_desk *desk, const struct login_request *request,
                        login_done *done, void *context, struct login **begun)
{
    struct login *login = calloc(1, sizeof(*login));

    if (login == NULL)
        return STATUS_NO_MEMORY;
    list_init(&login->node);
    timer_init(&login->timer, delay_over);
    login->desk = desk;
    login->done = done;
    login->context = context;
    login->peer = request->peer;
    /* what is longer than any account's is cut, and then nobody's */
    bool fits = request->name_size <= NAME_MAX_BYTES && request->name_size > 0 &&
                request->password_size <= AGENT_PASSWORD_MAX;
    login->name_size = request->name_size <= NAME_MAX_BYTES ? request->name_size : NAME_MAX_BYTES;
    memcpy(login->name, request->name, login->name_size);
    if (!fits && login->name_size > 0)
        login->name[0] = '\n';
    login->password_size =
        request->password_size <= AGENT_PASSWORD_MAX ? request->password_size : AGENT_PASSWORD_MAX;
    memcpy(login->password, request->password, login->password_size);
    desk->waiting++;
    atomic_fetch_add_explicit(&counters_of(desk)->waiting, 1, memory_order_relaxed);
    *begun = login;
    start(login);
    return STATUS_OK;
}

void login_cancel(struct login *login)
{
    if (login->state == LOGIN_HASHING) {
        login->cancelled = true;
        return;
    }
    timer_stop(&login->timer);
    list_remove(&login->node);
    forget(login);
}

enum status login_desk_create(struct directory *directory, struct reactor *reactor,
                              void (*report_to)(struct reactor *reactor,
                                                const struct login_report *report),
                              struct login_desk **created)
{
    struct login_desk *desk = calloc(1, sizeof(*desk));

    if (desk == NULL)
        return STATUS_NO_MEMORY;
    desk->directory = directory;
    desk->reactor = reactor;
    desk->report = report_to;
    desk->message.deliver = answer_decided;
    list_init(&desk->delayed);
    list_init(&desk->queued);
    list_init(&desk->decided);
    list_init(&desk->hashing);
    *created = desk;
    return STATUS_OK;
}

static void cancel_all(struct list *logins)
{
    struct list *next;

    for (struct list *node = logins->next; node != logins; node = next) {
        next = node->next;
        login_cancel(container_of(node, struct login, node));
    }
}

void login_desk_free(struct login_desk *desk)
{
    if (desk == NULL)
        return;
    CHECK(desk->hashing_count == 0 && !desk->posted);
    cancel_all(&desk->delayed);
    cancel_all(&desk->queued);
    cancel_all(&desk->decided);
    free(desk);
}
