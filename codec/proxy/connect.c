#include "codec/proxy/connect.h"

#include <stdio.h>
#include <string.h>

#define MAX_TEXT 300

struct span {
    const char *text;
    size_t size;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_same(struct span span, const char *word)
{
    for (size_t i = 0; i < span.size; i++) {
        if (word[i] == '\0' || lower(span.text[i]) != word[i])
            return false;
    }
    return word[span.size] == '\0';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span span)
{
    while (span.size > 0 && is_blank(span.text[0])) {
        span.text++;
        span.size--;
    }
    while (span.size > 0 && is_blank(span.text[span.size - 1]))
        span.size--;
    return span;
}

/* Takes the text up to separator, and the separator, from the front of rest; false: there is no
 * separator. */
static bool take(struct span *rest, char separator, struct span *taken)
{
    const char *found = rest->size > 0 ? memchr(rest->text, separator, rest->size) : NULL;

    if (found == NULL)
        return false;
    taken->text = rest->text;
    taken->size = (size_t)(found - rest->text);
    rest->text = found + 1;
    rest->size -= taken->size + 1;
    return true;
}

/* ---- credentials ---- */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* RFC 4648; padding may be left out, bits beyond the last byte must be zero. */
static bool base64_decode(struct span in, char *out, size_t capacity, size_t *size)
{
    uint32_t bits = 0;
    unsigned count = 0;

    *size = 0;
    for (unsigned padding = 0; padding < 2 && in.size > 0 && in.text[in.size - 1] == '='; padding++)
        in.size--;
    for (size_t i = 0; i < in.size; i++) {
        int value = base64_value(in.text[i]);

        if (value < 0)
            return false;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (*size == capacity)
            return false;
        out[(*size)++] = (char)(bits >> count & 0xff);
    }
    return count < 6 && (bits & ((1u << count) - 1)) == 0;
}

static bool read_credentials(struct span value, struct connect_request *request)
{
    char pair[2 * CONNECT_TEXT_SIZE];
    struct span scheme;
    struct span rest = value;
    size_t size;

    if (!take(&rest, ' ', &scheme) || !is_same(scheme, "basic") ||
        !base64_decode(trim(rest), pair, sizeof(pair), &size))
        return false;
    struct span name;
    rest = (struct span){.text = pair, .size = size};
    bool good = take(&rest, ':', &name) && name.size < CONNECT_TEXT_SIZE &&
                rest.size < CONNECT_TEXT_SIZE && memchr(pair, '\0', name.size) == NULL;
    if (good) {
        memcpy(request->name, name.text, name.size);
        request->name[name.size] = '\0';
        memcpy(request->password, rest.text, rest.size);
        request->password_size = rest.size;
        request->has_credentials = true;
    }
    memset(pair, 0, sizeof(pair));
    return good;
}

/* ---- the request line ---- */

/* host:port, [ip6]:port; the port is not looked at, and may be missing. */
static void read_authority(struct span authority, struct destination *destination)
{
    struct span host = authority;

    if (host.size > 0 && host.text[0] != '[') {
        for (size_t i = host.size; i > 0; i--) {
            char c = host.text[i - 1];

            if (c == ':')
                host.size = i - 1;
            if (c < '0' || c > '9')
                break;
        }
    }
    destination_read(host.text, host.size, destination);
}

static bool is_token(struct span span)
{
    for (size_t i = 0; i < span.size; i++) {
        char c = lower(span.text[i]);

        if ((c < 'a' || c > 'z') && c != '-')
            return false;
    }
    return span.size > 0;
}

static enum connect_problem read_request_line(struct span line, struct connect_request *request)
{
    struct span method;
    struct span target;

