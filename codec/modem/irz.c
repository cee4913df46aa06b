#include "codec/modem/irz.h"

#include <string.h>

#include "codec/bytes.h"

#define SECONDS_A_DAY 86400u
#define CR            '\r'
#define LF            '\n'

static const uint8_t hello_start[] = {'A', 'T', '$', 'I', 'M', 'E', 'I', '='};
#define FIRST_KEY 3u /* hello_start without AT$ is the first pair's key */

/* ---- characters ---- */

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static bool is_key_byte(uint8_t byte)
{
    return is_letter(byte) || is_digit(byte);
}

static bool is_printable(uint8_t byte)
{
    return byte >= 0x20 && byte <= 0x7E;
}

static bool is_line_end(uint8_t byte)
{
    return byte == CR || byte == LF;
}

/* name is in capitals */
static bool equals(const uint8_t *data, size_t size, const char *name)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t capital = is_letter(data[i]) ? data[i] & 0xDF : data[i];

        if (name[i] == '\0' || capital != (uint8_t)name[i]) {
            return false;
        }
    }
    return name[size] == '\0';
}

/* ---- hello ---- */

struct span {
    const uint8_t *data;
    size_t size;
};

/* The two pieces of a pair, and where the cursor of the hello stands. */
struct hello_cursor {
    const uint8_t *data;
    size_t size;
    size_t at;
    bool after_password; /* the pair before was PSW */
    struct span key;
    struct span value;
    const char *why;
};

static uint8_t number_of(struct span value, uint8_t fallback)
{
    unsigned number = 0;

    if (value.size < 1 || value.size > 2) {
        return fallback;
    }
    for (size_t i = 0; i < value.size; i++) {
        if (!is_digit(value.data[i])) {
            return fallback;
        }
        number = number * 10 + (value.data[i] - (unsigned)'0');
    }
    return (uint8_t)number;
}

static void copy_value(char *text, size_t text_size, struct span value)
{
    size_t size = value.size < text_size ? value.size : text_size - 1;

    if (text[0] == '\0') { /* of a key given twice the first counts */
        memcpy(text, value.data, size);
        text[size] = '\0';
    }
}

static void take_pair(struct hello_cursor *cursor, struct irz_hello *hello)
{
    const struct {
        const char *key;
        char *text;
        size_t text_size;
    } texts[] = {
        {"IMEI", hello->imei, sizeof(hello->imei)},
        {"DEV", hello->device, sizeof(hello->device)},
        {"VER", hello->version, sizeof(hello->version)},
        {"REV", hello->revision, sizeof(hello->revision)},
        {"BLD", hello->build, sizeof(hello->build)},
        {"HDW", hello->hardware, sizeof(hello->hardware)},
        {"COLPROT", hello->colprot, sizeof(hello->colprot)},
        {"INT", hello->interfaces, sizeof(hello->interfaces)},
    };
    struct span key = cursor->key;

    cursor->after_password = equals(key.data, key.size, "PSW");
    hello->has_password |= cursor->after_password;
    hello->has_colprot |= equals(key.data, key.size, "COLPROT");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (equals(key.data, key.size, texts[i].key)) {
            copy_value(texts[i].text, texts[i].text_size, cursor->value);
        }
    }
    if (equals(key.data, key.size, "CSQ")) {
        uint8_t csq = number_of(cursor->value, IRZ_CSQ_UNKNOWN);

        hello->csq = csq <= IRZ_LAST_CSQ ? csq : IRZ_CSQ_UNKNOWN;
    }
    if (equals(key.data, key.size, "SIM")) {
        hello->sim = number_of(cursor->value, 0);
    }
}

/* Passes over CR, LF or both. The hello is over; but a LF may still be on its way after a CR. */
static enum irz_hello_result end_line(struct hello_cursor *cursor)
{
    if (cursor->data[cursor->at] == LF) {
        cursor->at++;
        return IRZ_HELLO_COMPLETE;
    }
    cursor->at++;
    if (cursor->at == cursor->size) {
        return IRZ_HELLO_MAYBE;
    }
    cursor->at += cursor->data[cursor->at] == LF;
    return IRZ_HELLO_COMPLETE;
}

