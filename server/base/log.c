#include "server/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/log_quote.h"

#define RING_SIZE 1048576u /* bytes of lines that wait for the writer */
#define LINE_SIZE 2048u    /* longest line, with its newline; what is longer is cut */

/* One write takes whole lines of at most PIPE_BUF bytes: to a pipe that poll calls writable such a
 * write neither blocks nor mixes with the lines of other processes. */
#define BATCH_SIZE 4096u

#define MESSAGE_SIZE  512 /* a message as a quoted value */
#define POLL_SLICE_MS 100 /* how late the writer notices log_stop while the descriptor is full */
#define STOP_SLICES   20  /* then log_stop gives up on a descriptor that takes nothing */

/* In the ring each line follows its length; both may wrap around the ring's end. */
struct ring {
    uint8_t data[RING_SIZE];
    size_t head; /* next byte to read */
    size_t used;
};

struct batch {
    char text[BATCH_SIZE];
    size_t size;
    uint64_t lines;
};

static struct {
    pthread_mutex_t mutex; /* for all below */
    pthread_cond_t wake;   /* the writer has something to do */
    pthread_t writer;
    struct ring ring;
    uint64_t refused; /* lines that found the ring full */
    uint64_t told;    /* of these, how many the log has told of */
    bool running;
    bool stopping;
    int fd;
} state = {
    .mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .fd = STDERR_FILENO};

static atomic_int level_limit = LOG_INFO;
static atomic_uint_fast64_t dropped;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* ---- the ring ---- */

static void ring_put(struct ring *ring, const void *data, size_t size)
{
    size_t tail = (ring->head + ring->used) % RING_SIZE;
    size_t first = size < RING_SIZE - tail ? size : RING_SIZE - tail;

    memcpy(ring->data + tail, data, first);
    memcpy(ring->data, (const uint8_t *)data + first, size - first);
    ring->used += size;
}

static void ring_peek(const struct ring *ring, void *data, size_t size)
{
    size_t first = size < RING_SIZE - ring->head ? size : RING_SIZE - ring->head;

    memcpy(data, ring->data + ring->head, first);
    memcpy((uint8_t *)data + first, ring->data, size - first);
}

static void ring_skip(struct ring *ring, size_t size)
{
    CHECK(size <= ring->used);
    ring->head = (ring->head + size) % RING_SIZE;
    ring->used -= size;
}

static bool ring_put_line(struct ring *ring, const char *line, size_t size)
{
    uint16_t length = (uint16_t)size;

    CHECK(size > 0 && size <= LINE_SIZE);
    if (ring->used + sizeof(length) + size > RING_SIZE)
        return false;
    ring_put(ring, &length, sizeof(length));
    ring_put(ring, line, size);
    return true;
}

/* Moves as many whole lines as fit. */
static void ring_take(struct ring *ring, struct batch *batch)
{
    while (ring->used > 0) {
        uint16_t length;

        ring_peek(ring, &length, sizeof(length));
        if (batch->size + length > sizeof(batch->text))
            return;
        ring_skip(ring, sizeof(length));
        ring_peek(ring, batch->text + batch->size, length);
        ring_skip(ring, length);
        batch->size += length;
        batch->lines++;
    }
}

/* ---- a line ---- */

struct line {
    char text[LINE_SIZE];
    size_t size;
    bool cut;
};

/* Room that stays free for what finish_line adds. */
static const char cut_mark[] = "\" cut=true\n";
#define LINE_ROOM (LINE_SIZE - sizeof(cut_mark))

__attribute__((format(printf, 2, 0))) static void append_list(struct line *line, const char *format,
                                                              va_list arguments)
{
    size_t room = LINE_ROOM - line->size;

    if (line->cut)
        return;
    int size = vsnprintf(line->text + line->size, room, format, arguments);
    if (size < 0)
        return;
    line->cut = (size_t)size >= room;
    line->size += line->cut ? room - 1 : (size_t)size;
}

