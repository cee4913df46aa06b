/* Who asks by HTTPS: `Authorization: Bearer TOKEN`. A good token is let in whatever others from the
 * same address did. Failures are counted by address (server/directory/attempts.h): after two, the
 * next one is looked at 1, 2, 4 .. 16 s after the one before and answered 429 until then, after ten
 * not for 5 minutes; nothing waits for that here. Failures are security events; a token is in no
 * log, event or answer. Any thread. */
#ifndef CENCD_OPS_ADMIN_TOKEN_H
#define CENCD_OPS_ADMIN_TOKEN_H

#include <pthread.h>

#include "server/directory/attempts.h"
#include "server/ops/admin_http.h"
#include "server/ops/admin_trust.h"

/* Read by anyone. */
struct admin_token_counters {
    _Atomic uint64_t verdicts[TOKEN_VERDICTS];
    _Atomic uint64_t missing;  /* requests without a token */
    _Atomic uint64_t held_off; /* bad ones that came too soon */
};

struct admin_tokens {
    struct admin_door door;    /* of HTTPS */
    struct admin_trust *trust; /* is told whose token was good */
    pthread_mutex_t lock;
    struct attempts *attempts;
    struct admin_token_counters counters;
};

enum status admin_tokens_init(struct admin_tokens *tokens, struct server *server,
                              struct admin_trust *trust) MUST_CHECK;
void admin_tokens_destroy(struct admin_tokens *tokens);

#endif