    if (!take(&line, ' ', &method) || !is_token(method) || !take(&line, ' ', &target))
        return CONNECT_NOT_HTTP;
    if (line.size != 8 || memcmp(line.text, "HTTP/1.", 7) != 0)
        return CONNECT_NOT_HTTP;
    if (method.size != 7 || memcmp(method.text, "CONNECT", 7) != 0)
        return CONNECT_BAD_METHOD;
    request->keeps_open = line.text[7] != '0';
    read_authority(target, &request->destination);
    return CONNECT_NO_PROBLEM;
}

/* ---- header lines ---- */

static bool is_printable(struct span line)
{
    for (size_t i = 0; i < line.size; i++) {
        unsigned char c = (unsigned char)line.text[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static enum connect_problem read_header(struct span line, struct connect_request *request)
{
    struct span name;

    /* a line that begins with a blank would go on with the one before: obsolete, and never used */
    if (is_blank(line.text[0]) || !is_printable(line) || !take(&line, ':', &name) || name.size == 0)
        return CONNECT_BAD_REQUEST;
    struct span value = trim(line);
    if (is_same(name, "proxy-authorization")) {
        if (request->has_credentials)
            return CONNECT_BAD_REQUEST;
        return read_credentials(value, request) ? CONNECT_NO_PROBLEM : CONNECT_BAD_CREDENTIALS;
    }
    if ((is_same(name, "connection") || is_same(name, "proxy-connection")) &&
        is_same(value, "close"))
        request->keeps_open = false;
    /* a CONNECT has no body: whoever sends one means something else by what follows */
    if (is_same(name, "transfer-encoding") ||
        (is_same(name, "content-length") && !is_same(value, "0")))
        return CONNECT_BAD_REQUEST;
    return CONNECT_NO_PROBLEM;
}

/* ---- the head ---- */

/* A first line that is none shows before its end. */
static bool may_be_http(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = lower(text[i]);

        if (c == ' ' && i > 0)
            return true;
        if (c < 'a' || c > 'z' || i >= 16)
            return false;
    }
    return true;
}

static enum codec_result fail(struct connect_request *request, enum connect_problem problem)
{
    request->problem = problem;
    memset(request->password, 0, sizeof(request->password));
    return problem == CONNECT_TOO_LARGE ? CODEC_FULL : CODEC_INVALID;
}

enum codec_result connect_read(const uint8_t *data, size_t size, struct connect_request *request,
                               size_t *consumed)
{
    size_t most = size < CONNECT_MAX_HEAD ? size : CONNECT_MAX_HEAD;
    struct span rest = {.text = (const char *)data, .size = most};
    struct span line;
    bool first = true;

    memset(request, 0, sizeof(*request));
    if (!may_be_http(rest.text, rest.size))
        return fail(request, CONNECT_NOT_HTTP);
    while (take(&rest, '\n', &line)) {
        enum connect_problem problem;

        if (line.size > 0 && line.text[line.size - 1] == '\r')
            line.size--;
        if (line.size == 0 && !first) {
            *consumed = most - rest.size;
            return CODEC_OK;
        }
        problem = first ? read_request_line(line, request) : read_header(line, request);
        if (problem != CONNECT_NO_PROBLEM)
            return fail(request, problem);
        first = false;
    }
    memset(request->password, 0, sizeof(request->password));
    if (size >= CONNECT_MAX_HEAD)
        return fail(request, CONNECT_TOO_LARGE);
    return CODEC_NEED_MORE;
}

/* ---- answers ---- */

static const char *phrase(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } phrases[] = {
        {200, "Connection established"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    return "Error";
}

size_t connect_write(unsigned status, const char *text, bool keep, char out[CONNECT_REPLY_SIZE])
{
    int size;

    if (status == 200) {
        size = snprintf(out, CONNECT_REPLY_SIZE, "HTTP/1.1 200 %s\r\n\r\n", phrase(status));
    } else {
        int length = (int)strnlen(text, MAX_TEXT);

        size = snprintf(out, CONNECT_REPLY_SIZE,
                        "HTTP/1.1 %u %s\r\n%s%sContent-Type: text/plain\r\n"
                        "Content-Length: %d\r\n%s\r\n%.*s\n",
                        status, phrase(status),
                        status == 407 ? "Proxy-Authenticate: Basic realm=\"cencd\"\r\n" : "",
                        status == 405 ? "Allow: CONNECT\r\n" : "", length + 1,
                        keep ? "" : "Connection: close\r\n", length, text);
    }
    CODEC_CHECK(size > 0 && size < (int)CONNECT_REPLY_SIZE);
    return (size_t)size;
}
