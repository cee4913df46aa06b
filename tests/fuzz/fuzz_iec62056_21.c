/* IEC 62056-21 with a hostile line. Byte 0: options; byte 1: how the stream is cut.
 *
 * Promised: the same messages whatever the cuts; a message that was understood and is written again
 * is understood as the same. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "codec/iec62056_21/iec62056_21.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

#define OPTION_XOR    0x01u
#define OPTION_PARITY 0x02u

struct heard {
    uint32_t count;
    uint32_t hash;
};

static void note(struct heard *heard, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    heard->count++;
    for (size_t i = 0; i < size; i++)
        heard->hash = (heard->hash ^ bytes[i]) * 16777619u;
}

static void note_message(struct heard *heard, const struct iec21_message *message)
{
    note(heard, message->maker, strlen(message->maker));
    note(heard, message->command, strlen(message->command));
    if (message->text_size > 0)
        note(heard, message->text, message->text_size);
    heard->hash ^= (uint32_t)message->kind + (uint32_t)(uint8_t)message->mode * 256u;
}

/* Writes the message again; false if its text can't be a C string or it isn't one to write. */
static bool write_again(struct bytes_writer *writer, enum iec21_check check,
                        const struct iec21_message *message)
{
    char text[IEC21_MAX_MESSAGE];

    if (message->text_size > 0 && memchr(message->text, '\0', message->text_size) != NULL)
        return false;
    (void)snprintf(text, sizeof(text), "%.*s", (int)message->text_size,
                   message->text_size > 0 ? message->text : "");
    switch (message->kind) {
    case IEC21_SIGN_ON:
        iec21_put_sign_on(writer, text);
        return true;
    case IEC21_IDENTIFICATION:
        iec21_put_identification(writer, message->maker, message->baud, text);
        return true;
    case IEC21_OPTION:
        iec21_put_option(writer, message->command[0], message->baud, message->mode);
        return true;
    case IEC21_COMMAND:
        iec21_put_command(writer, check, message->command, text);
        return true;
    case IEC21_DATA:
        iec21_put_data(writer, check, text);
        return true;
    default:
        return false;
    }
}

static void check_again(enum iec21_check check, const struct iec21_message *message)
{
    static struct iec21_scanner scanner;
    uint8_t bytes[IEC21_MAX_MESSAGE + 8];
    struct bytes_writer writer = bytes_writer_over(bytes, sizeof(bytes));
    struct iec21_message back;
    struct heard one = {0};
    struct heard other = {0};
    bool found = false;

    if (!write_again(&writer, check, message) || writer.size > IEC21_MAX_MESSAGE - 1)
        return;
    CHECK(bytes_written(&writer) == CODEC_OK);
    memset(&scanner, 0, sizeof(scanner));
    scanner.check = check;
    CHECK(iec21_scanner_feed(&scanner, bytes, writer.size, &back, &found) == writer.size);
    CHECK(found);
    note_message(&one, message);
    note_message(&other, &back);
    CHECK(one.count == other.count && one.hash == other.hash);
}

static struct heard hear(const uint8_t *data, size_t size, uint8_t options, uint32_t random)
{
    static struct iec21_scanner scanner;
    struct heard heard = {0};
    size_t at = 0;

    memset(&scanner, 0, sizeof(scanner));
    scanner.check = (options & OPTION_XOR) != 0 ? IEC21_CHECK_XOR : IEC21_CHECK_SUM;
    scanner.strip_parity = (options & OPTION_PARITY) != 0;
    for (bool found = false; at < size || found;) {
        struct iec21_message message;
        size_t piece = size - at;
        const char *value;
        size_t value_size;
        size_t taken;

        if (random != 0 && piece > 0) {
            random = random * 1103515245u + 12345u;
            piece = 1 + (random >> 16) % 37 % piece;
        }
        taken = iec21_scanner_feed(&scanner, data + at, piece, &message, &found);
        CHECK(taken <= piece && (found || taken == piece));
        at += taken;
        if (found) {
            note_message(&heard, &message);
            check_again(scanner.check, &message);
            for (size_t i = 0;
                 message.text_size > 0 && i < 4 &&
                 iec21_value(message.text, message.text_size, NULL, i, &value, &value_size);
                 i++)
                CHECK(value + value_size < message.text + message.text_size);
        }
    }
    note(&heard, &scanner.dropped_bytes, sizeof(scanner.dropped_bytes));
    note(&heard, &scanner.failed_checks, sizeof(scanner.failed_checks));
    return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard whole;
    struct heard pieces;

    if (size < 2 || size > 8192)
        return 0;
    whole = hear(data + 2, size - 2, data[0], 0);
    pieces = hear(data + 2, size - 2, data[0], data[1]);
    CHECK(whole.count == pieces.count && whole.hash == pieces.hash);
    return 0;
}
