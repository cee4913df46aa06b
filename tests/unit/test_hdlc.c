/* Frames of IEC 62056-46: vectors of both directions, every address size, every cut of a stream,
 * noise between frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/cosem/hdlc.h"
#include "tests/hex.h"

#define SNRM "7EA0070321930F017E"
#define AARQ                                                                                       \
    "7EA02B032110FBAFE6E600601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0CAEA7E"
#define GET_NAME "7EA0190321326FD8E6E600C001C1000100002A0000FF020012807E"

static const struct hdlc_address meter = {.upper = 1, .size = 1};
static const struct hdlc_address public_client = {.upper = 16, .size = 1};

static struct hdlc_frame decoded(const char *text, uint8_t *bytes, size_t capacity)
{
    struct hdlc_frame frame;
    size_t size = hex_bytes(text, bytes, capacity);

    assert_int_equal(hdlc_decode(bytes, size, &frame), CODEC_OK);
    return frame;
}

static void assert_encodes_to(const struct hdlc_frame *frame, const char *text)
{
    uint8_t expected[256];
    uint8_t out[256];
    size_t expected_size = hex_bytes(text, expected, sizeof(expected));
    size_t size = 0;

    assert_int_equal(hdlc_encode(frame, out, sizeof(out), &size), CODEC_OK);
    assert_int_equal(size, expected_size);
    assert_memory_equal(out, expected, size);
    for (size_t capacity = 0; capacity < expected_size; capacity++)
        assert_int_equal(hdlc_encode(frame, out, capacity, &size), CODEC_FULL);
}

static void crc_is_x25(void **state)
{
    (void)state;
    assert_int_equal(hdlc_crc((const uint8_t *)"123456789", 9), 0x906E);
}

static void snrm_both_ways(void **state)
{
    uint8_t bytes[64];
    struct hdlc_frame frame = decoded(SNRM, bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(frame.kind, HDLC_SNRM);
    assert_true(frame.poll_final);
    assert_false(frame.segmented);
    assert_int_equal(frame.destination.upper, 1);
    assert_int_equal(frame.destination.size, 1);
    assert_int_equal(frame.source.upper, 16);
    assert_int_equal(frame.information_size, 0);
    assert_encodes_to(&frame, SNRM);
}

static void information_frames_both_ways(void **state)
{
    uint8_t bytes[64];
    struct hdlc_frame frame = decoded(AARQ, bytes, sizeof(bytes));
    const uint8_t *apdu = NULL;
    size_t size = 0;

    (void)state;
    assert_int_equal(frame.kind, HDLC_I);
    assert_int_equal(frame.send_sequence, 0);
    assert_int_equal(frame.receive_sequence, 0);
    assert_true(hdlc_skip_llc(&frame, &apdu, &size));
    assert_int_equal(size, 31);
    assert_int_equal(apdu[0], 0x60);
    assert_encodes_to(&frame, AARQ);

    frame = decoded(GET_NAME, bytes, sizeof(bytes));
    assert_int_equal(frame.send_sequence, 1);
    assert_int_equal(frame.receive_sequence, 1);
    assert_encodes_to(&frame, GET_NAME);
}

/* Each kind, with its sequences and flags, comes back as it went. */
static void every_kind_comes_back(void **state)
{
    (void)state;
    for (int kind = HDLC_I; kind < HDLC_UNKNOWN; kind++) {
        for (uint8_t sequence = 0; sequence < 8; sequence++) {
            struct hdlc_frame frame = {
                .destination = public_client,
                .source = meter,
                .kind = (enum hdlc_kind)kind,
                .poll_final = sequence % 2 == 0,
                .segmented = sequence % 3 == 0,
            };
            struct hdlc_frame back;
            uint8_t bytes[64];
            size_t size = 0;

            if (kind == HDLC_I)
                frame.send_sequence = (uint8_t)(7 - sequence);
            if (kind == HDLC_I || kind == HDLC_RR || kind == HDLC_RNR)
                frame.receive_sequence = sequence;
            assert_int_equal(hdlc_encode(&frame, bytes, sizeof(bytes), &size), CODEC_OK);
            assert_int_equal(hdlc_decode(bytes, size, &back), CODEC_OK);
            assert_int_equal(back.kind, frame.kind);
            assert_int_equal(back.poll_final, frame.poll_final);
            assert_int_equal(back.segmented, frame.segmented);
            assert_int_equal(back.send_sequence, frame.send_sequence);
            assert_int_equal(back.receive_sequence, frame.receive_sequence);
        }
    }
}

