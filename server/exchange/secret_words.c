#include "server/exchange/secret_words.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 32u

struct word {
    size_t size;
    const char *text;
};

#define WORD(text)                                                                                 \
    {                                                                                              \
        sizeof(text) - 1, text                                                                     \
    }

/* Anywhere in a name. */
static const struct word parts[] = {WORD("passw"),  WORD("passphrase"), WORD("passcode"),
                                    WORD("secret"), WORD("credential"), WORD("парол"),
                                    WORD("Парол"),  WORD("ПАРОЛ"),      WORD("секрет"),
                                    WORD("Секрет"), WORD("СЕКРЕТ")};

/* A whole word of it. */
static const struct word words[] = {
    WORD("pass"),  WORD("pwd"),    WORD("psw"),   WORD("pw"),   WORD("key"), WORD("keys"),
    WORD("token"), WORD("tokens"), WORD("pin"),   WORD("puk"),  WORD("ak"),  WORD("ek"),
    WORD("guek"),  WORD("gak"),    WORD("gbek"),  WORD("kek"),  WORD("mk"),  WORD("ключ"),
    WORD("Ключ"),  WORD("КЛЮЧ"),   WORD("ключи"), WORD("Ключи")};

static bool is_secret_word(const char *word, size_t size)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (words[i].size == size && strncasecmp(word, words[i].text, size) == 0)
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

/* All parts begin with one of these letters, or one that isn't Latin. */
static bool may_begin_part(char c)
{
    return c == 'p' || c == 'P' || c == 's' || c == 'S' || c == 'c' || c == 'C' ||
           (unsigned char)c >= 0x80;
}

static bool has_part(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at++)
        for (size_t i = 0; may_begin_part(text[at]) && i < sizeof(parts) / sizeof(parts[0]); i++)
            if (parts[i].size <= size - at &&
                strncasecmp(text + at, parts[i].text, parts[i].size) == 0)
                return true;
    return false;
}

bool secret_name(const char *name, size_t size)
{
    return has_part(name, size) || has_word(name, size);
}

/* scheme://user:password@host */
static bool has_login(const char *text, size_t size)
{
    const char *begin = memmem(text, size, "://", 3);

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
