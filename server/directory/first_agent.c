#include "server/directory/first_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/directory/accounts.h"

#define PASSWORD_CHARACTERS 24u /* of 64: 144 bits */

static const struct log_context module = {.module = "directory"};

static bool make_password(char password[static PASSWORD_CHARACTERS + 1])
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    uint8_t random[PASSWORD_CHARACTERS];

    if (RAND_bytes(random, sizeof(random)) != 1)
        return false;
    for (size_t i = 0; i < PASSWORD_CHARACTERS; i++)
        password[i] = letters[random[i] % 64];
    password[PASSWORD_CHARACTERS] = '\0';
    OPENSSL_cleanse(random, sizeof(random));
    return true;
}

/* On the disk before the account is. Returns 0 or an errno. */
static int write_file(const char *path, const char *password)
{
    char line[64];
    int error = 0;
    int size = snprintf(line, sizeof(line), FIRST_AGENT_NAME ":%s\n", password);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (file < 0)
        return errno;
    if (fchmod(file, 0600) != 0 || write(file, line, (size_t)size) != size || fsync(file) != 0)
        error = errno != 0 ? errno : EIO;
    OPENSSL_cleanse(line, sizeof(line));
    (void)close(file);
    return error;
}

static bool any_agent_ever(struct directory *directory)
{
    struct accounts *accounts = accounts_read(directory);
    bool ever = accounts->last_agent != 0;

    accounts_unlock(accounts);
    return ever;
}

static void add(struct editor *editor, const char *password, const char *path)
{
    struct edit edit = {
        .kind = EDIT_AGENT_ADD,
        .actor = {.via = "server"},
        .name = FIRST_AGENT_NAME,
        .note = "made at the first start",
        .agent = {.enabled = true, .extended = true},
    };

    if (password_hash_make((const uint8_t *)password, strlen(password), &edit.password) !=
        STATUS_OK) {
        log_line(LOG_ERROR, &module, "the first agent can't be made: no memory", "");
        return;
    }
    editor_do(editor, &edit);
    if (edit.result == EDIT_DONE)
        log_line(LOG_INFO, &module, "the first agent was made; its password is in a file",
                 "agent=" FIRST_AGENT_NAME " file=%s", path);
    else
        log_line(LOG_ERROR, &module, "the first agent can't be made; the next start tries again",
                 "result=%s", edit_result_name(edit.result));
}

void first_agent_make(struct directory *directory, struct editor *editor, const char *state_dir)
{
    char password[PASSWORD_CHARACTERS + 1];
    char path[CONFIG_PATH_SIZE + sizeof(FIRST_AGENT_FILE) + 1];

    if (any_agent_ever(directory))
        return;
    (void)snprintf(path, sizeof(path), "%s/" FIRST_AGENT_FILE, state_dir);
    int error = make_password(password) ? write_file(path, password) : EIO;
    if (error == 0)
        add(editor, password, path);
    else
        log_line(LOG_ERROR, &module, "the first agent can't be made: its file can't be written",
                 "file=%s error=%s", path, strerrorname_np(error));
    OPENSSL_cleanse(password, sizeof(password));
}