static bool same_address(struct hdlc_address one, struct hdlc_address other)
{
    return one.upper == other.upper && one.lower == other.lower && one.size == other.size;
}

static void every_address_size_comes_back(void **state)
{
    static const struct hdlc_address addresses[] = {
        {.upper = 0, .size = 1},
        {.upper = 127, .size = 1},
        {.upper = 1, .lower = 17, .size = 2},
        {.upper = 127, .lower = 127, .size = 2},
        {.upper = 1, .lower = 5678, .size = 4},
        {.upper = 16383, .lower = 16383, .size = 4},
        {.upper = 0, .lower = 0, .size = 4},
    };
    const size_t count = sizeof(addresses) / sizeof(addresses[0]);

    (void)state;
    for (size_t i = 0; i < count * count; i++) {
        struct hdlc_frame frame = {
            .destination = addresses[i / count],
            .source = addresses[i % count],
            .kind = HDLC_I,
            .information = (const uint8_t *)"~~~",
            .information_size = 3,
        };
        struct hdlc_frame back;
        uint8_t bytes[64];
        size_t size = 0;

        assert_int_equal(hdlc_encode(&frame, bytes, sizeof(bytes), &size), CODEC_OK);
        assert_int_equal(hdlc_decode(bytes, size, &back), CODEC_OK);
        assert_true(same_address(back.destination, frame.destination));
        assert_true(same_address(back.source, frame.source));
        assert_memory_equal(back.information, "~~~", 3);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    static uint8_t information[HDLC_MAX_FRAME];
    static uint8_t out[HDLC_MAX_FRAME + 16];
    struct hdlc_frame frame = {.destination = {.upper = 1, .lower = 2, .size = 4},
                               .source = {.upper = 3, .lower = 4, .size = 4},
                               .kind = HDLC_I,
                               .information = information,
                               .information_size = HDLC_MAX_INFORMATION};
    struct hdlc_frame back;
    size_t size = 0;

    (void)state;
    assert_int_equal(hdlc_encode(&frame, out, sizeof(out), &size), CODEC_OK);
    assert_int_equal(size, HDLC_MAX_FRAME);
    assert_int_equal(hdlc_decode(out, size, &back), CODEC_OK);
    assert_int_equal(back.information_size, HDLC_MAX_INFORMATION);
    frame.information_size++;
    assert_int_equal(hdlc_encode(&frame, out, sizeof(out), &size), CODEC_FULL);

    frame.information_size = 0;
    frame.send_sequence = 8;
    assert_int_equal(hdlc_encode(&frame, out, sizeof(out), &size), CODEC_INVALID);
    frame.send_sequence = 0;
    frame.source = (struct hdlc_address){.upper = 128, .size = 1};
    assert_int_equal(hdlc_encode(&frame, out, sizeof(out), &size), CODEC_INVALID);
    frame.source = (struct hdlc_address){.upper = 1, .size = 3};
    assert_int_equal(hdlc_encode(&frame, out, sizeof(out), &size), CODEC_INVALID);
    frame.source = public_client;
    frame.kind = HDLC_UNKNOWN;
    assert_int_equal(hdlc_encode(&frame, out, sizeof(out), &size), CODEC_INVALID);
}

/* One wrong bit anywhere is found, and so is a missing byte. */
static void damage_is_found(void **state)
{
    uint8_t bytes[64];
    size_t size = hex_bytes(AARQ, bytes, sizeof(bytes));
    struct hdlc_frame frame;

    (void)state;
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(hdlc_decode(bytes, size, &frame), CODEC_INVALID);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t part = 0; part < size; part++)
        assert_int_equal(hdlc_decode(bytes, part, &frame), CODEC_INVALID);
    assert_int_equal(hdlc_decode(bytes, size, &frame), CODEC_OK);
}

static void parameters_both_ways(void **state)
{
    const struct hdlc_parameters asked = {512, 128, 1, 7};
    struct hdlc_parameters back;
    uint8_t bytes[64];
    size_t size = 0;

    (void)state;
    assert_int_equal(hdlc_parameters_encode(&asked, bytes, sizeof(bytes), &size), CODEC_OK);
    assert_int_equal(hdlc_parameters_decode(bytes, size, &back), CODEC_OK);
    assert_memory_equal(&asked, &back, sizeof(back));
    assert_int_equal(hdlc_parameters_encode(&asked, bytes, HDLC_PARAMETERS_SIZE - 2, &size),
                     CODEC_FULL);

    /* the example of the standard */
    size = hex_bytes("8180120501800601800704000000010804000000 01", bytes, sizeof(bytes));
    assert_int_equal(hdlc_parameters_decode(bytes, size, &back), CODEC_OK);
    assert_int_equal(back.transmit_information, 128);
    assert_int_equal(back.receive_window, 1);

    assert_int_equal(hdlc_parameters_decode(NULL, 0, &back), CODEC_OK);
    assert_int_equal(back.receive_information, HDLC_DEFAULT_INFORMATION);
    size = hex_bytes("818004050300", bytes, sizeof(bytes));
    assert_int_equal(hdlc_parameters_decode(bytes, size, &back), CODEC_INVALID);
    size = hex_bytes("818003070108", bytes, sizeof(bytes));
    assert_int_equal(hdlc_parameters_decode(bytes, size, &back), CODEC_INVALID);
}

