#include "server/ops/admin_token.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/ops/admin_security.h"

#define SCHEME        "Bearer "
#define TOKEN_MAX     256u /* longer ones are nobody's, and aren't hashed */
#define UNKNOWN_TOKEN ""

static const struct log_context module = {.module = "admin"};
static const uint8_t pair_name[] = "token"; /* whoever fails here: an address has one account */

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    CHECK(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- failures ---- */

static void tell(const struct admin_request *request, const char *verdict,
                 const struct attempt_news *news)
{
    char peer[ADDRESS_TEXT_SIZE];
    char text[64];
    struct admin_security security = {
        .kind = CENC__V1__SECURITY_KIND__SECURITY_KIND_LOGIN_FAILED,
        .actor = &request->actor,
        .text = text,
        .count = news->count,
    };

    (void)snprintf(text, sizeof(text), "access token: %s", verdict);
    (void)address_format_ip(&request->actor.peer, peer);
    if (news->count > 0) {
        log_line(LOG_WARN, &module, "an access token was refused",
                 "token=%s peer=%s verdict=%s count=%" PRIu64, request->actor.name, peer, verdict,
                 news->count);
        admin_security_tell(request->server, &security);
    }
    if (news->locked_out) {
        log_line(LOG_WARN, &module, "too many refused access tokens: held off for a while",
                 "peer=%s", peer);
        security.kind = CENC__V1__SECURITY_KIND__SECURITY_KIND_LOCKED_OUT;
        admin_security_tell(request->server, &security);
    }
}

static void refuse_unknown(struct admin_request *request)
{
    admin_refuse(request, MHD_HTTP_UNAUTHORIZED, "unauthorized",
                 "there is no such access token, or it can't be used now or from there");
}

/* False: it came too soon after others, and isn't counted. */
static bool count_failure(struct admin_tokens *tokens, const struct address *peer,
                          struct attempt_news *news, uint64_t *wait_ms)
{
    uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);

    CHECK(pthread_mutex_lock(&tokens->lock) == 0);
    *wait_ms = attempts_wait_ms(tokens->attempts, pair_name, sizeof(pair_name), peer, now_ms);
    if (*wait_ms == 0)
        *news = attempts_failed(tokens->attempts, pair_name, sizeof(pair_name), peer, now_ms);
    CHECK(pthread_mutex_unlock(&tokens->lock) == 0);
    return *wait_ms == 0;
}

static void refuse(struct admin_tokens *tokens, struct admin_request *request,
                   enum token_verdict verdict)
{
    const struct address *peer = &request->actor.peer;
    struct attempt_news news;
    uint64_t wait_ms;

    if (!count_failure(tokens, peer, &news, &wait_ms)) {
        count(&tokens->counters.held_off);
        request->retry_after_s = (unsigned)((wait_ms + 999) / 1000);
        admin_refuse(request, MHD_HTTP_TOO_MANY_REQUESTS, "held_off",
                     "too many bad access tokens came from there: try again in %u s",
                     request->retry_after_s);
        return;
    }
    count(&tokens->counters.verdicts[verdict]);
    tell(request, token_verdict_name(verdict), &news);
    refuse_unknown(request);
}

/* ---- who asks ---- */

static void succeeded(struct admin_tokens *tokens, const struct admin_request *request)
{
    const struct address *peer = &request->actor.peer;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (info != NULL)
        admin_trust_good(tokens->trust, info->connect_fd);
    CHECK(pthread_mutex_lock(&tokens->lock) == 0);
    attempts_succeeded(tokens->attempts, pair_name, sizeof(pair_name), peer);
    CHECK(pthread_mutex_unlock(&tokens->lock) == 0);
}

static enum token_verdict check(struct admin_request *request, const char *given,
                                struct token_pass *pass)
{
    uint8_t hash[TOKEN_HASH_SIZE];
    size_t size = strlen(given);

    if (strncasecmp(given, SCHEME, strlen(SCHEME)) != 0 || size > TOKEN_MAX)
        return TOKEN_UNKNOWN;
    token_hash(given + strlen(SCHEME), size - strlen(SCHEME), hash);
    return token_check(request->server->directory, hash, &request->actor.peer,
                       clock_ms(CLOCK_REALTIME), pass);
}

static bool who(const struct admin_door *door, struct admin_request *request)
{
    struct admin_tokens *tokens = (struct admin_tokens *)(uintptr_t)door; /* its first member */
    struct token_pass pass = {.name = UNKNOWN_TOKEN};
    const char *given = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                    MHD_HTTP_HEADER_AUTHORIZATION);

    memcpy(request->actor.via, "https", sizeof("https"));
    request->actor.peer = admin_http_peer(request->connection);
    if (given == NULL) {
        count(&tokens->counters.missing);
        admin_refuse(request, MHD_HTTP_UNAUTHORIZED, "unauthorized",
                     "an access token is missing: Authorization: Bearer TOKEN");
        return false;
    }
    enum token_verdict verdict = check(request, given, &pass);
    memcpy(request->actor.name, pass.name, sizeof(request->actor.name));
    if (verdict != TOKEN_GOOD) {
        refuse(tokens, request, verdict);
        return false;
    }
    count(&tokens->counters.verdicts[TOKEN_GOOD]);
    succeeded(tokens, request);
    request->role = pass.role;
    return true;
}

enum status admin_tokens_init(struct admin_tokens *tokens, struct server *server,
                              struct admin_trust *trust)
{
    tokens->attempts = attempts_create();
    if (tokens->attempts == NULL)
        return STATUS_NO_MEMORY;
    tokens->trust = trust;
    tokens->door = (struct admin_door){.server = server, .who = who};
    admin_refusals_init(&tokens->door.refusals);
    CHECK(pthread_mutex_init(&tokens->lock, NULL) == 0);
    return STATUS_OK;
}

void admin_tokens_destroy(struct admin_tokens *tokens)
{
    if (tokens->attempts == NULL)
        return;
    (void)pthread_mutex_destroy(&tokens->lock);
    admin_refusals_destroy(&tokens->door.refusals);
    free(tokens->attempts);
}