static enum irz_hello_result decline(struct hello_cursor *cursor, const char *why)
{
    cursor->why = why;
    return IRZ_HELLO_NOT_MINE;
}

/* The value behind cursor->at. COMPLETE: there is one (and the cursor behind it). A password may
 * hold any byte; other values are printable. */
static enum irz_hello_result read_value(struct hello_cursor *cursor)
{
    bool is_imei = equals(cursor->key.data, cursor->key.size, "IMEI");
    bool is_password = equals(cursor->key.data, cursor->key.size, "PSW");
    size_t at = cursor->at;

    while (at < cursor->size && cursor->data[at] != ',' && !is_line_end(cursor->data[at]) &&
           (is_password || is_printable(cursor->data[at]))) {
        if (is_imei && (!is_key_byte(cursor->data[at]) || at - cursor->at + 1 >= IRZ_IMEI_SIZE)) {
            return decline(cursor,
                           "IMEI of the iRZ hello: 1 to 31 characters 0-9 A-Z a-z expected");
        }
        at++;
    }
    if (at == cursor->size) {
        return IRZ_HELLO_NEED_MORE;
    }
    if (is_imei && at == cursor->at) {
        return decline(cursor, "IMEI of the iRZ hello is empty: 1 to 31 characters expected");
    }
    cursor->value = (struct span){cursor->data + cursor->at, at - cursor->at};
    cursor->at = at;
    return IRZ_HELLO_COMPLETE;
}

/* The key at cursor->at with its '='. MAYBE stands for: no key here, so the hello is over. */
static enum irz_hello_result read_key(struct hello_cursor *cursor)
{
    size_t at = cursor->at;

    while (at < cursor->size && is_key_byte(cursor->data[at])) {
        at++;
    }
    if (at == cursor->size) {
        return IRZ_HELLO_NEED_MORE;
    }
    if (at == cursor->at || cursor->data[at] != '=') {
        return IRZ_HELLO_MAYBE;
    }
    cursor->key = (struct span){cursor->data + cursor->at, at - cursor->at};
    cursor->at = at + 1;
    return IRZ_HELLO_COMPLETE;
}

/* What follows PSW's comma and is no pair is the rest of a password with a comma in it. true if
 * such a piece begins here; the key it is given makes read_value pass over it. */
static bool read_password_rest(struct hello_cursor *cursor)
{
    static const uint8_t password_key[] = {'P', 'S', 'W'};

    if (!cursor->after_password || !is_printable(cursor->data[cursor->at])) {
        return false;
    }
    cursor->key = (struct span){password_key, sizeof(password_key)};
    return true;
}

/* From behind a comma: one pair, or the end. NEED_MORE: the pair isn't whole. COMPLETE with
 * cursor->key.data NULL: the hello ends at the cursor. */
static enum irz_hello_result read_pair(struct hello_cursor *cursor)
{
    enum irz_hello_result result;

    cursor->key = (struct span){NULL, 0};
    if (cursor->at == cursor->size) {
        return IRZ_HELLO_MAYBE;
    }
    if (is_line_end(cursor->data[cursor->at])) {
        return end_line(cursor);
    }
    result = read_key(cursor);
    if (result == IRZ_HELLO_NEED_MORE) {
        return result;
    }
    if (result == IRZ_HELLO_MAYBE && !read_password_rest(cursor)) {
        return IRZ_HELLO_COMPLETE;
    }
    return read_value(cursor);
}

static enum irz_hello_result read_pairs(struct hello_cursor *cursor, struct irz_hello *hello)
{
    for (;;) {
        enum irz_hello_result result = read_pair(cursor);

        if (result != IRZ_HELLO_COMPLETE || cursor->key.data == NULL) {
            return result;
        }
        take_pair(cursor, hello);
        if (is_line_end(cursor->data[cursor->at])) {
            return end_line(cursor);
        }
        if (cursor->data[cursor->at] != ',') {
            return IRZ_HELLO_COMPLETE; /* binary data without a comma before it */
        }
        cursor->at++;
    }
}

