#include "server/exchange/secret_words.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 32u

/* Anywhere in a name. */
static const char *const parts[] = {"passw",      "passphrase", "passcode", "secret",
                                    "credential", "парол",      "Парол",    "ПАРОЛ",
                                    "секрет",     "Секрет",     "СЕКРЕТ"};

/* A whole word of it. */
static const char *const words[] = {
    "pass", "pwd",  "psw", "pw",   "key", "keys", "token", "tokens", "pin",  "puk",   "ak",
    "ek",   "guek", "gak", "gbek", "kek", "mk",   "ключ",  "Ключ",   "КЛЮЧ", "ключи", "Ключи"};

static bool same(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

static bool is_secret_word(const char *word, size_t size)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (same(word, size, words[i]))
            return true;
    return false;
}

static bool in_word(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* authKey, HLSKey: a capital begins a word behind a small letter, or before one. */
static bool begins_word(const char *text, size_t size, size_t at)
{
    if (!isupper((unsigned char)text[at]))
        return false;
    return islower((unsigned char)text[at - 1]) ||
           (at + 1 < size && islower((unsigned char)text[at + 1]));
}

static bool has_word(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t begin = at;
        while (at < size && in_word(text[at]) && (at == begin || !begins_word(text, size, at)))
            at++;
        if (at > begin && is_secret_word(text + begin, at - begin))
            return true;
        if (at == begin)
            at++;
    }
    return false;
}

static const char *find_part(const char *text, size_t size, const char *part)
{
    size_t length = strlen(part);

    for (size_t at = 0; at + length <= size; at++)
        if (strncasecmp(text + at, part, length) == 0)
            return text + at;
    return NULL;
}

bool secret_name(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (find_part(name, size, parts[i]) != NULL)
            return true;
    return has_word(name, size);
}

/* scheme://user:password@host */
static bool has_login(const char *text, size_t size)
{
    const char *begin = find_part(text, size, "://");

    if (begin == NULL)
        return false;
    begin += 3;
    size_t rest = size - (size_t)(begin - text);
    const char *at_sign = memchr(begin, '@', rest);
    return at_sign != NULL && memchr(begin, ':', (size_t)(at_sign - begin)) != NULL;
}

/* The name before each = and : is looked at. */
bool secret_text(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        if (text[at] != '=' && text[at] != ':')
            continue;
        size_t begin = at > WORD_MAX ? at - WORD_MAX : 0;
        for (size_t i = at; i > begin; i--)
            if (strchr(";,&\n{[", text[i - 1]) != NULL)
                begin = i;
        if (secret_name(text + begin, at - begin))
            return true;
    }
    return has_login(text, size);
}
