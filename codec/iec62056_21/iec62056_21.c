#include "codec/iec62056_21/iec62056_21.h"

#include <string.h>

enum {
    SOH = 0x01,
    STX = 0x02,
    ETX = 0x03,
    EOT = 0x04,
    ACK = 0x06,
    NAK = 0x15,
};

#define OPTION_SIZE 6u /* ACK, three characters, CR, LF */

uint8_t iec21_check(enum iec21_check check, const uint8_t *data, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum = (uint8_t)(check == IEC21_CHECK_XOR ? sum ^ data[i] : sum + data[i]);
    }
    return sum & 0x7F;
}

void iec21_strip_parity(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        data[i] &= 0x7F;
    }
}

void iec21_add_parity(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t character = data[i] & 0x7F;
        bool odd = __builtin_parity(character) != 0;

        data[i] = (uint8_t)(character | (odd ? 0x80 : 0));
    }
}

/* ---- writing ---- */

static void put_text(struct bytes_writer *writer, const char *text)
{
    bytes_put(writer, text, strlen(text));
}

static void put_check(struct bytes_writer *writer, enum iec21_check check, size_t start)
{
    if (!writer->full) {
        bytes_put_u8(writer, iec21_check(check, writer->data + start, writer->size - start));
    }
}

void iec21_put_sign_on(struct bytes_writer *writer, const char *address)
{
    put_text(writer, "/?");
    put_text(writer, address);
    put_text(writer, "!\r\n");
}

void iec21_put_identification(struct bytes_writer *writer, const char *maker, char baud,
                              const char *text)
{
    CODEC_CHECK(strlen(maker) == 3);
    put_text(writer, "/");
    put_text(writer, maker);
    bytes_put_u8(writer, (uint8_t)baud);
    put_text(writer, text);
    put_text(writer, "\r\n");
}

void iec21_put_option(struct bytes_writer *writer, char protocol, char baud, char mode)
{
    const uint8_t option[OPTION_SIZE] = {ACK, (uint8_t)protocol, (uint8_t)baud, (uint8_t)mode, '\r',
                                         '\n'};

    bytes_put(writer, option, sizeof(option));
}

void iec21_put_command(struct bytes_writer *writer, enum iec21_check check, const char *command,
                       const char *text)
{
    size_t start = writer->size + 1;

    CODEC_CHECK(strlen(command) == 2);
    bytes_put_u8(writer, SOH);
    put_text(writer, command);
    if (text != NULL) {
        bytes_put_u8(writer, STX);
        put_text(writer, text);
    }
    bytes_put_u8(writer, ETX);
    put_check(writer, check, start);
}

void iec21_put_data(struct bytes_writer *writer, enum iec21_check check, const char *text)
{
    size_t start = writer->size + 1;

    bytes_put_u8(writer, STX);
    put_text(writer, text);
    bytes_put_u8(writer, ETX);
    put_check(writer, check, start);
}

/* ---- reading ---- */

