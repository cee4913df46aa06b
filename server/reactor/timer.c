/* Two clocks. The wheel of seconds holds the deadlines that every link has: starting and stopping
 * one is a few pointer writes, and a tick looks only at what is due in that second. The fine list,
 * sorted by time, is for the few delays that must be shorter. */
#include "server/reactor/internal.h"

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    list_init(&timer->node);
    timer->due_ms = 0;
    timer->fire = fire;
}

void timer_stop(struct timer *timer)
{
    timer->due_ms = 0;
    list_remove(&timer->node);
}

static void place(struct reactor *reactor, struct timer *timer)
{
    uint64_t tick = (timer->due_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    if (tick <= reactor->wheel_tick)
        tick = reactor->wheel_tick + 1;
    list_append(&reactor->wheel[tick % WHEEL_SLOTS], &timer->node);
}

void timer_start(struct reactor *reactor, struct timer *timer, uint64_t delay_ms)
{
    timer_stop(timer);
    timer->due_ms = reactor->now_ms + delay_ms;
    place(reactor, timer);
}

void timer_repeat(struct reactor *reactor, struct timer *timer, uint64_t period_ms)
{
    timer_stop(timer);
    timer->due_ms = reactor->wheel_tick * WHEEL_TICK_MS + period_ms;
    if (timer->due_ms < reactor->now_ms)
        timer->due_ms = reactor->now_ms;
    place(reactor, timer);
}

void timer_start_fine(struct reactor *reactor, struct timer *timer, uint32_t delay_ms)
{
    timer_stop(timer);
    timer->due_ms = reactor->now_ms + delay_ms;
    struct list *after = reactor->fine.previous;
    while (after != &reactor->fine &&
           container_of(after, struct timer, node)->due_ms > timer->due_ms)
        after = after->previous;
    list_append(after->next, &timer->node);
}

void timers_create(struct reactor *reactor)
{
    for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
        list_init(&reactor->wheel[i]);
    list_init(&reactor->fine);
    reactor->wheel_tick = reactor->now_ms / WHEEL_TICK_MS;
}

static void fire(struct timer *timer)
{
    timer_stop(timer);
    timer->fire(timer);
}

static void run_tick(struct reactor *reactor)
{
    struct list due;
    list_init(&due);
    list_splice(&due, &reactor->wheel[reactor->wheel_tick % WHEEL_SLOTS]);
    while (!list_empty(&due)) {
        struct timer *timer = container_of(due.next, struct timer, node);
        if (timer->due_ms > reactor->wheel_tick * WHEEL_TICK_MS) {
            list_remove(&timer->node); /* of a later round of the wheel */
            place(reactor, timer);
        } else {
            fire(timer);
        }
    }
}

void timers_run(struct reactor *reactor)
{
    uint64_t now_tick = reactor->now_ms / WHEEL_TICK_MS;
    while (reactor->wheel_tick < now_tick) {
        reactor->wheel_tick++;
        run_tick(reactor);
    }
    while (!list_empty(&reactor->fine)) {
        struct timer *timer = container_of(reactor->fine.next, struct timer, node);
        if (timer->due_ms > reactor->now_ms)
            break;
        fire(timer);
    }
}

uint64_t timers_next_ms(const struct reactor *reactor)
{
    uint64_t next = (reactor->wheel_tick + 1) * WHEEL_TICK_MS;
    if (!list_empty(&reactor->fine)) {
        uint64_t due = container_of(reactor->fine.next, struct timer, node)->due_ms;
        if (due < next)
            next = due;
    }
    return next;
}
