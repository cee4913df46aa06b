/* What recovery makes of a segment that was cut or changed at each of its bytes: it never takes a
 * record for good that wasn't written, never loses one that had been committed before the damage,
 * and tells a torn tail, which is cut, from damage, which is reported and left alone. The numbers
 * always go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/journal/catalog.h"
#include "server/journal/journal.h"
#include "server/journal/scan.h"
#include "server/journal/walk.h"
#include "server/reactor/sim/sim.h"

#define FOLDER "/journal"
#define FIRST  41u
#define COUNT  9u
#define SEED   0x5eed5eedu

/* Groups: 41 | 42 43 44 | 45 | 46 47 48 49. Before each, what came before was committed. */
static const uint64_t committed_before[COUNT] = {40, 41, 41, 41, 44, 45, 45, 45, 45};

struct image {
    uint8_t bytes[2048];
    size_t size;
    size_t ends[COUNT]; /* of each record */
    size_t records_end;
    bool sealed;
};

static const struct journal_config config = {.folder = FOLDER,
                                             .segment_bytes = 1 << 20,
                                             .queue_bytes = 1 << 20,
                                             .retention_bytes = UINT64_MAX};

static void path_of(uint64_t first, uint32_t attempt, char path[static PATH_SIZE])
{
    struct segment segment = {.first = first, .attempt = attempt};
    segment_file_path(FOLDER, &segment, path);
}

static void payload_of(uint64_t sequence, uint8_t payload[static 32], uint32_t *size)
{
    *size = 1 + (uint32_t)(sequence * 7 % 31);
    memset(payload, (int)sequence, 32);
}

static void append(struct image *image, const struct record *record)
{
    record_encode(SEED, record, image->bytes + image->size);
    image->size += record_size(record->size);
}

static void make_image(struct image *image, bool sealed)
{
    struct segment_header header = {
        .first_sequence = FIRST, .created_utc_ms = 1700000000000, .seed = SEED};
    memset(image, 0, sizeof *image);
    segment_header_encode(&header, image->bytes);
    image->size = SEGMENT_HEADER_SIZE;
    for (unsigned i = 0; i < COUNT; i++) {
        uint8_t payload[32];
        struct record record = {.sequence = FIRST + i,
                                .committed = committed_before[i],
                                .kind = JOURNAL_EVENT,
                                .payload = payload};
        payload_of(record.sequence, payload, &record.size);
        append(image, &record);
        image->ends[i] = image->size;
    }
    image->records_end = image->size;
    image->sealed = sealed;
    struct record seal = {.sequence = FIRST + COUNT, .committed = FIRST + COUNT - 1};
    if (sealed)
        append(image, &seal);
}

#define BATCH 4u /* 41 42 43 44; then 45 | 46 47 48 49 as above */

/* The same records, the first of them a batch. */
static void make_batch_image(struct image *image, bool sealed)
{
    struct segment_header header = {
        .first_sequence = FIRST, .created_utc_ms = 1700000000000, .seed = SEED, .batch = BATCH};
    make_image(image, sealed);
    segment_header_encode(&header, image->bytes);
    for (unsigned i = 0; i < BATCH; i++) {
        uint8_t payload[32];
        struct record record = {.sequence = i, .kind = JOURNAL_EVENT, .payload = payload};
        payload_of(FIRST + i, payload, &record.size);
        record_encode(SEED, &record,
                      image->bytes + (i == 0 ? SEGMENT_HEADER_SIZE : image->ends[i - 1]));
    }
}

/* The records that are whole before offset. */
static unsigned whole_before(const struct image *image, size_t offset)
{
    unsigned count = 0;
    while (count < COUNT && image->ends[count] <= offset)
        count++;
    return count;
}

/* Was the record with this index surely committed, so far as later ones from `next` on tell? */
static bool is_told_committed(const struct image *image, unsigned index)
{
    uint64_t sequence = FIRST + index;
    bool told = image->sealed;
    for (unsigned later = index + 1; later < COUNT; later++)
        told = told || committed_before[later] >= sequence;
    return told;
}

