/* Streams of sockets that somebody else made: a pair of Unix sockets, one end of which is given to
 * the reactor. The slots are reserved ones; they come back, and when none is left that is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/ring/bed.h"

#define RESERVED 4u

static const struct bed_limits limits = {
    .slots = 64, .reserved_slots = RESERVED, .small_count = 64, .large_count = 4};

struct adopted {
    struct stream stream;
    int other; /* the far end, of blocking calls */
    unsigned received;
    unsigned ended;
    unsigned closed;
};

static struct adopted *of(struct stream *stream)
{
    return container_of(stream, struct adopted, stream);
}

/* Says again what it hears. */
static void received(struct stream *stream, struct chunk *chunk)
{
    of(stream)->received += chunk->size;
    stream_send(stream, chunk);
}

static void ended(struct stream *stream, int error)
{
    assert_int_equal(error, 0);
    of(stream)->ended++;
}

static void failed(struct stream *stream, int error)
{
    (void)stream;
    (void)error;
}

static void closed(struct stream *stream)
{
    of(stream)->closed++;
}

static const struct stream_ops ops = {
    .received = received, .ended = ended, .failed = failed, .closed = closed};

static enum status adopt(struct bed *bed, struct adopted *adopted)
{
    int pair[2];

    *adopted = (struct adopted){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    adopted->other = pair[1];
    return stream_adopt(&adopted->stream, bed->reactor, pair[0], &ops);
}

static void test_bytes_and_ends(void **state)
{
    struct bed *bed = bed_open(&limits, 1);
    struct adopted adopted;
    char text[8] = "";

    (void)state;
    assert_int_equal(adopt(bed, &adopted), STATUS_OK);
    stream_receive(&adopted.stream, RECEIVE_STREAM);
    bed_wait_begins(bed);
    for (int i = 0; i < 10; i++) { /* nothing is there yet, and that is no error */
        bed_step(bed);
        assert_int_equal(adopted.received + adopted.ended, 0);
    }
    assert_int_equal(write(adopted.other, "hello", 5), 5);
    BED_UNTIL(bed, adopted.received == 5 && adopted.stream.queued_bytes == 0);
    assert_int_equal(read(adopted.other, text, sizeof(text)), 5);
    assert_string_equal(text, "hello");
    assert_int_equal(shutdown(adopted.other, SHUT_WR), 0);
    BED_UNTIL(bed, adopted.ended == 1);
    stream_shutdown(&adopted.stream);
    BED_UNTIL(bed, (adopted.stream.flags & STREAM_SHUT) != 0);
    bed_step(bed);
    assert_int_equal(read(adopted.other, text, sizeof(text)), 0);
    stream_close(&adopted.stream);
    BED_UNTIL(bed, adopted.closed == 1);
    assert_int_equal(close(adopted.other), 0);
    bed_close(bed);
}

static void close_adopted(struct bed *bed, struct adopted *adopted)
{
    stream_close(&adopted->stream);
    BED_UNTIL(bed, adopted->closed == 1);
    assert_int_equal(close(adopted->other), 0);
}

/* The far end of one that is refused sees that it is closed. */
static void check_full(struct bed *bed)
{
    struct adopted late;
    char byte;

    assert_int_equal(adopt(bed, &late), STATUS_FULL);
    assert_int_equal(read(late.other, &byte, 1), 0);
    assert_int_equal(close(late.other), 0);
}

static void test_slots_come_back(void **state)
{
    struct bed *bed = bed_open(&limits, 1);
    struct adopted all[RESERVED];
    uint64_t used = bed_counter(&reactor_counters(bed->reactor)->slots_used);

    (void)state;
    for (unsigned i = 0; i < RESERVED; i++)
        assert_int_equal(adopt(bed, &all[i]), STATUS_OK);
    check_full(bed);
    for (unsigned i = 0; i < 1000; i++) {
        close_adopted(bed, &all[i % RESERVED]);
        assert_int_equal(adopt(bed, &all[i % RESERVED]), STATUS_OK);
    }
    check_full(bed);
    for (unsigned i = 0; i < RESERVED; i++)
        close_adopted(bed, &all[i]);
    assert_int_equal(bed_counter(&reactor_counters(bed->reactor)->slots_used), used);
    bed_close(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_and_ends),
        cmocka_unit_test(test_slots_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