static bool is_letter(uint8_t character)
{
    return (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z');
}

static bool is_digit(uint8_t character)
{
    return character >= '0' && character <= '9';
}

static bool starts_message(uint8_t character)
{
    return character == '/' || character == SOH || character == STX || character == ACK ||
           character == NAK;
}

static void set_text(struct iec21_message *message, const uint8_t *data, size_t size)
{
    message->text = (const char *)data;
    message->text_size = size;
}

/* "/?...!\r\n" and "/MMMB...\r\n" */
static enum codec_result read_line(const uint8_t *data, size_t size, struct iec21_message *message,
                                   size_t *total)
{
    size_t line = 1;

    while (line < size && data[line] >= ' ' && data[line] < 0x7F && data[line] != '/') {
        line++;
    }
    *total = line + 2;
    if (line == size || (data[line] == '\r' && line + 1 == size)) {
        return CODEC_NEED_MORE;
    }
    if (data[line] != '\r' || data[line + 1] != '\n') {
        return CODEC_INVALID;
    }
    if (line >= 3 && data[1] == '?' && data[line - 1] == '!') {
        message->kind = IEC21_SIGN_ON;
        set_text(message, data + 2, line - 3);
        return CODEC_OK;
    }
    if (line < 5 || !is_letter(data[1]) || !is_letter(data[2]) || !is_letter(data[3])) {
        return CODEC_INVALID;
    }
    message->kind = IEC21_IDENTIFICATION;
    memcpy(message->maker, data + 1, 3);
    message->baud = (char)data[4];
    set_text(message, data + 5, line - 5);
    return CODEC_OK;
}

static enum codec_result read_option(const uint8_t *data, size_t size,
                                     struct iec21_message *message, size_t *total)
{
    *total = 1;
    if (size < 2) {
        return CODEC_NEED_MORE;
    }
    if (!is_digit(data[1])) {
        message->kind = IEC21_ACK;
        return CODEC_OK;
    }
    *total = OPTION_SIZE;
    if (size < OPTION_SIZE) {
        return CODEC_NEED_MORE;
    }
    if (data[4] != '\r' || data[5] != '\n') {
        return CODEC_INVALID;
    }
    message->kind = IEC21_OPTION;
    message->command[0] = (char)data[1];
    message->command[1] = (char)data[2];
    message->baud = (char)data[2];
    message->mode = (char)data[3];
    return CODEC_OK;
}

/* What stands between SOH or STX and ETX, which is not yet known to be right. */
static enum codec_result read_block_inside(const uint8_t *data, size_t end,
                                           struct iec21_message *message)
{
    if (data[0] == STX) {
        message->kind = IEC21_DATA;
        set_text(message, data + 1, end - 1);
        return CODEC_OK;
    }
    if (end < 3 || !is_letter(data[1]) || !is_digit(data[2]) || (end > 3 && data[3] != STX)) {
        return CODEC_INVALID;
    }
    message->kind = IEC21_COMMAND;
    memcpy(message->command, data + 1, 2);
    if (end > 3) {
        set_text(message, data + 4, end - 4);
    } else {
        set_text(message, data + 3, 0);
    }
    return CODEC_OK;
}

/* SOH ... ETX bcc and STX ... ETX bcc; a block that others follow ends in EOT. */
static enum codec_result read_block(struct iec21_scanner *scanner, struct iec21_message *message,
                                    size_t *total)
{
    const uint8_t *data = scanner->buffer;
    size_t end = 1;

    while (end < scanner->size && data[end] != ETX && data[end] != EOT) {
        end++;
    }
    *total = end + 2;
    if (scanner->size < *total) {
        return CODEC_NEED_MORE;
    }
    if (data[end + 1] != iec21_check(scanner->check, data + 1, end)) {
        scanner->failed_checks++;
        return CODEC_INVALID;
    }
    return read_block_inside(data, end, message);
}

static enum codec_result judge(struct iec21_scanner *scanner, struct iec21_message *message,
                               size_t *total)
{
    memset(message, 0, sizeof(*message));
    switch (scanner->buffer[0]) {
    case '/':
        return read_line(scanner->buffer, scanner->size, message, total);
    case ACK:
        return read_option(scanner->buffer, scanner->size, message, total);
    case NAK:
        message->kind = IEC21_NAK;
        *total = 1;
        return CODEC_OK;
    default:
        return read_block(scanner, message, total);
    }
}

/* Removes `from` bytes and what follows up to the next byte that may start a message. */
static void cut_to_start(struct iec21_scanner *scanner, size_t from)
{
    size_t start = from;

    while (start < scanner->size && !starts_message(scanner->buffer[start])) {
        start++;
    }
    scanner->dropped_bytes += start - from;
    scanner->size -= start;
    memmove(scanner->buffer, scanner->buffer + start, scanner->size);
}

/* Looks for a message at the front of the buffer, removing what is none. */
static bool scan(struct iec21_scanner *scanner, struct iec21_message *message)
{
    while (scanner->size > 0) {
        enum codec_result result = CODEC_INVALID;
        size_t total = 1;

        if (starts_message(scanner->buffer[0])) {
            result = judge(scanner, message, &total);
        }
        if (result == CODEC_OK) {
            scanner->yielded = total;
            return true;
        }
        if (result == CODEC_NEED_MORE && scanner->size < sizeof(scanner->buffer)) {
            return false;
        }
        scanner->dropped_bytes++;
        cut_to_start(scanner, 1);
    }
    return false;
}

size_t iec21_scanner_feed(struct iec21_scanner *scanner, const uint8_t *data, size_t size,
                          struct iec21_message *message, bool *found)
{
    size_t taken = 0;

    if (scanner->yielded > 0) {
        cut_to_start(scanner, scanner->yielded);
        scanner->yielded = 0;
    }
    while (*found = scan(scanner, message), !*found && taken < size) {
        uint8_t character = data[taken++];

        scanner->buffer[scanner->size++] = scanner->strip_parity ? character & 0x7F : character;
    }
    return taken;
}

bool iec21_value(const char *text, size_t text_size, const char *name, size_t index,
                 const char **value, size_t *value_size)
{
    const char *at = text;
    const char *end = text + text_size;

    if (name != NULL) {
        size_t name_size = strlen(name);

        if (text_size <= name_size || memcmp(text, name, name_size) != 0 ||
            text[name_size] != '(') {
            return false;
        }
    }
    while (at < end) {
        const char *open = memchr(at, '(', (size_t)(end - at));
        const char *closed = open == NULL ? NULL : memchr(open, ')', (size_t)(end - open));

        if (closed == NULL) {
            return false;
        }
        if (index-- == 0) {
            *value = open + 1;
            *value_size = (size_t)(closed - open - 1);
            return true;
        }
        at = closed + 1;
    }
    return false;
}