static void check_record(const struct journal_record *record, void *context)
{
    unsigned *count = context;
    uint8_t payload[32];
    uint32_t size;
    payload_of(record->sequence, payload, &size);
    assert_int_equal(record->sequence, FIRST + *count);
    assert_int_equal(record->size, size);
    assert_memory_equal(record->data, payload, size);
    ++*count;
}

/* Recovers; the number of records then, or -1: it says that the journal is damaged, and the file is
 * as it was. */
static int recover_bytes(struct sim *sim, const uint8_t *bytes, size_t size, uint64_t *torn)
{
    struct journal *journal = NULL;
    struct journal_recovery recovery;
    struct journal_error error;
    char path[PATH_SIZE];
    size_t size_now;
    unsigned count = 0;
    path_of(FIRST, 0, path);
    sim_file_put(sim, path, bytes, size);
    enum status status = journal_open(&config, &journal, &recovery, &error);
    if (status == STATUS_INVALID) {
        assert_non_null(strstr(error.text, path));
        assert_non_null(strstr(error.text, "offset"));
        const uint8_t *now = sim_file_content(sim, path, &size_now);
        assert_int_equal(size_now, size);
        assert_memory_equal(now, bytes, size);
        return -1;
    }
    assert_int_equal(status, STATUS_OK);
    *torn = recovery.torn_bytes;
    assert_int_equal(journal_walk(journal, 1, check_record, &count, &error), STATUS_OK);
    assert_int_equal(recovery.last_sequence, FIRST - 1 + count);
    journal_free(journal);
    /* and again: nothing is torn any more, nothing has changed */
    assert_int_equal(journal_open(&config, &journal, &recovery, &error), STATUS_OK);
    assert_int_equal(recovery.last_sequence, FIRST - 1 + count);
    if (count > 0)
        assert_int_equal(recovery.torn_bytes, 0);
    journal_free(journal);
    return (int)count;
}

static struct sim *calm_sim(void)
{
    struct sim_options options;
    sim_options_calm(&options, 1);
    return sim_create(&options);
}

static void a_cut_segment_keeps_what_is_whole(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    for (int sealed = 0; sealed < 2; sealed++) {
        struct image image;
        make_image(&image, sealed);
        for (size_t size = 0; size <= image.size; size++) {
            uint64_t torn = 0;
            unsigned whole = whole_before(&image, size);
            assert_int_equal(recover_bytes(sim, image.bytes, size, &torn), whole);
            size_t end = whole > 0 ? image.ends[whole - 1] : 0;
            if (size == image.size || whole == 0)
                continue;
            assert_int_equal(torn, size - end);
        }
    }
    sim_destroy(sim);
}

/* Changes one byte, or a stretch from there to the end of a sector, as a disk does. */
static void damage(struct image *image, size_t at, unsigned manner)
{
    size_t end = manner == 0 ? at + 1 : (at | 63) + 1;
    for (size_t i = at; i < end && i < image->size; i++)
        image->bytes[i] = manner == 1 ? 0 : (uint8_t)(image->bytes[i] ^ 0x5a);
}

/* It was on the disk before the segment had its name: what is missing was there. */
static void a_cut_batch_is_damage(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    for (int sealed = 0; sealed < 2; sealed++) {
        struct image image;
        make_batch_image(&image, sealed);
        for (size_t size = SEGMENT_HEADER_SIZE; size <= image.size; size++) {
            uint64_t torn = 0;
            unsigned whole = whole_before(&image, size);
            int expected = whole < BATCH ? -1 : (int)whole;
            assert_int_equal(recover_bytes(sim, image.bytes, size, &torn), expected);
        }
    }
    sim_destroy(sim);
}

static unsigned index_of_byte(const struct image *image, size_t at)
{
    unsigned index = 0;
    while (index < COUNT && image->ends[index] <= at)
        index++;
    return index;
}

