#include "server/reactor/sim/endpoint.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "server/base/check.h"
#include "server/reactor/sim/operation.h"

/* How long Linux tries to send again (tcp_retries2 = 15). */
#define RETRANSMISSION_MS UINT64_C(924600)

static struct sim_end *other_end(struct sim_end *end)
{
    struct sim_connection *connection = end->connection;
    return end == &connection->ends[0] ? &connection->ends[1] : &connection->ends[0];
}

static struct sim *sim_of(const struct sim_end *end)
{
    return end->connection->sim;
}

static int side_of(const struct sim_end *end)
{
    return end == &end->connection->ends[1];
}

static void trace_end(const struct sim_end *end, const char *what, int64_t value)
{
    sim_trace(sim_of(end), what, end->connection->id, side_of(end), value);
}

/* ---- death ---- */

static void end_die(struct sim_end *end, int error)
{
    if (end->dead)
        return;
    trace_end(end, "dead", error);
    end->dead = true;
    end->error = error;
    end->write_shut = true;
    sim_bytes_take(&end->out, NULL, end->out.size);
    sim_event_stop(sim_of(end), &end->timeout);
    sim_operations_wake(&end->operations);
}

/* In CLOSE_WAIT Linux says EPIPE. */
static void end_take_reset(struct sim_end *end)
{
    end_die(end, end->fin_received ? EPIPE : ECONNRESET);
}

static void end_send_reset(struct sim_end *end)
{
    end->reset_to_send = true;
    sim_event_soon(sim_of(end), &end->delivery);
}

void sim_end_reset(struct sim_end *end)
{
    if (end->dead)
        return;
    end_take_reset(end);
    end_send_reset(end);
}

/* ---- silence ---- */

static void run_timeout(struct sim_event *event)
{
    end_die(container_of(event, struct sim_end, timeout), ETIMEDOUT);
}

/* Gives up after the user timeout (or the system's) while something isn't acknowledged, or when
 * keepalives stay without an answer. A window that stays shut counts only for the user timeout. */
static void watch_silence(struct sim_end *end)
{
    bool unsent = end->out.size > 0 || (end->write_shut && !end->fin_sent);
    bool cut = end->connection->cut;
    uint64_t patience_ms = UINT64_MAX;
    if (end->dead)
        return;
    if (unsent && end->user_timeout_ms > 0)
        patience_ms = end->user_timeout_ms;
    else if (unsent && cut)
        patience_ms = RETRANSMISSION_MS;
    if (cut && end->keepalive_dead_ms > 0 && end->keepalive_dead_ms < patience_ms)
        patience_ms = end->keepalive_dead_ms;
    if (patience_ms == UINT64_MAX)
        return;
    struct sim *sim = sim_of(end);
    uint64_t due_ms = sim->now_ms + patience_ms;
    if (end->timeout.state == SIM_EVENT_LATER) {
        if (end->timeout.due_ms <= due_ms)
            return;
        sim_event_stop(sim, &end->timeout);
    }
    sim_event_at(sim, &end->timeout, due_ms);
}

static void progress(struct sim_end *end)
{
    sim_event_stop(sim_of(end), &end->timeout);
}

void sim_end_cut(struct sim_end *end)
{
    struct sim_connection *connection = end->connection;
    connection->cut = true;
    trace_end(end, "cut", 0);
    for (unsigned i = 0; i < 2; i++) {
        sim_event_stop(connection->sim, &connection->ends[i].delivery);
        watch_silence(&connection->ends[i]);
    }
}

void sim_end_set_options(struct sim_end *end, const struct listen_options *options)
{
    end->user_timeout_ms = options->user_timeout_ms;
    end->keepalive_dead_ms = 0;
    if (options->keepalive_idle_s == 0)
        return;
    uint64_t idle_ms = UINT64_C(1000) * options->keepalive_idle_s;
    uint64_t interval_ms = UINT64_C(1000) * options->keepalive_interval_s;
    end->keepalive_dead_ms = idle_ms + interval_ms * options->keepalive_count;
    /* With a user timeout, that instead of the count decides, from the first probe on. */
    if (options->user_timeout_ms > 0)
        end->keepalive_dead_ms = options->user_timeout_ms > idle_ms + interval_ms
                                     ? options->user_timeout_ms
                                     : idle_ms + interval_ms;
}

