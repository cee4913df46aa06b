/* Who is at the door: name and password of an agent's account.
 *
 * Passwords are scrypt hashes (RFC 7914), checked on helper threads, a few at a time. Addresses
 * take turns, so that a crowd behind one delays nobody behind another; what is too much for the
 * queue is answered TRY_LATER. One that was right is remembered for 10 minutes as an HMAC under a
 * key of this process, and forgotten at any change of the account, so that a head-end system with
 * hundreds of sessions a second costs one hash. A name that nobody has costs the same time as a
 * wrong password.
 *
 * Failures are counted for each pair of account and address: from the third on the next attempt
 * is answered 1, 2, 4 .. 16 s late, after ten the pair is locked out for 5 minutes. Somebody else's
 * failures from another address never lock an account. An address that fails too often with many
 * names is held off for a minute, but for passwords that are remembered. All tables are bounded.
 *
 * Each reactor has a desk of its own; calls are made in the reactor's thread. */
#ifndef CENCD_DIRECTORY_LOGIN_H
#define CENCD_DIRECTORY_LOGIN_H

#include "server/directory/access.h"
#include "server/reactor/reactor.h"

struct login_desk; /* of one reactor */
struct login;      /* one attempt */

struct login_request {
    const uint8_t *name; /* bytes as they came; copied */
    size_t name_size;
    const uint8_t *password; /* copied, and wiped when the attempt is over */
    size_t password_size;
    struct address peer;
};

/* verdict: ACCESS_ALLOWED (agent says who), or WRONG_PASSWORD, LOCKED_OUT, TRY_LATER, DISABLED,
 * EXPIRED, ADDRESS. */
typedef void login_done(void *context, enum access_verdict verdict, struct agent_ref agent);

/* done is called once, in this thread, never from inside this call; after login_cancel not at all.
 * The attempt is gone when done is called. STATUS_NO_MEMORY: done will not come. */
enum status login_begin(struct login_desk *desk, const struct login_request *request,
                        login_done *done, void *context, struct login **login) MUST_CHECK;

/* Whoever asked has gone. */
void login_cancel(struct login *login);

/* What a login has to tell others, for events and logs: a password that was checked and right, and
 * failures, of which one may stand for many. */
struct login_report {
    enum access_verdict verdict;
    bool locked_out;  /* from now on */
    const char *name; /* as tried, written like text of a device (codec/proto/text.h) */
    struct address peer;
    uint64_t count; /* how many alike this one stands for */
};

enum status login_desk_create(struct directory *directory, struct reactor *reactor,
                              void (*report)(struct reactor *reactor,
                                             const struct login_report *report),
                              struct login_desk **desk) MUST_CHECK;
/* When the reactor is idle; attempts that are left are cancelled. NULL: nothing. */
void login_desk_free(struct login_desk *desk);

/* Read by anyone. */
struct login_counters {
    _Atomic uint64_t verdicts[ACCESS_VERDICTS];
    _Atomic uint64_t remembered; /* passwords that needed no hash */
    _Atomic uint64_t hashed;
    _Atomic uint64_t lockouts;
    _Atomic uint64_t waiting; /* attempts that are not over, now */
};
const struct login_counters *directory_login_counters(const struct directory *directory);

#endif