static void damage_is_told_from_a_torn_tail(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    unsigned reported = 0;
    unsigned cut = 0;
    for (unsigned which = 0; which < 6; which++) {
        struct image good;
        make_image(&good, which % 2 == 1);
        for (size_t at = SEGMENT_HEADER_SIZE; at < good.size; at++) {
            uint64_t torn = 0;
            struct image bad = good;
            damage(&bad, at, which / 2);
            unsigned first_bad = index_of_byte(&good, at);
            int got = recover_bytes(sim, bad.bytes, bad.size, &torn);
            reported += got < 0;
            cut += got >= 0 && (unsigned)got < COUNT;
            if (which / 2 > 0) {
                /* what tells may be damaged, too; still nothing is made up, nothing before lost */
                assert_true(got < 0 || (unsigned)got >= first_bad);
                continue;
            }
            bool padding = first_bad < COUNT && got == (int)COUNT;
            if (padding || first_bad == COUNT)
                assert_int_equal(got, COUNT); /* zeros behind a payload, or the seal */
            else if (is_told_committed(&good, first_bad))
                assert_int_equal(got, -1);
            else
                assert_int_equal(got, first_bad);
        }
    }
    assert_true(reported > 0 && cut > 0);
    sim_destroy(sim);
}

static void damage_in_a_batch_is_told(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    struct image good;
    make_batch_image(&good, false);
    for (size_t at = 0; at < good.size; at++) {
        uint64_t torn = 0;
        struct image bad = good;
        damage(&bad, at, 0);
        unsigned first_bad = index_of_byte(&good, at);
        int got = recover_bytes(sim, bad.bytes, bad.size, &torn);
        bool told =
            at < SEGMENT_HEADER_SIZE || first_bad < BATCH || is_told_committed(&good, first_bad);
        if (got != (int)COUNT) /* zeros behind a payload */
            assert_int_equal(got, told ? -1 : (int)first_bad);
    }
    sim_destroy(sim);
}

/* What is left of one that never became a segment. */
static void a_batch_that_was_not_committed_is_removed(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    struct image image;
    uint64_t torn = 0;
    size_t size;
    make_batch_image(&image, false);
    sim_file_put(sim, FOLDER "/batch.new", image.bytes, image.size);
    make_image(&image, false);
    assert_int_equal(recover_bytes(sim, image.bytes, image.size, &torn), COUNT);
    assert_null(sim_file_content(sim, FOLDER "/batch.new", &size));
    sim_destroy(sim);
}

static void a_damaged_header_is_damage_if_records_follow(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    for (size_t at = 0; at < SEGMENT_HEADER_SIZE; at++) {
        uint64_t torn = 0;
        struct image image;
        make_image(&image, false);
        damage(&image, at, 0);
        assert_int_equal(recover_bytes(sim, image.bytes, image.size, &torn), -1);
        assert_int_equal(recover_bytes(sim, image.bytes, SEGMENT_HEADER_SIZE, &torn), 0);
    }
    sim_destroy(sim);
}

/* A group whose pages came to the disk in another order: the first is missing, a later one is there
 * and says nothing about it. */
static void a_hole_in_the_last_group_is_torn(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    struct image image;
    uint64_t torn = 0;
    make_image(&image, false);
    memset(image.bytes + image.ends[4], 0, image.ends[5] - image.ends[4]);
    assert_int_equal(recover_bytes(sim, image.bytes, image.size, &torn), 5);
    assert_int_equal(torn, image.size - image.ends[4]);
    memset(image.bytes + image.ends[3], 0, image.ends[4] - image.ends[3]);
    assert_int_equal(recover_bytes(sim, image.bytes, image.size, &torn), -1);
    sim_destroy(sim);
}

/* A device sent bytes that look like a record, in a push whose own record was torn. If they passed
 * for one, they would make damage of it, and the server would not start. */
