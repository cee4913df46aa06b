#include "bench/reader/reading.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/base/check.h"

#define MAX_ZEROS 18 /* further ones don't fit into what meters count */

void reading_copy(char out[READING_TEXT_SIZE], const void *text, size_t size)
{
    const unsigned char *bytes = text;

    if (size >= READING_TEXT_SIZE)
        size = READING_TEXT_SIZE - 1;
    for (size_t i = 0; i < size; i++)
        out[i] = (char)(bytes[i] >= 0x20 && bytes[i] < 0x7F ? bytes[i] : '.');
    out[size] = '\0';
}

void reading_add(struct reading *reading, const char *name, const char *text, size_t text_size,
                 const char *unit)
{
    CHECK(reading->value_count < READING_MAX_VALUES);
    struct reading_value *value = &reading->values[reading->value_count++];
    value->name = name;
    value->unit = unit;
    reading_copy(value->text, text, text_size);
}

void reading_format(int64_t value, int scaler, char out[READING_TEXT_SIZE])
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char digits[48];
    int zeros = scaler > 0 ? scaler : 0;
    int behind = scaler < 0 ? -scaler : 0;

    if (zeros > MAX_ZEROS || behind > MAX_ZEROS) {
        (void)snprintf(out, READING_TEXT_SIZE, "%" PRId64 "e%d", value, scaler);
        return;
    }
    if (size == 0)
        zeros = 0;
    /* as many leading zeros as leave one in front of the point */
    int length = snprintf(digits, sizeof digits, "%0*" PRIu64, behind + 1, size);
    memset(digits + length, '0', (size_t)zeros);
    digits[length + zeros] = '\0';
    int before = length - behind;
    (void)snprintf(out, READING_TEXT_SIZE, "%s%.*s%s%s", value < 0 ? "-" : "",
                   behind > 0 ? before : length + zeros, digits, behind > 0 ? "." : "",
                   behind > 0 ? digits + before : "");
}

/* ---- for people ---- */

static void print_value(const char *text, const char *unit)
{
    printf("%s%s%s", text, unit[0] != '\0' ? " " : "", unit);
}

static void print_profile(const struct reading *reading)
{
    printf("load profile: %zu rows", reading->row_count);
    if (reading->period_s > 0)
        printf(", one per %" PRIu32 " s", reading->period_s);
    printf(":");
    for (size_t i = 0; i < reading->column_count; i++)
        printf("%s %s", i > 0 ? "," : "", reading->columns[i].text);
    printf("\n");
    for (size_t i = 0; i < reading->row_count; i++) {
        for (size_t k = 0; k < reading->column_count; k++) {
            printf("  ");
            print_value(reading->rows[i].text[k], reading->columns[k].unit);
        }
        printf("\n");
    }
}

void reading_print(const struct reading *reading)
{
    for (size_t i = 0; i < reading->value_count; i++) {
        printf("%s ", reading->values[i].name);
        print_value(reading->values[i].text, reading->values[i].unit);
        printf("\n");
    }
    if (reading->has_profile)
        print_profile(reading);
}

/* ---- for programs ---- */

/* text is printable ASCII */
static void print_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

static void print_member(const char *name, const char *text)
{
    printf("\"%s\":", name);
    print_string(text);
}

void reading_print_json(const struct reading *reading)
{
    printf("{");
    print_member("protocol", reading->protocol);
    printf(",\"values\":[");
    for (size_t i = 0; i < reading->value_count; i++) {
        printf("%s{", i > 0 ? "," : "");
        print_member("name", reading->values[i].name);
        printf(",");
        print_member("value", reading->values[i].text);
        printf(",");
        print_member("unit", reading->values[i].unit);
        printf("}");
    }
    printf("]");
    if (reading->has_profile) {
        printf(",\"profile\":{\"period_s\":%" PRIu32 ",\"columns\":[", reading->period_s);
        for (size_t i = 0; i < reading->column_count; i++) {
            printf("%s{", i > 0 ? "," : "");
            print_member("name", reading->columns[i].text);
            printf(",");
            print_member("unit", reading->columns[i].unit);
            printf("}");
        }
        printf("],\"rows\":[");
        for (size_t i = 0; i < reading->row_count; i++) {
            printf("%s[", i > 0 ? "," : "");
            for (size_t k = 0; k < reading->column_count; k++) {
                if (k > 0)
                    printf(",");
                print_string(reading->rows[i].text[k]);
            }
            printf("]");
        }
        printf("]}");
    }
    printf("}\n");
}
