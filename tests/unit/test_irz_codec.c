/* The iRZ codec by itself: hello, mask, greeting, frames. What the plugin makes of whole
 * connections is tested in tests/frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/modem/irz.h"
#include "tests/hex.h"

/* captured from an ATM21, the password masked */
#define ATM21                                                                                      \
    "AT$IMEI=868441036757234,PSW=****,TYP=ATM,DEV=ATM21,VER=01,REV=04,BLD=024.254,HDW=2.0,SIM=0,"  \
    "CSQ=16,ATP=1.1,INT=485+232,"

static enum irz_hello_result parse(const char *text, struct irz_hello *hello, size_t *consumed)
{
    size_t size = strlen(text);
    uint8_t *copy = malloc(size > 0 ? size : 1); /* of its size, so that overreads are seen */
    enum irz_hello_result result;
    const char *why = NULL;

    assert_non_null(copy);
    for (size_t i = 0; i < size; i++)
        copy[i] = (uint8_t)text[i];
    *consumed = 0;
    result = irz_hello_parse(copy, size, hello, consumed, &why);
    assert_true((result == IRZ_HELLO_NOT_MINE) == (why != NULL));
    assert_true(*consumed <= size);
    free(copy);
    return result;
}

static void hello_of_an_atm21(void **state)
{
    struct irz_hello hello;
    size_t consumed;

    (void)state;
    assert_int_equal(parse(ATM21, &hello, &consumed), IRZ_HELLO_MAYBE);
    assert_int_equal(consumed, strlen(ATM21));
    assert_string_equal(hello.imei, "868441036757234");
    assert_string_equal(hello.device, "ATM21");
    assert_string_equal(hello.version, "01");
    assert_string_equal(hello.revision, "04");
    assert_string_equal(hello.build, "024.254");
    assert_string_equal(hello.hardware, "2.0");
    assert_string_equal(hello.interfaces, "485+232");
    assert_int_equal(hello.csq, 16);
    assert_int_equal(hello.sim, 0);
    assert_false(hello.has_colprot);
    assert_true(hello.has_password);
}

static void hello_ends(void **state)
{
    static const struct {
        const char *text;
        enum irz_hello_result result;
        size_t left; /* bytes that don't belong to the hello */
    } cases[] = {
        {"AT$IMEI=1,", IRZ_HELLO_MAYBE, 0},
        {"AT$IMEI=1,\n", IRZ_HELLO_COMPLETE, 0},
        {"AT$IMEI=1,\r", IRZ_HELLO_MAYBE, 0},
        {"AT$IMEI=1,\r\n", IRZ_HELLO_COMPLETE, 0},
        {"AT$IMEI=1,\r\n\r\n", IRZ_HELLO_COMPLETE, 2},
        {"AT$IMEI=1,\rx", IRZ_HELLO_COMPLETE, 1},
        {"AT$IMEI=1\r\n", IRZ_HELLO_COMPLETE, 0},
        {"AT$IMEI=1,INT=485\n~", IRZ_HELLO_COMPLETE, 1},
        {"AT$IMEI=1,\xB5\xBC", IRZ_HELLO_COMPLETE, 2},
        {"AT$IMEI=1,INT=485\xB5\xBC", IRZ_HELLO_COMPLETE, 2},
        {"AT$IMEI=1,~\xA0", IRZ_HELLO_COMPLETE, 2},
        {"AT$IMEI=1,/EKT5CE301", IRZ_HELLO_COMPLETE, 10},
        {"AT$IMEI=1,h\x10\x10h", IRZ_HELLO_COMPLETE, 4},
        {"AT$IMEI=1,TYP", IRZ_HELLO_NEED_MORE, 0},
        {"AT$IMEI=1,TYP=", IRZ_HELLO_NEED_MORE, 0},
        {"AT$IMEI=1,TYP=ATM", IRZ_HELLO_NEED_MORE, 0},
        {"AT$IMEI=1", IRZ_HELLO_NEED_MORE, 0},
        {"AT$IM", IRZ_HELLO_NEED_MORE, 0},
        {"", IRZ_HELLO_NEED_MORE, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct irz_hello hello;
        size_t consumed;

        assert_int_equal(parse(cases[i].text, &hello, &consumed), cases[i].result);
        if (cases[i].result != IRZ_HELLO_NEED_MORE) {
            assert_int_equal(consumed, strlen(cases[i].text) - cases[i].left);
            assert_string_equal(hello.imei, "1");
        }
    }
}

static void imei_is_checked(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"AT$IMEI=1234567890123456,", true}, /* sixteen digits, as an emulator sends */
        {"AT$IMEI=a,", true},
        {"AT$IMEI=0123456789abcdefghijABCDEFGHIJK,", true},   /* 31 */
        {"AT$IMEI=0123456789abcdefghijABCDEFGHIJKL,", false}, /* 32 */
        {"AT$IMEI=0123456789abcdefghijABCDEFGHIJKL", false},  /* known before its end comes */
        {"AT$IMEI=,", false},
        {"AT$IMEI=\n", false},
        {"AT$IMEI=12 34,", false},
        {"AT$IMEI=12-34,", false},
        {"AT$IMEI=\xD0\x90,", false},
        {"AT$IMEI=../../etc,", false},
        {"AT$IMEI=\"1\",", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct irz_hello hello;
        size_t consumed;

        assert_int_equal(parse(cases[i].text, &hello, &consumed),
                         cases[i].good ? IRZ_HELLO_MAYBE : IRZ_HELLO_NOT_MINE);
    }
}