static void a_record_in_a_payload_is_none(void **state)
{
    (void)state;
    static const uint8_t text[8] = "forged";
    struct sim *sim = calm_sim();
    struct record forged = {.sequence = FIRST + COUNT + 9,
                            .committed = FIRST + COUNT + 8,
                            .kind = JOURNAL_EVENT,
                            .payload = text,
                            .size = sizeof text};
    for (unsigned right = 0; right < 2; right++) {
        struct image image;
        uint64_t torn = 0;
        uint8_t inner[64];
        make_image(&image, false);
        record_encode(right ? SEED : SEED - 1, &forged, inner);
        struct record push = {.sequence = FIRST + COUNT,
                              .committed = FIRST + COUNT - 1,
                              .kind = JOURNAL_EVENT,
                              .payload = inner,
                              .size = (uint32_t)record_size(forged.size)};
        append(&image, &push);
        image.bytes[image.records_end] ^= 1;
        assert_int_equal(recover_bytes(sim, image.bytes, image.size, &torn),
                         right ? -1 : (int)COUNT);
    }
    sim_destroy(sim);
}

/* The next records of another segment, which had these blocks of the disk before. */
static void what_another_segment_left_is_torn(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    struct image image;
    uint64_t torn = 0;
    make_image(&image, false);
    for (unsigned i = 0; i < 3; i++) {
        struct record left = {.sequence = FIRST + COUNT + i,
                              .committed = FIRST + COUNT + i - 1,
                              .kind = JOURNAL_EVENT,
                              .payload = (const uint8_t *)"left",
                              .size = 4};
        record_encode(SEED + 1, &left, image.bytes + image.size);
        image.size += record_size(left.size);
    }
    assert_int_equal(recover_bytes(sim, image.bytes, image.size, &torn), COUNT);
    assert_int_equal(torn, image.size - image.records_end);
    sim_destroy(sim);
}

/* Records 46.. were written, their sync failed, a new segment was begun for them, and that is all.
 * They may be readable, but the disk may not have them. */
static void what_a_later_file_takes_over_is_not_recovered(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    struct image image;
    struct journal *journal = NULL;
    struct journal_recovery recovery;
    struct journal_error error;
    char path[PATH_SIZE];
    unsigned count = 0;
    make_image(&image, false);
    path_of(FIRST, 0, path);
    sim_file_put(sim, path, image.bytes, image.size);
    path_of(46, 0, path);
    sim_file_put(sim, path, (const uint8_t *)"", 0);
    assert_int_equal(journal_open(&config, &journal, &recovery, &error), STATUS_OK);
    assert_int_equal(recovery.first_sequence, FIRST);
    assert_int_equal(recovery.last_sequence, 45);
    assert_int_equal(journal_walk(journal, 1, check_record, &count, &error), STATUS_OK);
    assert_int_equal(count, 5);
    journal_free(journal);
    sim_destroy(sim);
}

/* All older segments were let go, and the last one is empty: the numbers are not given out twice,
 * however often it is started. */
static void numbers_go_on_from_an_empty_segment(void **state)
{
    (void)state;
    struct sim *sim = calm_sim();
    char path[PATH_SIZE];
    path_of(1001, 0, path);
    sim_file_put(sim, path, (const uint8_t *)"", 0);
    path_of(1001, 1, path);
    sim_file_put(sim, path, (const uint8_t *)"CENC", 4);
    for (unsigned start = 0; start < 3; start++) {
        struct journal *journal;
        struct journal_recovery recovery;
        struct journal_error error;
        assert_int_equal(journal_open(&config, &journal, &recovery, &error), STATUS_OK);
        assert_int_equal(recovery.last_sequence, 1000);
        assert_int_equal(journal_committed(journal), 1000);
        journal_free(journal);
    }
    sim_destroy(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_segment_keeps_what_is_whole),
        cmocka_unit_test(damage_is_told_from_a_torn_tail),
        cmocka_unit_test(a_damaged_header_is_damage_if_records_follow),
        cmocka_unit_test(a_cut_batch_is_damage),
        cmocka_unit_test(damage_in_a_batch_is_told),
        cmocka_unit_test(a_batch_that_was_not_committed_is_removed),
        cmocka_unit_test(a_hole_in_the_last_group_is_torn),
        cmocka_unit_test(a_record_in_a_payload_is_none),
        cmocka_unit_test(what_another_segment_left_is_torn),
        cmocka_unit_test(what_a_later_file_takes_over_is_not_recovered),
        cmocka_unit_test(numbers_go_on_from_an_empty_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
