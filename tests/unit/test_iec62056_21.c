/* IEC 62056-21 as CE meters speak it: captured frames both ways, every cut, both block checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/iec62056_21/iec62056_21.h"
#include "tests/hex.h"

/* captured: the answer of a CE102M and a CE301 to the option, SNUMB, break */
#define CE102M_P0  "01503002 28 313431363238333435 29 0328"
#define CE301_P0   "01503002 28 373737373737 29 0320"
#define READ_SNUMB "01523102534E554D422829035E"
#define BREAK      "0142300375"

static void assert_written(const struct bytes_writer *writer, const char *text)
{
    uint8_t expected[128];
    size_t size = hex_bytes(text, expected, sizeof(expected));

    assert_int_equal(bytes_written(writer), CODEC_OK);
    assert_int_equal(writer->size, size);
    assert_memory_equal(writer->data, expected, size);
}

static void writes_the_captured_frames(void **state)
{
    uint8_t bytes[64];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));

    (void)state;
    iec21_put_command(&writer, IEC21_CHECK_SUM, "P0", "(141628345)");
    assert_written(&writer, CE102M_P0);
    writer = bytes_writer_over(bytes, sizeof(bytes));
    iec21_put_command(&writer, IEC21_CHECK_SUM, "P0", "(777777)");
    assert_written(&writer, CE301_P0);
    writer = bytes_writer_over(bytes, sizeof(bytes));
    iec21_put_command(&writer, IEC21_CHECK_SUM, "R1", "SNUMB()");
    assert_written(&writer, READ_SNUMB);
    writer = bytes_writer_over(bytes, sizeof(bytes));
    iec21_put_command(&writer, IEC21_CHECK_SUM, "B0", NULL);
    assert_written(&writer, BREAK);
    writer = bytes_writer_over(bytes, sizeof(bytes));
    iec21_put_option(&writer, '0', '5', '1');
    assert_written(&writer, "063035310D0A");
    writer = bytes_writer_over(bytes, sizeof(bytes));
    iec21_put_sign_on(&writer, "");
    assert_written(&writer, "2F3F210D0A");
}

static void the_standards_check_is_xor(void **state)
{
    uint8_t bytes[8];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));

    (void)state;
    iec21_put_command(&writer, IEC21_CHECK_XOR, "B0", NULL);
    assert_written(&writer, "0142300371");
}

static void parity(void **state)
{
    uint8_t bytes[] = {0x00, 0x01, 0x03, 0x2F, 0x7F};

    (void)state;
    iec21_add_parity(bytes, sizeof(bytes));
    assert_memory_equal(bytes, "\x00\x81\x03\xAF\xFF", sizeof(bytes));
    iec21_strip_parity(bytes, sizeof(bytes));
    assert_memory_equal(bytes, "\x00\x01\x03\x2F\x7F", sizeof(bytes));
}

/* ---- scanner ---- */

/* Feeds and appends each message to log as "kind command text;". */
static void feed(struct iec21_scanner *scanner, const uint8_t *data, size_t size, char *log,
                 size_t log_size)
{
    size_t at = 0;

    do {
        struct iec21_message message;
        bool found = false;

        at += iec21_scanner_feed(scanner, data + at, size - at, &message, &found);
        if (found) {
            size_t used = strlen(log);

            (void)snprintf(log + used, log_size - used, "%d %s%s %.*s;", (int)message.kind,
                           message.maker, message.command, (int)message.text_size,
                           message.text_size > 0 ? message.text : "");
        } else {
            assert_int_equal(at, size);
        }
    } while (at < size);
}

/* A whole reading with noise: both directions in one stream. */
static size_t conversation(uint8_t *bytes, size_t capacity)
{
    struct bytes_writer writer = bytes_writer_over(bytes, capacity);

    bytes_put(&writer, "\x00\xFF\x0D", 3);
    iec21_put_sign_on(&writer, "009112010");
    iec21_put_identification(&writer, "EKT", '5', "CE301v12");
    iec21_put_option(&writer, '0', '5', '1');
    iec21_put_command(&writer, IEC21_CHECK_SUM, "P0", "(777777)");
    bytes_put(&writer, "\x06", 1);
    iec21_put_command(&writer, IEC21_CHECK_SUM, "R1", "SNUMB()");
    iec21_put_data(&writer, IEC21_CHECK_SUM, "SNUMB(009112010)\r\n");
    iec21_put_command(&writer, IEC21_CHECK_SUM, "R1", "ET0PE()");
    bytes_put(&writer, "/?half", 6);
    bytes_put(&writer,
              "\x02"
              "damaged\x03\x00",
              10);
    iec21_put_data(&writer, IEC21_CHECK_SUM, "ET0PE(68.02)\r\n(1.50)\r\n");
    bytes_put(&writer, "\x15", 1);
    iec21_put_command(&writer, IEC21_CHECK_SUM, "B0", NULL);
    assert_int_equal(bytes_written(&writer), CODEC_OK);
    return writer.size;
}

