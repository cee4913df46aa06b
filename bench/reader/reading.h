/* What was read from a meter, as text with units, and how it is printed. */
#ifndef CENCD_READER_READING_H
#define CENCD_READER_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READING_TEXT_SIZE   64u
#define READING_MAX_VALUES  8u
#define READING_MAX_COLUMNS 8u
#define READING_MAX_ROWS    400u

struct reading_value {
    const char *name; /* "active energy import total" */
    char text[READING_TEXT_SIZE];
    const char *unit; /* "kWh", or "" */
};

struct reading_row {
    char text[READING_MAX_COLUMNS][READING_TEXT_SIZE];
};

struct reading {
    const char *protocol; /* "dlms", "iec" */
    struct reading_value values[READING_MAX_VALUES];
    size_t value_count;
    bool has_profile;
    uint32_t period_s;                                 /* of the profile; 0: not known */
    struct reading_value columns[READING_MAX_COLUMNS]; /* text: the object's name */
    size_t column_count;
    struct reading_row rows[READING_MAX_ROWS];
    size_t row_count;
};

/* text may hold any bytes; what can't be printed becomes '.'. */
void reading_add(struct reading *reading, const char *name, const char *text, size_t text_size,
                 const char *unit);

/* Writes value * 10^scaler in decimal: 12345678, -3 gives 12345.678. */
void reading_format(int64_t value, int scaler, char out[READING_TEXT_SIZE]);

/* Copies at most READING_TEXT_SIZE - 1 bytes, unprintable ones as '.'. */
void reading_copy(char out[READING_TEXT_SIZE], const void *text, size_t size);

void reading_print(const struct reading *reading);
void reading_print_json(const struct reading *reading);

#endif
