/* What is wrong with a file that was read: where, by path and line, and what. The first hundred are
 * kept. */
#ifndef CENCD_EXCHANGE_FAULTS_H
#define CENCD_EXCHANGE_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#define EXCHANGE_FAULTS     100u
#define EXCHANGE_PATH_SIZE  128u
#define EXCHANGE_FAULT_TEXT 256u

struct exchange_fault {
    char
        path[EXCHANGE_PATH_SIZE]; /* "Groups[1].Devices[0].SerialNumber"; "": of CSV, or the file */
    uint32_t line;                /* from 1; 0: of the file as a whole */
    uint32_t column;              /* from 1, in characters; of CSV the number of the field */
    char text[EXCHANGE_FAULT_TEXT];
};

struct exchange_faults {
    size_t found;
    size_t count; /* of those that are kept */
    struct exchange_fault list[EXCHANGE_FAULTS];
};

/* The next one, to be filled, with its text; when no more are kept, one that is thrown away. */
struct exchange_fault *exchange_fault(struct exchange_faults *faults, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Line and column of the byte `at` of the text. */
void exchange_fault_at(struct exchange_fault *fault, const char *text, size_t size, size_t at);

#endif
