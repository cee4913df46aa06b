/* Accepting: a few one-shot accepts per listener and reactor on a listening socket that all
 * reactors may share. A reactor without a free slot doesn't arm, so the connection waits in the
 * backlog for one that has. */
#include <errno.h>

#include "server/reactor/internal.h"

#define RETRY_MS 1000u

uint32_t reactor_slots_free(const struct reactor *reactor)
{
    uint32_t all = reactor->limits.slots - reactor->limits.reserved_slots;
    uint32_t used = reactor->slots_used + reactor->accepts_armed;
    return used < all ? all - used : 0;
}

void reactor_discard(struct reactor *reactor, uint32_t slot)
{
    reactor->in_flight++;
    kernel_close(reactor->kernel, slot, tag_make(TAG_DISCARD, 0, slot));
}

static void arm(struct listener *listener)
{
    struct reactor *reactor = listener->reactor;
    if (listener->paused || listener->closing || timer_running(&listener->retry))
        return;
    for (uint32_t i = 0; i < listener->depth; i++) {
        struct accept_operation *accept = &listener->accepts[i];
        if (accept->armed)
            continue;
        if (reactor_slots_free(reactor) == 0) {
            timer_start(reactor, &listener->retry, RETRY_MS);
            return;
        }
        accept->armed = true;
        listener->in_flight++;
        reactor->in_flight++;
        reactor->accepts_armed++;
        kernel_accept(reactor->kernel, listener->socket, listener->is_slot, &accept->buffer,
                      tag_make(TAG_ACCEPT, 0, accept->index));
    }
}

static void retry(struct timer *timer)
{
    arm(container_of(timer, struct listener, retry));
}

static void forget(struct listener *listener, uint32_t armed)
{
    for (uint32_t i = 0; i < armed; i++)
        table_remove(&listener->reactor->accepts, listener->accepts[i].index);
}

enum status listener_open(struct listener *listener, struct reactor *reactor)
{
    CHECK(listener->depth >= 1 && listener->depth <= LISTENER_MAX_DEPTH);
    listener->reactor = reactor;
    listener->closing = false;
    listener->in_flight = 0;
    timer_init(&listener->retry, retry);
    for (uint32_t i = 0; i < listener->depth; i++) {
        struct accept_operation *accept = &listener->accepts[i];
        accept->listener = listener;
        accept->armed = false;
        accept->index = table_add(&reactor->accepts, accept);
        if (accept->index == UINT32_MAX) {
            forget(listener, i);
            return STATUS_NO_MEMORY;
        }
    }
    arm(listener);
    return STATUS_OK;
}

int listener_open_slot(struct listener *listener, struct reactor *reactor, struct address *address,
                       const struct listen_options *options)
{
    if (reactor->reserved_free_count == 0)
        return -ENFILE;
    int descriptor = kernel_listen(address, options);
    if (descriptor < 0)
        return descriptor;
    uint32_t slot = reactor->reserved_free[--reactor->reserved_free_count];
    int error = kernel_install(reactor->kernel, descriptor, slot);
    listener->socket = (int)slot;
    listener->is_slot = true;
    if (error == 0 && listener_open(listener, reactor) == STATUS_OK)
        return 0;
    if (error == 0) {
        /* installed, but nothing will ever accept on it */
        reactor->in_flight++;
        kernel_close(reactor->kernel, slot, tag_make(TAG_RESERVED_CLOSE, 0, slot));
        return -ENOMEM;
    }
    reactor->reserved_free[reactor->reserved_free_count++] = slot;
    return error;
}

void listener_pause(struct listener *listener, bool paused)
{
    listener->paused = paused;
    if (!paused)
        arm(listener);
}

static void closed(struct listener *listener)
{
    forget(listener, listener->depth);
    listener->ops->closed(listener);
}

static void finish_close(struct listener *listener)
{
    if (!listener->closing || listener->in_flight > 0)
        return;
    struct reactor *reactor = listener->reactor;
    listener->in_flight++;
    reactor->in_flight++;
    uint64_t tag = tag_make(TAG_LISTENER_CLOSE, 0, listener->accepts[0].index);
    if (listener->is_slot)
        kernel_close(reactor->kernel, (uint32_t)listener->socket, tag);
    else
        kernel_cancel(reactor->kernel, tag, tag); /* finds nothing: a completion to be told by */
}

void listener_close(struct listener *listener)
{
    struct reactor *reactor = listener->reactor;
    CHECK(!listener->closing);
    listener->closing = true;
    timer_stop(&listener->retry);
    for (uint32_t i = 0; i < listener->depth; i++) {
        struct accept_operation *accept = &listener->accepts[i];
        if (!accept->armed)
            continue;
        listener->in_flight++;
        reactor->in_flight++;
        kernel_cancel(reactor->kernel, tag_make(TAG_ACCEPT, 0, accept->index),
                      tag_make(TAG_ACCEPT_CANCEL, 0, accept->index));
    }
    finish_close(listener);
}

/* ---- completions ---- */

static struct listener *listener_of(struct reactor *reactor, uint32_t index)
{
    struct accept_operation *accept = table_get(&reactor->accepts, index);
    CHECK(accept != NULL);
    struct listener *listener = accept->listener;
    CHECK(listener->in_flight > 0);
    listener->in_flight--;
    reactor->in_flight--;
    return listener;
}

static void accept_failed(struct listener *listener, int error)
{
    struct reactor *reactor = listener->reactor;
    if (error == -ECANCELED)
        return;
    count(&reactor->counters.accept_errors, 1);
    /* the connection is gone, or resources are short; a little patience serves both */
    if (error != -ECONNABORTED && error != -EINTR && error != -EAGAIN && !listener->closing)
        timer_start(reactor, &listener->retry, RETRY_MS);
}

void accept_completed(struct reactor *reactor, uint32_t index, int32_t result)
{
    struct listener *listener = listener_of(reactor, index);
    struct accept_operation *accept = table_get(&reactor->accepts, index);
    accept->armed = false;
    reactor->accepts_armed--;
    if (result < 0) {
        accept_failed(listener, result);
    } else {
        struct address peer;
        count(&reactor->counters.accepts, 1);
        reactor->slots_used++;
        address_from_socket(&accept->buffer.peer, &peer);
        if (!listener->closing) {
            listener->ops->accepted(listener, (uint32_t)result, &peer);
        } else {
            reactor_discard(reactor, (uint32_t)result);
            if (listener->ops->late != NULL)
                listener->ops->late(listener, &peer);
        }
    }
    if (listener->closing)
        finish_close(listener);
    else
        arm(listener);
}

void accept_cancel_completed(struct reactor *reactor, uint32_t index)
{
    finish_close(listener_of(reactor, index));
}

void listener_slot_closed(struct reactor *reactor, uint32_t index)
{
    struct listener *listener = listener_of(reactor, index);
    if (listener->is_slot)
        reactor->reserved_free[reactor->reserved_free_count++] = (uint32_t)listener->socket;
    closed(listener);
}
