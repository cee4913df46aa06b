#include "server/directory/names.h"

#include <string.h>

#include "codec/proto/text.h"

enum sort { OTHER, LATIN, CYRILLIC, DIGIT, SIGN, SPACE };

/* Letters beyond ASCII: Latin-1 and Latin Extended-A without their two signs; Cyrillic without
 * historic ones and combining marks. */
static enum sort sort_of(uint32_t c, enum name_use use)
{
    if (c >= '0' && c <= '9')
        return DIGIT;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return LATIN;
    if (c >= 0xc0 && c <= 0x17f)
        return c != 0xd7 && c != 0xf7 ? LATIN : OTHER;
    if ((c >= 0x400 && c <= 0x45f) || (c >= 0x48a && c <= 0x4ff))
        return CYRILLIC;
    if (c == ' ')
        return use == NAME_OF_AGENT ? OTHER : SPACE;
    if (c == 0x2116 || c == 0xab || c == 0xbb) /* № « » */
        return SIGN;
    if (c < 0x80 && c > 0 && strchr(use == NAME_OF_AGENT ? "._-+@#()" : "._-+@#():,", (int)c))
        return SIGN;
    return OTHER;
}

const char *name_fault(const char *name, enum name_use use)
{
    size_t size = strnlen(name, DIRECTORY_NAME_SIZE);
    enum sort script = OTHER; /* of the word so far */
    enum sort former = SPACE;
    uint32_t c = 0;

    if (size == 0)
        return "is empty";
    if (size == DIRECTORY_NAME_SIZE)
        return "is longer than 95 bytes";
    for (size_t at = 0, length; at < size; at += length) {
        length = proto_utf8_decode((const uint8_t *)name + at, size - at, &c);
        enum sort sort = length > 0 ? sort_of(c, use) : OTHER;
        if (sort == OTHER)
            return use == NAME_OF_AGENT
                       ? "has a character that is no letter (Latin or Cyrillic), digit or one of "
                         "._-+@#()"
                       : "has a character that is no letter (Latin or Cyrillic), digit, space or "
                         "one of ._-+@#():,";
        if (sort == SPACE && former == SPACE)
            return "begins with a space or has two in a row";
        if (at == 0 && sort == SIGN && c != 0xab && c != 0x2116)
            return "doesn't begin with a letter or a digit";
        if (sort == SPACE || sort == SIGN)
            script = OTHER;
        if (sort == LATIN || sort == CYRILLIC) {
            if (script != OTHER && script != sort)
                return "mixes Latin and Cyrillic letters in one word";
            script = sort;
        }
        former = sort;
    }
    return former == SPACE ? "ends with a space" : NULL;
}

const char *note_fault(const char *note)
{
    char out[PROTO_TEXT_SIZE(DIRECTORY_NOTE_SIZE)];
    size_t size = strnlen(note, DIRECTORY_NOTE_SIZE);

    if (size == DIRECTORY_NOTE_SIZE)
        return "is longer than 255 bytes";
    if (!proto_text(note, size, out, sizeof(out)))
        return "has a character that can't be shown";
    return NULL;
}

/* ---- what looks alike ---- */

static uint32_t lower(uint32_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c + 32;
    if (c >= 0xc0 && c <= 0xde && c != 0xd7)
        return c + 32;
    if (c >= 0x410 && c <= 0x42f)
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    if (c == 0x4c0)
        return 0x4cf;
    if (c == 0x178)
        return 0xff;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e) || (c >= 0x4c1 && c <= 0x4ce))
        return c + (c & 1); /* pairs begin with odd ones */
    if ((c >= 0x100 && c <= 0x177) || (c >= 0x48a && c <= 0x4bf) || c >= 0x4d0)
        return c | 1;
    return c;
}

/* Cyrillic letters, small, and the Latin ones of the same shape, small or large. */
static const struct {
    uint32_t cyrillic;
    char latin;
} alike[] = {{0x430, 'a'}, {0x432, 'b'}, {0x435, 'e'}, {0x451, 'e'}, {0x43a, 'k'},
             {0x43c, 'm'}, {0x43d, 'h'}, {0x43e, 'o'}, {0x440, 'p'}, {0x441, 'c'},
             {0x442, 't'}, {0x443, 'y'}, {0x445, 'x'}, {0x455, 's'}, {0x456, 'i'},
             {0x457, 'i'}, {0x458, 'j'}, {0x4cf, 'i'}, {0x4bb, 'h'}};

static char shape_of(uint32_t c)
{
    for (size_t i = 0; i < sizeof(alike) / sizeof(alike[0]); i++)
        if (alike[i].cyrillic == c)
            return alike[i].latin;
    if (c == '0')
        return 'o';
    if (c == '1' || c == 'l')
        return 'i';
    return c < 0x80 ? (char)c : '\0';
}

void name_shape(const char *name, char shape[static DIRECTORY_NAME_SIZE])
{
    size_t size = strnlen(name, DIRECTORY_NAME_SIZE - 1);
    size_t out = 0;
    uint32_t c = 0;

    for (size_t at = 0, length; at < size; at += length) {
        length = proto_utf8_decode((const uint8_t *)name + at, size - at, &c);
        if (length == 0)
            break;
        char alone = shape_of(lower(c));
        if (alone != '\0') {
            shape[out++] = alone;
            continue;
        }
        c = lower(c); /* all that are left take two bytes, or three as they were */
        if (length == 2) {
            shape[out++] = (char)(0xc0 | (c >> 6));
            shape[out++] = (char)(0x80 | (c & 0x3f));
        } else {
            memcpy(shape + out, name + at, length);
            out += length;
        }
    }
    shape[out] = '\0';
}

bool names_look_alike(const char *a, const char *b)
{
    char shape_a[DIRECTORY_NAME_SIZE];
    char shape_b[DIRECTORY_NAME_SIZE];

    name_shape(a, shape_a);
    name_shape(b, shape_b);
    return strcmp(shape_a, shape_b) == 0;
}