/* ---- delivery ---- */

static void deliver_fin(struct sim_end *end)
{
    struct sim_end *other = other_end(end);
    trace_end(end, "fin", 0);
    end->fin_sent = true;
    progress(end);
    if (other->dead)
        return; /* its reset is on the way */
    other->fin_received = true;
    sim_operations_wake(&other->operations);
}

/* The other end's holder is gone: what arrives there is answered with a reset, and what that end
 * still had to deliver is lost with it. */
static void deliver_to_closed(struct sim_end *end)
{
    struct sim_end *other = other_end(end);
    trace_end(end, "to closed", (int64_t)end->out.size);
    sim_bytes_take(&end->out, NULL, end->out.size);
    end_die(other, ECONNRESET);
    end_send_reset(other);
    sim_operations_wake(&end->operations);
}

static void deliver_bytes(struct sim_end *end)
{
    struct sim *sim = sim_of(end);
    struct sim_end *other = other_end(end);
    size_t room = sim_bytes_room(&other->in);
    if (!other->open || other->dead) {
        deliver_to_closed(end);
        return;
    }
    if (room == 0) {
        watch_silence(end); /* goes on when the other end reads */
        return;
    }
    size_t size = end->out.size < room ? end->out.size : room;
    if (sim_chance(sim, sim->options.partial_send))
        size = 1 + (size_t)sim_below(sim, size);
    uint8_t piece[2048];
    if (size > sizeof piece)
        size = sizeof piece;
    sim_bytes_take(&end->out, piece, size);
    sim_bytes_put(&other->in, piece, size);
    trace_end(end, "deliver", (int64_t)size);
    progress(end);
    if (end->out.size == 0 && end->write_shut && sim_chance(sim, 500))
        deliver_fin(end);
    sim_operations_wake(&other->operations);
    sim_operations_wake(&end->operations);
}

static bool deliver_fault(struct sim_end *end)
{
    struct sim *sim = sim_of(end);
    if (sim_chance(sim, sim->options.stall)) {
        sim_event_at(sim, &end->delivery, sim->now_ms + 1 + sim_below(sim, sim->options.stall_ms));
        return true;
    }
    if (!sim_chance(sim, sim->options.reset))
        return false;
    end_take_reset(end);
    end_send_reset(end);
    return true;
}

static void run_delivery(struct sim_event *event)
{
    struct sim_end *end = container_of(event, struct sim_end, delivery);
    struct sim *sim = sim_of(end);
    if (end->connection->cut)
        return;
    if (end->reset_to_send) {
        end->reset_to_send = false;
        end_take_reset(other_end(end));
        return;
    }
    if (end->dead || deliver_fault(end))
        return;
    if (end->out.size > 0) {
        deliver_bytes(end);
        if (end->dead)
            return;
        if (end->out.size > 0 && sim_bytes_room(&other_end(end)->in) == 0)
            watch_silence(end);
        else if (end->out.size > 0 || (end->write_shut && !end->fin_sent))
            sim_event_soon(sim, &end->delivery);
    } else if (end->write_shut && !end->fin_sent) {
        deliver_fin(end);
    }
}

/* ---- calls on an end ---- */

unsigned sim_end_poll(const struct sim_end *end)
{
    unsigned mask = 0;
    if (end->in.size > 0)
        mask |= POLLIN;
    if (end->fin_received || end->dead)
        mask |= POLLIN | POLLRDHUP;
    if (end->dead || (end->fin_received && end->write_shut))
        mask |= POLLHUP;
    if (end->error)
        mask |= POLLERR;
    return mask;
}

bool sim_end_readable(const struct sim_end *end)
{
    return end->in.size > 0 || end->fin_received || end->dead;
}

static int take_error(struct sim_end *end)
{
    int error = end->error;
    end->error = 0;
    return -error;
}

