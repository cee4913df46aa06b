#include "tests/sim/outside.h"

#include <openssl/err.h>

#include "tests/sim/seeds.h"

#define OUT_LIMIT 4096u /* bytes that wait to be written */

void outside_begin(struct outside_end *end, struct sim_peer *peer, SSL_CTX *context)
{
    end->peer = peer;
    if (peer == NULL || context == NULL)
        return;
    end->ssl = SSL_new(context);
    end->in = BIO_new(BIO_s_mem());
    end->out = BIO_new(BIO_s_mem());
    SEEDS_REQUIRE(end->ssl && end->in && end->out);
    SSL_set_bio(end->ssl, end->in, end->out);
    if (SSL_CTX_get0_certificate(context) != NULL)
        SSL_set_accept_state(end->ssl);
    else
        SSL_set_connect_state(end->ssl);
}

void outside_free(struct outside_end *end)
{
    SSL_free(end->ssl);
    end->ssl = NULL;
}

/* True if nothing waits any more. */
static bool flush(struct outside_end *end)
{
    char *bytes = NULL;
    size_t size = (size_t)BIO_get_mem_data(end->out, &bytes);
    size_t taken = size > 0 ? sim_peer_write(end->peer, (uint8_t *)bytes, size) : 0;
    char gone[OUT_LIMIT];

    for (size_t left = taken; left > 0;) {
        int part = BIO_read(end->out, gone, (int)(left < sizeof gone ? left : sizeof gone));
        SEEDS_REQUIRE(part > 0);
        left -= (size_t)part;
    }
    return taken == size;
}

static void fetch(struct outside_end *end)
{
    uint8_t data[4096];
    size_t size = BIO_ctrl_pending(end->in) == 0 ? sim_peer_read(end->peer, data, sizeof data) : 0;

    if (size > 0)
        SEEDS_REQUIRE(BIO_write(end->in, data, (int)size) == (int)size);
}

static void shake_hands(struct outside_end *end)
{
    ERR_clear_error();
    if (!SSL_is_init_finished(end->ssl))
        (void)SSL_do_handshake(end->ssl);
    (void)flush(end);
}

size_t outside_put(struct outside_end *end, const uint8_t *data, size_t size)
{
    if (end->ssl == NULL)
        return sim_peer_write(end->peer, data, size);
    shake_hands(end);
    if (size == 0 || !SSL_is_init_finished(end->ssl) || BIO_ctrl_pending(end->out) >= OUT_LIMIT)
        return 0;
    int written = SSL_write(end->ssl, data, (int)size);
    (void)flush(end);
    return written > 0 ? (size_t)written : 0;
}

size_t outside_take(struct outside_end *end, uint8_t *data, size_t size)
{
    if (end->ssl == NULL)
        return sim_peer_read(end->peer, data, size);
    fetch(end);
    shake_hands(end);
    if (!SSL_is_init_finished(end->ssl))
        return 0;
    int got = SSL_read(end->ssl, data, (int)size);
    (void)flush(end);
    return got > 0 ? (size_t)got : 0;
}

bool outside_finish(struct outside_end *end, bool notify)
{
    if (end->ssl == NULL)
        return true;
    shake_hands(end);
    if (!SSL_is_init_finished(end->ssl))
        return false;
    if (notify && (SSL_get_shutdown(end->ssl) & SSL_SENT_SHUTDOWN) == 0)
        (void)SSL_shutdown(end->ssl);
    return flush(end);
}

bool outside_heard_end(const struct outside_end *end)
{
    return end->ssl == NULL || (SSL_get_shutdown(end->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool outside_has_more(const struct outside_end *end)
{
    return sim_peer_readable(end->peer) > 0 ||
           (end->ssl != NULL && (BIO_ctrl_pending(end->in) > 0 || SSL_pending(end->ssl) > 0));
}