__attribute__((format(printf, 2, 3))) static void append(struct line *line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    append_list(line, format, arguments);
    va_end(arguments);
}

static void append_time(struct line *line)
{
    struct timespec now;
    struct tm utc;

    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    CHECK(gmtime_r(&now.tv_sec, &utc) != NULL);
    append(line, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", utc.tm_year + 1900, utc.tm_mon + 1,
           utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000);
}

static void append_context(struct line *line, const struct log_context *context)
{
    char value[MESSAGE_SIZE];

    if (context->module != NULL)
        append(line, " module=%s", log_quote(context->module, value, sizeof(value)));
    if (context->link != 0)
        append(line, " link=%llu", (unsigned long long)context->link);
    if (context->serial != NULL && context->serial[0] != '\0')
        append(line, " serial=%s", log_quote(context->serial, value, sizeof(value)));
}

static void begin_line(struct line *line, enum log_level level, const struct log_context *context,
                       const char *message)
{
    char quoted[MESSAGE_SIZE];

    line->size = 0;
    line->cut = false;
    append_time(line);
    append(line, " level=%s", level_names[level]);
    append_context(line, context);
    append(line, " msg=%s", log_quote_always(message, quoted, sizeof(quoted)));
}

/* Takes a half character or a half escape off the end of a cut line. True: it ends in quotes. */
static bool trim_cut_line(struct line *line)
{
    bool in_quotes = false;

    while (line->size > 0 && (line->text[line->size - 1] & 0x80) != 0)
        line->size--;
    for (size_t i = 0; i < line->size; i++) {
        if (line->text[i] == '\\' && in_quotes)
            i++;
        else if (line->text[i] == '"')
            in_quotes = !in_quotes;
        if (i == line->size)
            line->size--;
    }
    return in_quotes;
}

/* One line stays one line, whatever a caller forgot to quote; a cut line is valid logfmt again. */
static void finish_line(struct line *line)
{
    for (size_t i = 0; i < line->size; i++) {
        if ((uint8_t)line->text[i] < 0x20 || line->text[i] == 0x7f)
            line->text[i] = '?';
    }
    if (line->cut) {
        const char *mark = trim_cut_line(line) ? cut_mark : cut_mark + 1;
        memcpy(line->text + line->size, mark, strlen(mark));
        line->size += strlen(mark);
        return;
    }
    line->text[line->size++] = '\n';
}

/* ---- the writer ---- */

/* Once there is room again the log itself says what is missing. The lock is held. */
static void tell_refused(void)
{
    static const struct log_context context = {.module = "log"};
    struct line line;

    if (state.refused == state.told)
        return;
    begin_line(&line, LOG_WARN, &context, "lines dropped, the log is read too slowly");
    append(&line, " dropped=%llu", (unsigned long long)(state.refused - state.told));
    finish_line(&line);
    if (ring_put_line(&state.ring, line.text, line.size))
        state.told = state.refused;
}

static bool is_stopping(void)
{
    (void)pthread_mutex_lock(&state.mutex);
    bool stopping = state.stopping;
    (void)pthread_mutex_unlock(&state.mutex);
    return stopping;
}

/* Waits until fd takes bytes or reports an error. False: the log ends and fd takes nothing. */
static bool wait_writable(int fd, unsigned *stop_slices)
{
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
        bool patient = *stop_slices <= STOP_SLICES;
        int ready = poll(&poll_fd, 1, patient ? POLL_SLICE_MS : 0);

        if (ready > 0)
            return true;
        if (!patient || (is_stopping() && ++*stop_slices > STOP_SLICES))
            return false;
    }
}

/* False: the bytes are lost, since the descriptor is broken or the log ends while it is full. */
static bool write_batch(int fd, const char *text, size_t size, unsigned *stop_slices)
{
    while (size > 0) {
        if (!wait_writable(fd, stop_slices))
            return false;
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        } else { /* poll says writable, write says no: only some odd descriptors do */
            (void)poll(NULL, 0, POLL_SLICE_MS);
            if (is_stopping() && ++*stop_slices > STOP_SLICES)
                return false;
        }
    }
    return true;
}