int32_t sim_end_receive(struct sim_end *end, uint8_t *data, uint32_t size)
{
    if (end->in.size > 0) {
        bool was_full = sim_bytes_room(&end->in) == 0;
        uint32_t taken = end->in.size < size ? (uint32_t)end->in.size : size;
        sim_bytes_take(&end->in, data, taken);
        struct sim_end *other = other_end(end);
        if (was_full && other->out.size > 0 && !end->connection->cut)
            sim_event_soon(sim_of(end), &other->delivery);
        return (int32_t)taken;
    }
    CHECK(sim_end_readable(end));
    if (end->fin_received)
        return 0;
    return end->error ? take_error(end) : 0;
}

int32_t sim_end_send(struct sim_end *end, const uint8_t *data, uint32_t size)
{
    if (end->error)
        return take_error(end);
    if (end->write_shut)
        return -EPIPE;
    size_t room = sim_bytes_room(&end->out);
    if (room == 0)
        return -EAGAIN;
    uint32_t taken = room < size ? (uint32_t)room : size;
    sim_bytes_put(&end->out, data, taken);
    if (end->connection->cut)
        watch_silence(end);
    else
        sim_event_soon(sim_of(end), &end->delivery);
    return (int32_t)taken;
}

static void queue_fin(struct sim_end *end)
{
    end->write_shut = true;
    if (end->connection->cut)
        watch_silence(end);
    else
        sim_event_soon(sim_of(end), &end->delivery);
    sim_operations_wake(&end->operations);
}

int sim_end_shutdown(struct sim_end *end)
{
    if (end->dead)
        return -ENOTCONN;
    if (!end->write_shut)
        queue_fin(end);
    return 0;
}

/* ---- life ---- */

static void end_init(struct sim_end *end, struct sim_connection *connection)
{
    struct sim *sim = connection->sim;
    uint32_t least = sim->options.socket_bytes_min;
    uint64_t span = sim->options.socket_bytes_max - least + 1;
    end->connection = connection;
    end->open = true;
    list_init(&end->operations);
    list_init(&end->backlog);
    sim_bytes_init(&end->out, least + sim_below(sim, span));
    sim_bytes_init(&end->in, least + sim_below(sim, span));
    sim_event_init(&end->delivery, run_delivery);
    sim_event_init(&end->timeout, run_timeout);
}

struct sim_end *sim_connection_make(struct sim_listener *listener, const struct address *client)
{
    CHECK(!sim_listener_full(listener));
    struct sim *sim = listener->sim;
    struct sim_connection *connection = sim_allocate(sizeof *connection);
    connection->sim = sim;
    connection->id = ++sim->next_id;
    connection->client = *client;
    list_append(&sim->connections, &connection->node);
    end_init(&connection->ends[0], connection);
    end_init(&connection->ends[1], connection);
    sim_end_set_options(&connection->ends[1], &listener->options);
    list_append(&listener->backlog, &connection->ends[1].backlog);
    listener->waiting++;
    trace_end(&connection->ends[0], "connect", listener->address.port);
    sim_operations_wake(&listener->operations);
    return &connection->ends[0];
}

static void connection_free(struct sim_connection *connection)
{
    for (unsigned i = 0; i < 2; i++) {
        struct sim_end *end = &connection->ends[i];
        CHECK(list_empty(&end->operations) && list_empty(&end->backlog));
        sim_event_stop(connection->sim, &end->delivery);
        sim_event_stop(connection->sim, &end->timeout);
        sim_bytes_free(&end->out);
        sim_bytes_free(&end->in);
    }
    list_remove(&connection->node);
    free(connection);
}

void sim_end_close(struct sim_end *end)
{
    CHECK(end->open);
    trace_end(end, "close", (int64_t)end->in.size);
    end->open = false;
    if (!other_end(end)->open) {
        connection_free(end->connection);
        return;
    }
    if (end->dead)
        return;
    if (end->in.size > 0)
        sim_end_reset(end); /* unread bytes: Linux resets, and unsent bytes are lost */
    else if (!end->write_shut)
        queue_fin(end);
}