/* ---- scanner ---- */

struct heard {
    size_t frames;
    uint16_t crc; /* over all frames: what they were */
};

static void feed(struct hdlc_scanner *scanner, const uint8_t *data, size_t size,
                 struct heard *heard)
{
    size_t at = 0;

    do {
        struct hdlc_frame frame;
        bool found = false;

        at += hdlc_scanner_feed(scanner, data + at, size - at, &frame, &found);
        if (found) {
            uint8_t copy[HDLC_MAX_FRAME + 2];
            size_t copy_size = 0;

            assert_int_equal(hdlc_encode(&frame, copy + 2, sizeof(copy) - 2, &copy_size), CODEC_OK);
            copy[0] = (uint8_t)(heard->crc >> 8);
            copy[1] = (uint8_t)heard->crc;
            heard->crc = hdlc_crc(copy, copy_size + 2);
            heard->frames++;
        } else {
            assert_int_equal(at, size);
        }
    } while (at < size);
}

/* A stream with everything that a line does: noise, a shared flag, several flags, a damaged frame,
 * a frame that was cut off by the next one. */
static const char stream[] = "00FF7E41 " SNRM " " AARQ " 7E7E "
                             "A0190321326FD8E6E600C001C1000100002A0000FF020012807E"
                             "A0070321930F017E "                      /* shares the flag */
                             "7EA0190321326FD8E6E600C001C10001000029" /* cut off */
    SNRM " 7EA0070321930F027E "                                       /* wrong FCS */
                             "B5BCBDBEBF " GET_NAME;
#define STREAM_FRAMES 6

static void stream_in_every_cut(void **state)
{
    static struct hdlc_scanner scanner;
    uint8_t bytes[512];
    size_t size = hex_bytes(stream, bytes, sizeof(bytes));
    struct heard whole = {0};

    (void)state;
    feed(&scanner, bytes, size, &whole);
    assert_int_equal(whole.frames, STREAM_FRAMES);
    assert_true(scanner.dropped_bytes > 0);
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second += 7) {
            struct heard heard = {0};

            memset(&scanner, 0, sizeof(scanner));
            feed(&scanner, bytes, first, &heard);
            feed(&scanner, bytes + first, second - first, &heard);
            feed(&scanner, bytes + second, size - second, &heard);
            assert_int_equal(heard.frames, whole.frames);
            assert_int_equal(heard.crc, whole.crc);
        }
    }
}

static void stream_byte_by_byte(void **state)
{
    static struct hdlc_scanner scanner;
    uint8_t bytes[512];
    size_t size = hex_bytes(stream, bytes, sizeof(bytes));
    struct heard heard = {0};

    (void)state;
    for (size_t at = 0; at < size; at++)
        feed(&scanner, bytes + at, 1, &heard);
    assert_int_equal(heard.frames, STREAM_FRAMES);
}

/* The frame is given out with its last byte, not with the one after it. */
static void frame_comes_with_its_last_byte(void **state)
{
    static struct hdlc_scanner scanner;
    uint8_t bytes[64];
    size_t size = hex_bytes(SNRM, bytes, sizeof(bytes));
    struct heard heard = {0};

    (void)state;
    feed(&scanner, bytes, size - 1, &heard);
    assert_int_equal(heard.frames, 0);
    feed(&scanner, bytes + size - 1, 1, &heard);
    assert_int_equal(heard.frames, 1);
    assert_int_equal(scanner.dropped_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_x25),
        cmocka_unit_test(snrm_both_ways),
        cmocka_unit_test(information_frames_both_ways),
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(every_address_size_comes_back),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(parameters_both_ways),
        cmocka_unit_test(stream_in_every_cut),
        cmocka_unit_test(stream_byte_by_byte),
        cmocka_unit_test(frame_comes_with_its_last_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
