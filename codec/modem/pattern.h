/* A small language for what simple modems say: literal bytes, and a part that is the device's id.
 *
 *   pattern = { byte | "\" escape | part }
 *   byte    = any character but "\", "(" and ")"
 *   escape  = "x" two hexadecimal digits | "r" | "n" | "t" | "\" | "(" | ")"
 *   part    = "(" ( "id" | "skip" ) [ ":" count [ " " class ] ] ")"
 *   count   = n | n ".." m            1 to 31 for an id, 1 to 255 for skip
 *   class   = "digit" | "hex" | "alnum" | "print" | "any"
 *
 * (id) is (id:1..31 alnum), and so is a part without a class of that class; an id is never of
 * "any". "LOGIN:(id)", "\x00\x0F(id:15 digit)", "{\x01(skip:2 any)(id:11 digit)\n(skip:9 any){".
 *
 * A part takes as many bytes of its class as it may, without going back; therefore what follows a
 * part of variable length must begin with a literal byte that is not of its class. */
#ifndef CENCD_CODEC_MODEM_PATTERN_H
#define CENCD_CODEC_MODEM_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_MAX_ITEMS 64
#define PATTERN_MAX_ID    31

enum pattern_class {
    PATTERN_LITERAL,
    PATTERN_DIGIT,
    PATTERN_HEX,
    PATTERN_ALNUM,
    PATTERN_PRINT, /* 21 to 7E: without the blank */
    PATTERN_ANY,
};

struct pattern_item {
    uint8_t class; /* enum pattern_class */
    uint8_t byte;  /* LITERAL */
    uint8_t minimum;
    uint8_t maximum;
    bool is_id;
};

struct pattern {
    struct pattern_item items[PATTERN_MAX_ITEMS];
    size_t count; /* 0: never matches */
    bool has_id;
};

/* False and a sentence in error (error_size bytes with NUL) if text breaks the language. */
bool pattern_parse(const char *text, struct pattern *pattern, char *error, size_t error_size);

/* The bytes of a pattern without parts. False: it has parts, or more bytes than capacity. */
bool pattern_bytes(const struct pattern *pattern, uint8_t *bytes, size_t capacity, size_t *size);

enum pattern_result {
    PATTERN_NO,
    PATTERN_MORE,  /* a beginning */
    PATTERN_MAYBE, /* all of it, but the next byte might belong to it as well */
    PATTERN_YES,
};

struct pattern_match {
    size_t size;       /* bytes of the input that matched */
    const uint8_t *id; /* inside the input */
    size_t id_size;
};

/* Matches from the first byte on; match is set for MAYBE and YES. */
enum pattern_result pattern_match(const struct pattern *pattern, const uint8_t *data, size_t size,
                                  struct pattern_match *match);

#endif