static void *writer_main(void *argument)
{
    struct batch batch;
    unsigned stop_slices = 0;

    (void)argument;
    (void)pthread_mutex_lock(&state.mutex);
    for (;;) {
        while (state.ring.used == 0 && !state.stopping)
            (void)pthread_cond_wait(&state.wake, &state.mutex);
        if (state.ring.used == 0)
            break;
        batch.size = 0;
        batch.lines = 0;
        ring_take(&state.ring, &batch);
        tell_refused();
        int fd = state.fd;
        (void)pthread_mutex_unlock(&state.mutex);
        if (!write_batch(fd, batch.text, batch.size, &stop_slices))
            atomic_fetch_add(&dropped, batch.lines);
        (void)pthread_mutex_lock(&state.mutex);
    }
    (void)pthread_mutex_unlock(&state.mutex);
    return NULL;
}

enum status log_start(int fd, enum log_level level)
{
    sigset_t all;
    sigset_t before;

    (void)pthread_mutex_lock(&state.mutex);
    CHECK(!state.running);
    state.fd = fd;
    state.stopping = false;
    state.refused = 0;
    state.told = 0;
    atomic_store(&dropped, 0);
    atomic_store(&level_limit, level);
    /* The writer takes no signals; for SIGPIPE that is why a closed pipe is only an error code. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&state.writer, NULL, writer_main, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    state.running = error == 0;
    if (error != 0)
        state.fd = STDERR_FILENO;
    (void)pthread_mutex_unlock(&state.mutex);
    errno = error;
    return error == 0 ? STATUS_OK : STATUS_SYSTEM;
}

void log_stop(void)
{
    (void)pthread_mutex_lock(&state.mutex);
    if (!state.running) {
        (void)pthread_mutex_unlock(&state.mutex);
        return;
    }
    /* From here on lines are written directly, to stderr: the caller may close its descriptor. */
    state.running = false;
    state.stopping = true;
    (void)pthread_cond_signal(&state.wake);
    (void)pthread_mutex_unlock(&state.mutex);
    CHECK(pthread_join(state.writer, NULL) == 0);
    (void)pthread_mutex_lock(&state.mutex);
    state.fd = STDERR_FILENO;
    (void)pthread_mutex_unlock(&state.mutex);
}

/* ---- a call ---- */

/* Before log_start and after log_stop; a full or broken descriptor loses the line. */
static void write_direct(const struct line *line)
{
    size_t done = 0;

    while (done < line->size) {
        ssize_t written = write(STDERR_FILENO, line->text + done, line->size - done);
        if (written < 0 && errno != EINTR)
            return;
        if (written > 0)
            done += (size_t)written;
    }
}

static void hand_over(const struct line *line)
{
    (void)pthread_mutex_lock(&state.mutex);
    bool running = state.running;
    if (running) {
        bool was_empty = state.ring.used == 0;
        if (!ring_put_line(&state.ring, line->text, line->size)) {
            state.refused++;
            atomic_fetch_add(&dropped, 1);
        } else if (was_empty) {
            (void)pthread_cond_signal(&state.wake);
        }
    }
    (void)pthread_mutex_unlock(&state.mutex);
    if (!running)
        write_direct(line);
}

void log_line(enum log_level level, const struct log_context *context, const char *message,
              const char *fields, ...)
{
    struct line line;
    va_list arguments;

    if (!log_enabled(level))
        return;
    begin_line(&line, level, context, message);
    if (fields[0] != '\0') {
        append(&line, " ");
        va_start(arguments, fields);
        append_list(&line, fields, arguments);
        va_end(arguments);
    }
    finish_line(&line);
    hand_over(&line);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_limit, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

bool log_level_parse(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}