enum irz_hello_result irz_hello_parse(const uint8_t *data, size_t size, struct irz_hello *hello,
                                      size_t *consumed, const char **why)
{
    struct hello_cursor cursor = {.data = data, .size = size, .at = FIRST_KEY};
    size_t known = size < sizeof(hello_start) ? size : sizeof(hello_start);
    enum irz_hello_result result;

    memset(hello, 0, sizeof(*hello));
    hello->csq = IRZ_CSQ_UNKNOWN;
    if (known > 0 && memcmp(data, hello_start, known) != 0) {
        *why = "iRZ hello expected: AT$IMEI=...";
        return IRZ_HELLO_NOT_MINE;
    }
    if (known < sizeof(hello_start)) {
        return IRZ_HELLO_NEED_MORE;
    }
    if (cursor.size > IRZ_MAX_HELLO) {
        cursor.size = IRZ_MAX_HELLO;
    }
    result = read_pairs(&cursor, hello);
    if (result != IRZ_HELLO_COMPLETE && size > IRZ_MAX_HELLO) {
        result = decline(&cursor, "iRZ hello longer than 512 bytes");
    }
    if (result == IRZ_HELLO_NOT_MINE) {
        *why = cursor.why;
    }
    *consumed = cursor.at;
    return result;
}

/* ---- mask ---- */

static bool key_begins(const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size && is_key_byte(data[at])) {
        at++;
    }
    return at > 0 && at < size && data[at] == '=';
}

void irz_mask(uint8_t *data, size_t size)
{
    bool in_password = false;

    for (size_t at = 0; at < size; at++) {
        if (in_password) {
            if (is_line_end(data[at]) ||
                (data[at] == ',' && key_begins(data + at + 1, size - at - 1))) {
                in_password = false;
            } else {
                data[at] = '*';
            }
        } else if (data[at] == '=' && at >= 3 && equals(data + at - 3, 3, "PSW")) {
            in_password = true;
        }
    }
}

/* ---- greeting ---- */

static void put_decimal(struct bytes_writer *writer, unsigned value, size_t digits)
{
    uint8_t text[4];

    CODEC_CHECK(digits <= sizeof(text));
    for (size_t i = digits; i > 0; i--) {
        text[i - 1] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
    bytes_put(writer, text, digits);
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month] + (month == 1 && leap ? 1u : 0u);
}

/* day: since 1970-01-01. A step a month: some hundreds of them, once in a connection. */
static void put_date(struct bytes_writer *writer, unsigned day)
{
    unsigned year = 1970;
    unsigned month = 0; /* from 0 */

    while (day >= days_in_month(year, month)) {
        day -= days_in_month(year, month);
        month = (month + 1) % 12;
        year += month == 0;
    }
    put_decimal(writer, year, 4);
    put_decimal(writer, month + 1, 2);
    put_decimal(writer, day + 1, 2);
}

void irz_greeting(uint64_t utc_ms, uint8_t out[IRZ_GREETING_SIZE])
{
    static const char mode[] = ",MOD=DAT,\r";
    const uint64_t last_s = 253402300799; /* the year 9999 ends */
    uint64_t utc_s = utc_ms / 1000 < last_s ? utc_ms / 1000 : last_s;
    unsigned second = (unsigned)(utc_s % SECONDS_A_DAY);
    struct bytes_writer writer = bytes_writer_over(out, IRZ_GREETING_SIZE);

    put_date(&writer, (unsigned)(utc_s / SECONDS_A_DAY));
    put_decimal(&writer, second / 3600, 2);
    put_decimal(&writer, second / 60 % 60, 2);
    put_decimal(&writer, second % 60, 2);
    bytes_put(&writer, mode, sizeof(mode) - 1);
    CODEC_CHECK(!writer.full && writer.size == IRZ_GREETING_SIZE);
}
