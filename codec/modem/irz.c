#include "codec/modem/irz.h"

#include <string.h>
#include <time.h>

#include "codec/bytes.h"

#define MAGIC_SIZE 5u
#define HEAD_SIZE  8u /* magic, type, length */
#define LAST_CSQ   31u
#define CR         '\r'
#define LF         '\n'

const uint8_t irz_keepalive[IRZ_KEEPALIVE_SIZE] = {0xB5, 0xBC, 0xBD, 0xBE, 0xBF};

static const uint8_t magic[MAGIC_SIZE] = {0xC8, 0xCA, 0xCB, 0xCC, 0xCD};
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

        hello->csq = csq <= LAST_CSQ ? csq : IRZ_CSQ_UNKNOWN;
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

static void put_decimal(struct bytes_writer *writer, int value, size_t digits)
{
    uint8_t text[4];

    CODEC_CHECK(value >= 0 && digits <= sizeof(text));
    for (size_t i = digits; i > 0; i--) {
        text[i - 1] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
    bytes_put(writer, text, digits);
}

void irz_greeting(uint64_t utc_ms, uint8_t out[IRZ_GREETING_SIZE])
{
    static const char mode[] = ",MOD=DAT,\r";
    const uint64_t last_s = 253402300799; /* the year 9999 ends */
    uint64_t utc_s = utc_ms / 1000 < last_s ? utc_ms / 1000 : last_s;
    struct bytes_writer writer = bytes_writer_over(out, IRZ_GREETING_SIZE);
    time_t seconds = (time_t)utc_s;
    struct tm utc = {0};

    CODEC_CHECK(gmtime_r(&seconds, &utc) != NULL);
    put_decimal(&writer, utc.tm_year + 1900, 4);
    put_decimal(&writer, utc.tm_mon + 1, 2);
    put_decimal(&writer, utc.tm_mday, 2);
    put_decimal(&writer, utc.tm_hour, 2);
    put_decimal(&writer, utc.tm_min, 2);
    put_decimal(&writer, utc.tm_sec, 2);
    bytes_put(&writer, mode, sizeof(mode) - 1);
    CODEC_CHECK(!writer.full && writer.size == IRZ_GREETING_SIZE);
}

/* ---- encapsulation ---- */

enum codec_result irz_frame_encode(enum irz_type type, const uint8_t *payload, size_t payload_size,
                                   uint8_t *out, size_t capacity, size_t *out_size)
{
    struct bytes_writer writer = bytes_writer_over(out, capacity);

    if (payload_size > IRZ_MAX_PAYLOAD || capacity < payload_size + IRZ_FRAME_OVERHEAD) {
        return CODEC_FULL;
    }
    bytes_put(&writer, magic, MAGIC_SIZE);
    bytes_put_u8(&writer, (uint8_t)type);
    bytes_put_u16(&writer, (uint16_t)payload_size);
    bytes_put(&writer, payload, payload_size);
    bytes_put_u8(&writer, CR);
    bytes_put_u8(&writer, LF);
    *out_size = writer.size;
    return bytes_written(&writer);
}

static bool type_is_known(uint8_t type)
{
    return type == IRZ_TYPE_DATA || type == IRZ_TYPE_KEEPALIVE || type == IRZ_TYPE_FIRMWARE ||
           type == IRZ_TYPE_SETTINGS || type == IRZ_TYPE_CONTROL;
}

static size_t length_in(const uint8_t *head)
{
    return (size_t)head[MAGIC_SIZE + 1] << 8 | head[MAGIC_SIZE + 2];
}

/* True if a frame, or a keepalive outside of any frame, may begin like this. */
static bool head_is_plausible(const uint8_t *head, size_t size)
{
    size_t start = size < MAGIC_SIZE ? size : MAGIC_SIZE;

    if (memcmp(head, magic, start) != 0) {
        return size <= IRZ_KEEPALIVE_SIZE && memcmp(head, irz_keepalive, size) == 0;
    }
    if (size > MAGIC_SIZE && !type_is_known(head[MAGIC_SIZE])) {
        return false;
    }
    return size < HEAD_SIZE || length_in(head) <= IRZ_MAX_PAYLOAD;
}

/* One more byte outside of any payload. */
static void take_head_byte(struct irz_decoder *decoder, uint8_t byte, struct irz_decoded *decoded)
{
    CODEC_CHECK(decoder->head_size < HEAD_SIZE);
    decoder->head[decoder->head_size++] = byte;
    while (decoder->head_size > 0 && !head_is_plausible(decoder->head, decoder->head_size)) {
        decoder->head_size--;
        memmove(decoder->head, decoder->head + 1, decoder->head_size);
        decoded->dropped_bytes++;
    }
    if (decoder->head_size == IRZ_KEEPALIVE_SIZE && decoder->head[0] == irz_keepalive[0]) {
        decoder->head_size = 0;
        decoded->keepalives++;
    }
    if (decoder->head_size == HEAD_SIZE) {
        decoder->type = decoder->head[MAGIC_SIZE];
        decoder->left = (uint16_t)length_in(decoder->head);
        decoder->head_size = 0;
        decoder->tail_size = 0;
        decoder->control_size = 0;
    }
}

static void end_frame(struct irz_decoder *decoder, struct irz_decoded *decoded)
{
    if (decoder->type == IRZ_TYPE_KEEPALIVE) {
        decoded->keepalives++;
    }
    if (decoder->type == IRZ_TYPE_CONTROL) {
        decoded->controls++;
        memcpy(decoded->control, decoder->control, sizeof(decoded->control));
        decoded->control_size = decoder->control_size;
        decoded->has_signal |=
            irz_control_signal(decoder->control, decoder->control_size, &decoded->csq);
    }
    decoder->type = 0;
}

static void take_tail_byte(struct irz_decoder *decoder, uint8_t byte, struct irz_decoded *decoded)
{
    if (decoder->tail_size == 0 && byte == CR) {
        decoder->tail_size = 1;
    } else if (decoder->tail_size == 1 && byte == LF) {
        end_frame(decoder, decoded);
    } else {
        decoder->type = 0;
        decoded->broken_frames++;
        if (decoder->tail_size == 1) {
            take_head_byte(decoder, CR, decoded);
        }
        take_head_byte(decoder, byte, decoded);
    }
}

/* Payload bytes at data + at; returns how many there were. */
static size_t take_payload(struct irz_decoder *decoder, uint8_t *data, size_t at, size_t size,
                           struct irz_decoded *decoded)
{
    size_t piece = decoder->left < size - at ? decoder->left : size - at;

    if (decoder->type == IRZ_TYPE_DATA) {
        memmove(data + decoded->data_size, data + at, piece);
        decoded->data_size += piece;
    }
    if (decoder->type == IRZ_TYPE_CONTROL) {
        for (size_t i = 0; i < piece && decoder->control_size < IRZ_CONTROL_HEAD; i++) {
            decoder->control[decoder->control_size++] = data[at + i];
        }
    }
    decoder->left = (uint16_t)(decoder->left - piece);
    return piece;
}

void irz_decode(struct irz_decoder *decoder, uint8_t *data, size_t size,
                struct irz_decoded *decoded)
{
    size_t at = 0;

    memset(decoded, 0, sizeof(*decoded));
    while (at < size) {
        if (decoder->type == 0) {
            take_head_byte(decoder, data[at++], decoded);
        } else if (decoder->left > 0) {
            at += take_payload(decoder, data, at, size, decoded);
        } else {
            take_tail_byte(decoder, data[at++], decoded);
        }
    }
    CODEC_CHECK(decoded->data_size <= size);
}

bool irz_control_signal(const uint8_t *control, size_t size, uint8_t *csq)
{
    if (size < IRZ_CONTROL_HEAD || control[0] != 0x01 || control[1] != 0x40 ||
        control[2] != IRZ_COMMAND_SIGNAL) {
        return false;
    }
    *csq = control[3] <= LAST_CSQ ? control[3] : IRZ_CSQ_UNKNOWN;
    return true;
}