static const char heard[] = "0  009112010;1 EKT CE301v12;2 05 ;3 P0 (777777);5  ;3 R1 SNUMB();"
                            "4  SNUMB(009112010)\r\n;3 R1 ET0PE();"
                            "4  ET0PE(68.02)\r\n(1.50)\r\n;6  ;3 B0 ;";

static void conversation_in_every_cut(void **state)
{
    static struct iec21_scanner scanner;
    uint8_t bytes[256];
    size_t size = conversation(bytes, sizeof(bytes));

    (void)state;
    for (size_t cut = 0; cut <= size; cut++) {
        char log[512] = "";

        memset(&scanner, 0, sizeof(scanner));
        feed(&scanner, bytes, cut, log, sizeof(log));
        feed(&scanner, bytes + cut, size - cut, log, sizeof(log));
        assert_string_equal(log, heard);
        assert_int_not_equal(scanner.failed_checks, 0);
    }
}

static void conversation_byte_by_byte_with_parity(void **state)
{
    static struct iec21_scanner scanner = {.strip_parity = true};
    uint8_t bytes[256];
    size_t size = conversation(bytes, sizeof(bytes));
    char log[512] = "";

    (void)state;
    bytes[1] = 0x7F; /* noise must not become a message when its bit 7 is masked */
    iec21_add_parity(bytes, size);
    for (size_t at = 0; at < size; at++)
        feed(&scanner, bytes + at, 1, log, sizeof(log));
    assert_string_equal(log, heard);
}

static void captured_identifications(void **state)
{
    static struct iec21_scanner scanner;
    static const char line[] = "/EKT5CE102Mv01\r\n/EKT5CE208v3\r\n";
    static const char repeated[] = "/?00/?!\r\n";
    char log[128] = "";

    (void)state;
    feed(&scanner, (const uint8_t *)line, sizeof(line) - 1, log, sizeof(log));
    assert_int_equal(scanner.dropped_bytes, 0);
    /* a line that was cut off is not glued to the next */
    feed(&scanner, (const uint8_t *)repeated, sizeof(repeated) - 1, log, sizeof(log));
    assert_string_equal(log, "1 EKT CE102Mv01;1 EKT CE208v3;0  ;");
}

/* A message that never ends doesn't grow without limit, and what follows is found. */
static void endless_messages_are_dropped(void **state)
{
    static struct iec21_scanner scanner;
    static uint8_t endless[5000];
    uint8_t last[16];
    size_t last_size = hex_bytes("0D0A" BREAK, last, sizeof(last));
    char log[128] = "";

    (void)state;
    for (size_t i = 0; i < sizeof(endless); i++)
        endless[i] = i % 1000 == 0 ? '/' : '1';
    feed(&scanner, endless, sizeof(endless), log, sizeof(log));
    feed(&scanner, last, last_size, log, sizeof(log));
    assert_string_equal(log, "3 B0 ;");
    assert_true(scanner.dropped_bytes >= sizeof(endless));
}

static void values(void **state)
{
    static const char text[] = "ET0PE(68.02)\r\n(1.50)\r\n()\r\n";
    const char *value = NULL;
    size_t size = 0;

    (void)state;
    assert_true(iec21_value(text, sizeof(text) - 1, "ET0PE", 0, &value, &size));
    assert_int_equal(size, 5);
    assert_memory_equal(value, "68.02", 5);
    assert_true(iec21_value(text, sizeof(text) - 1, NULL, 1, &value, &size));
    assert_memory_equal(value, "1.50", 4);
    assert_true(iec21_value(text, sizeof(text) - 1, NULL, 2, &value, &size));
    assert_int_equal(size, 0);
    assert_false(iec21_value(text, sizeof(text) - 1, NULL, 3, &value, &size));
    assert_false(iec21_value(text, sizeof(text) - 1, "ET0P", 0, &value, &size));
    assert_false(iec21_value(text, 8, "ET0PE", 0, &value, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_captured_frames),
        cmocka_unit_test(the_standards_check_is_xor),
        cmocka_unit_test(parity),
        cmocka_unit_test(conversation_in_every_cut),
        cmocka_unit_test(conversation_byte_by_byte_with_parity),
        cmocka_unit_test(captured_identifications),
        cmocka_unit_test(endless_messages_are_dropped),
        cmocka_unit_test(values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