static void other_bytes_are_not_mine(void **state)
{
    static const char *const texts[] = {"~",       "\xB5\xBC\xBD\xBE\xBF", "AT+CSQ", "at$imei=1,",
                                        "/?!\r\n", " AT$IMEI=1,"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct irz_hello hello;
        size_t consumed;

        assert_int_equal(parse(texts[i], &hello, &consumed), IRZ_HELLO_NOT_MINE);
    }
}

static void long_hellos_are_declined(void **state)
{
    char text[2 * IRZ_MAX_HELLO] = "AT$IMEI=1,PSW=";
    struct irz_hello hello;
    size_t consumed;

    (void)state;
    memset(text + strlen(text), 'x', IRZ_MAX_HELLO - strlen(text));
    assert_int_equal(strlen(text), IRZ_MAX_HELLO);
    assert_int_equal(parse(text, &hello, &consumed), IRZ_HELLO_NEED_MORE);
    text[IRZ_MAX_HELLO] = 'x';
    assert_int_equal(parse(text, &hello, &consumed), IRZ_HELLO_NOT_MINE);
    /* but what follows a hello may be of any length */
    text[12] = '\n';
    assert_int_equal(parse(text, &hello, &consumed), IRZ_HELLO_COMPLETE);
}

static void keys_repeated_unknown_and_cut(void **state)
{
    struct irz_hello hello;
    size_t consumed;

    (void)state;
    assert_int_equal(parse("AT$IMEI=1,DEV=one,DEV=two,IMEI=2,FOO=bar,csq=7,SIM=1,COLPROT=1.3,"
                           "HDW=0123456789012345678901234567890123456789,\n",
                           &hello, &consumed),
                     IRZ_HELLO_COMPLETE);
    assert_string_equal(hello.imei, "1");
    assert_string_equal(hello.device, "one");
    assert_string_equal(hello.hardware, "01234567890123456789012");
    assert_int_equal(hello.csq, 7);
    assert_int_equal(hello.sim, 1);
    assert_true(hello.has_colprot);
    assert_string_equal(hello.colprot, "1.3");
    assert_int_equal(parse("AT$IMEI=1,CSQ=99,\n", &hello, &consumed), IRZ_HELLO_COMPLETE);
    assert_int_equal(hello.csq, IRZ_CSQ_UNKNOWN);
    assert_int_equal(parse("AT$IMEI=1,CSQ=-1,\n", &hello, &consumed), IRZ_HELLO_COMPLETE);
    assert_int_equal(hello.csq, IRZ_CSQ_UNKNOWN);
}

/* Whatever a password holds, it stays part of the hello and stands in none of its values. */
static void passwords_are_skipped(void **state)
{
    static const char *const passwords[] = {"secret",         "",           "sec,ret",
                                            "se\xD0\xBA,ret", "a=secret",   "secret,,",
                                            "sec ret",        "\x01secret", "AT$IMEI=secret"};

    (void)state;
    for (size_t i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++) {
        struct irz_hello hello;
        char text[128];
        size_t consumed;

        (void)snprintf(text, sizeof(text), "AT$IMEI=1,PSW=%s,TYP=ATM,DEV=ATM31,\n", passwords[i]);
        assert_int_equal(parse(text, &hello, &consumed), IRZ_HELLO_COMPLETE);
        assert_int_equal(consumed, strlen(text));
        assert_string_equal(hello.device, "ATM31");
        assert_true(hello.has_password);
        assert_null(memmem(&hello, sizeof(hello), "secret", 6));
    }
}

