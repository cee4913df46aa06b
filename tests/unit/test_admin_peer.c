/* Who is at the admin API's Unix socket: root, the server's own user, and those whom the
 * configuration names, by their user or by a group of theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/ops/admin_peer.h"

#define STRANGER 54321u /* a number that is nobody's */
#define NO_GROUP 54322u

/* Groups of any Debian. */
static struct config_unix_role roles[] = {
    {.group = "games", .role = CONFIG_VIEWER},
    {.group = "mail", .role = CONFIG_OPERATOR},
    {.user = "games", .role = CONFIG_ADMIN},
};
static const struct config config = {.admin = {.unix_roles = roles, .unix_role_count = 3}};

static uint32_t group_id(const char *name)
{
    const struct group *group = getgrnam(name); // NOLINT(concurrency-mt-unsafe)

    assert_non_null(group);
    return group->gr_gid;
}

/* The role of a process of this user, these groups, that connects to a socket of ours. */
static enum role role_of(uint32_t user, uint32_t group, const uint32_t *more, size_t count)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(sa_family_t); /* the kernel finds a name */
    struct admin_peers *peers = NULL;
    struct edit_actor actor = {.name = ""};
    const char *unknown = NULL;
    char wanted[32];
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listening, (const struct sockaddr *)&name, size), 0);
    size = sizeof(name);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&name, &size), 0);
    assert_int_equal(listen(listening, 1), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int own = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char byte;
        bool good = setgroups(count, more) == 0 && setgid(group) == 0 && setuid(user) == 0 &&
                    connect(own, (const struct sockaddr *)&name, size) == 0;
        /* until the other side has looked */
        _exit(good && read(own, &byte, 1) == 0 ? 0 : 1);
    }
    int peer = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    assert_int_equal(admin_peers_create(&config, &peers, &unknown), STATUS_OK);
    enum role role = admin_peer_role(peers, peer, &actor);
    (void)snprintf(wanted, sizeof(wanted), "uid:%u", user);
    assert_string_equal(actor.name, wanted);
    assert_string_equal(actor.via, "cli");
    admin_peers_free(peers);
    assert_int_equal(close(peer), 0);
    assert_int_equal(close(listening), 0);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return role;
}

static void test_roles(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root may become somebody else */
    uint32_t games = group_id("games");
    uint32_t mail = group_id("mail");

    assert_int_equal(role_of(0, 0, NULL, 0), ROLE_ADMIN);
    assert_int_equal(role_of(STRANGER, NO_GROUP, NULL, 0), ROLE_NONE);
    assert_int_equal(role_of(STRANGER, games, NULL, 0), ROLE_VIEWER);
    assert_int_equal(role_of(STRANGER, NO_GROUP, &games, 1), ROLE_VIEWER);
    assert_int_equal(role_of(STRANGER, NO_GROUP, (uint32_t[]){games, mail}, 2), ROLE_OPERATOR);
    assert_int_equal(role_of(STRANGER, NO_GROUP, (uint32_t[]){NO_GROUP + 1}, 1), ROLE_NONE);
    const struct passwd *user = getpwnam("games"); // NOLINT(concurrency-mt-unsafe)
    assert_non_null(user);
    assert_int_equal(role_of(user->pw_uid, NO_GROUP, NULL, 0), ROLE_ADMIN);
}

static void test_a_name_that_nobody_has(void **state)
{
    static struct config_unix_role wrong[] = {{.group = "games", .role = CONFIG_VIEWER},
                                              {.group = "no-such-group", .role = CONFIG_VIEWER}};
    const struct config bad = {.admin = {.unix_roles = wrong, .unix_role_count = 2}};
    struct admin_peers *peers = NULL;
    const char *unknown = NULL;

    (void)state;
    assert_int_equal(admin_peers_create(&bad, &peers, &unknown), STATUS_NOT_FOUND);
    assert_string_equal(unknown, "no-such-group");
    wrong[1] = (struct config_unix_role){.user = "no-such-user", .role = CONFIG_ADMIN};
    assert_int_equal(admin_peers_create(&bad, &peers, &unknown), STATUS_NOT_FOUND);
    assert_string_equal(unknown, "no-such-user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_a_name_that_nobody_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
