#include "agents/cencctl/moment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONGEST_S (100LL * 366 * 86400)

static bool parse_ago(const char *text, int64_t now_ms, int64_t *unix_ms)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end = NULL;

    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0 || end[0] == '\0' || end[1] != '\0')
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].letter == end[0] && number <= LONGEST_S / units[i].seconds) {
            *unix_ms = now_ms - number * units[i].seconds * 1000;
            return true;
        }
    }
    return false;
}

bool moment_parse(const char *text, int64_t now_ms, int64_t *unix_ms)
{
    static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"};

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm parts = {0};
        const char *rest = strptime(text, formats[i], &parts);
        if (rest == NULL || (rest[0] != '\0' && strcmp(rest, "Z") != 0))
            continue;
        struct tm given = parts;
        *unix_ms = (int64_t)timegm(&parts) * 1000;
        return given.tm_mday == parts.tm_mday; /* no 30 February */
    }
    return parse_ago(text, now_ms, unix_ms);
}