static void mask_blanks_passwords(void **state)
{
    static const struct {
        const char *text;
        const char *masked;
    } cases[] = {
        {"AT$IMEI=1,PSW=secret,TYP=ATM,", "AT$IMEI=1,PSW=******,TYP=ATM,"},
        {"AT$IMEI=1,psw=secret,TYP=ATM,", "AT$IMEI=1,psw=******,TYP=ATM,"},
        {"PsW=a", "PsW=*"},
        {"PSW=", "PSW="},
        {"PSW=,TYP=ATM", "PSW=,TYP=ATM"},
        {"PSW=sec,ret,TYP=ATM", "PSW=*******,TYP=ATM"},
        {"PSW=sec,ret", "PSW=*******"},
        {"PSW=one,PSW=two,PSW=three\r\nPSW=four", "PSW=***,PSW=***,PSW=*****\r\nPSW=****"},
        {"PSW=PSW=x", "PSW=*****"},
        {"PSW=\xFF\x01\x02,A=", "PSW=***,A="},
        {"PS=secret,XPSW=secret", "PS=secret,XPSW=******"},
        {"psw", "psw"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%s", cases[i].text);
        irz_mask((uint8_t *)text, strlen(text));
        assert_string_equal(text, cases[i].masked);
    }
}

/* However much of a hello is kept, no part of the password shows. */
static void mask_works_on_every_part(void **state)
{
    static const char text[] = "AT$IMEI=1,PSW=qwzyx,TYP=ATM,";

    (void)state;
    for (size_t size = 0; size < sizeof(text); size++) {
        char part[sizeof(text)];

        memcpy(part, text, size);
        irz_mask((uint8_t *)part, size);
        for (size_t i = 0; i < size; i++)
            assert_null(memchr("qwzyx", part[i], 5));
    }
}

static void greeting_tells_the_date(void **state)
{
    static const struct {
        uint64_t utc_ms;
        const char *text;
    } cases[] = {
        {1792067400000, "20261015123000,MOD=DAT,\r"}, {0, "19700101000000,MOD=DAT,\r"},
        {951782399999, "20000228235959,MOD=DAT,\r"},  {951782400000, "20000229000000,MOD=DAT,\r"},
        {UINT64_MAX, "99991231235959,MOD=DAT,\r"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t out[IRZ_GREETING_SIZE + 1] = {0};

        irz_greeting(cases[i].utc_ms, out);
        assert_string_equal((char *)out, cases[i].text);
    }
}

/* ---- encapsulation ---- */

static void frames_are_written(void **state)
{
    static uint8_t payload[IRZ_MAX_PAYLOAD + 1];
    static uint8_t out[IRZ_MAX_PAYLOAD + IRZ_FRAME_OVERHEAD + 1];
    uint8_t expected[32];
    size_t expected_size = hex_bytes("C8CACBCCCD0100052F3F210D0A0D0A", expected, sizeof(expected));
    size_t size = 0;

    (void)state;
    assert_int_equal(
        irz_frame_encode(IRZ_TYPE_DATA, (const uint8_t *)"/?!\r\n", 5, out, sizeof(out), &size),
        CODEC_OK);
    assert_int_equal(size, expected_size);
    assert_memory_equal(out, expected, size);
    assert_int_equal(irz_frame_encode(IRZ_TYPE_KEEPALIVE, irz_keepalive, IRZ_KEEPALIVE_SIZE, out,
                                      sizeof(out), &size),
                     CODEC_OK);
    expected_size = hex_bytes("C8CACBCCCD020005B5BCBDBEBF0D0A", expected, sizeof(expected));
    assert_int_equal(size, expected_size);
    assert_memory_equal(out, expected, size);
    assert_int_equal(
        irz_frame_encode(IRZ_TYPE_DATA, payload, IRZ_MAX_PAYLOAD, out, sizeof(out), &size),
        CODEC_OK);
    assert_int_equal(size, IRZ_MAX_PAYLOAD + IRZ_FRAME_OVERHEAD);
    assert_int_equal(
        irz_frame_encode(IRZ_TYPE_DATA, payload, IRZ_MAX_PAYLOAD + 1, out, sizeof(out), &size),
        CODEC_FULL);
    assert_int_equal(irz_frame_encode(IRZ_TYPE_DATA, payload, 5, out, 14, &size), CODEC_FULL);
}

struct total {
    uint8_t data[4096];
    size_t data_size;
    uint32_t keepalives;
    uint32_t controls;
    uint32_t broken_frames;
    size_t dropped_bytes;
    uint8_t csq;
    bool has_signal;
};

static void decode(struct irz_decoder *decoder, const uint8_t *data, size_t size,
                   struct total *total)
{
    uint8_t copy[4096];
    struct irz_decoded decoded;

    assert_true(size <= sizeof(copy));
    memcpy(copy, data, size);
    irz_decode(decoder, copy, size, &decoded);
    assert_true(decoded.data_size <= size);
    assert_true(total->data_size + decoded.data_size <= sizeof(total->data));
    memcpy(total->data + total->data_size, copy, decoded.data_size);
    total->data_size += decoded.data_size;
    total->keepalives += decoded.keepalives;
    total->controls += decoded.controls;
    total->broken_frames += decoded.broken_frames;
    total->dropped_bytes += decoded.dropped_bytes;
    if (decoded.has_signal) {
        total->has_signal = true;
        total->csq = decoded.csq;
    }
}

/* data, keepalives framed and bare, control replies, noise, a frame without its end, unknown type,
 * too long a frame, heads inside heads */
static const char frames[] = "C8CACBCCCD0100052F3F210D0A0D0A"
                             "C8CACBCCCD020005B5BCBDBEBF0D0A"
                             "B5BCBDBEBF"
                             "C8CACBCCCD0C0004014001100D0A"
                             "C8CACBCCCD0C0007014002808182C00D0A"
                             "C8CACBCCCD0100000D0A"
                             "00112233C8CA"
                             "C8CACBCCCD010003414243"         /* no 0D0A */
                             "C8CACBCCCD0100034445460D"       /* half of it */
                             "C8CACBCCCD77000141"             /* unknown type */
                             "C8CACBCCCDC8CACBCCCD01FFFF4142" /* too long */
                             "B5BCBD"
                             "C8CACBCCCD010005C8CACBCCCD0D0A" /* magic as payload */
                             "C8CACBCCCD05000341420D0D0A"
                             "C8CACBCCCD0100010A0D0A";

static void check_frames(const struct total *total)
{
    static const uint8_t expected[] = "/?!\r\nABCDEF\xC8\xCA\xCB\xCC\xCD\n";

    assert_int_equal(total->data_size, sizeof(expected) - 1);
    assert_memory_equal(total->data, expected, sizeof(expected) - 1);
    assert_int_equal(total->keepalives, 2);
    assert_int_equal(total->controls, 2);
    assert_true(total->has_signal);
    assert_int_equal(total->csq, 16);
    assert_int_equal(total->broken_frames, 2);
    assert_int_equal(total->dropped_bytes, 4 + 2 + 1 + 9 + 5 + 10 + 3);
}

static void frames_in_every_cut(void **state)
{
    uint8_t bytes[512];
    size_t size = hex_bytes(frames, bytes, sizeof(bytes));

    (void)state;
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            struct irz_decoder decoder = {0};
            struct total total = {0};

            decode(&decoder, bytes, first, &total);
            decode(&decoder, bytes + first, second - first, &total);
            decode(&decoder, bytes + second, size - second, &total);
            check_frames(&total);
        }
    }
}

static void frames_byte_by_byte(void **state)
{
    uint8_t bytes[512];
    size_t size = hex_bytes(frames, bytes, sizeof(bytes));
    struct irz_decoder decoder = {0};
    struct total total = {0};

    (void)state;
    for (size_t at = 0; at < size; at++)
        decode(&decoder, bytes + at, 1, &total);
    check_frames(&total);
}

static void longest_frame_comes_back(void **state)
{
    static uint8_t payload[IRZ_MAX_PAYLOAD];
    static uint8_t bytes[IRZ_MAX_PAYLOAD + IRZ_FRAME_OVERHEAD];
    struct irz_decoder decoder = {0};
    struct total total = {0};
    size_t size = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    assert_int_equal(
        irz_frame_encode(IRZ_TYPE_DATA, payload, sizeof(payload), bytes, sizeof(bytes), &size),
        CODEC_OK);
    decode(&decoder, bytes, 700, &total);
    decode(&decoder, bytes + 700, size - 700, &total);
    assert_int_equal(total.data_size, sizeof(payload));
    assert_memory_equal(total.data, payload, sizeof(payload));
    assert_int_equal(total.broken_frames, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_of_an_atm21),        cmocka_unit_test(hello_ends),
        cmocka_unit_test(imei_is_checked),          cmocka_unit_test(other_bytes_are_not_mine),
        cmocka_unit_test(long_hellos_are_declined), cmocka_unit_test(keys_repeated_unknown_and_cut),
        cmocka_unit_test(passwords_are_skipped),    cmocka_unit_test(mask_blanks_passwords),
        cmocka_unit_test(mask_works_on_every_part), cmocka_unit_test(greeting_tells_the_date),
        cmocka_unit_test(frames_are_written),       cmocka_unit_test(frames_in_every_cut),
        cmocka_unit_test(frames_byte_by_byte),      cmocka_unit_test(longest_frame_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
