#include "server/exchange/faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct exchange_fault *exchange_fault(struct exchange_faults *faults, const char *format, ...)
{
    static _Thread_local struct exchange_fault more;
    struct exchange_fault *fault = &more;
    va_list arguments;

    if (faults->count < EXCHANGE_FAULTS)
        fault = &faults->list[faults->count++];
    faults->found++;
    memset(fault, 0, sizeof(*fault));
    va_start(arguments, format);
    (void)vsnprintf(fault->text, sizeof(fault->text), format, arguments);
    va_end(arguments);
    return fault;
}

void exchange_fault_at(struct exchange_fault *fault, const char *text, size_t size, size_t at)
{
    const char *end = text + (at < size ? at : size);
    const char *begin = text;
    const char *next;

    fault->line = 1;
    while ((next = memchr(begin, '\n', (size_t)(end - begin))) != NULL) {
        fault->line++;
        begin = next + 1;
    }
    fault->column = 1;
    for (; begin < end; begin++)
        if (((unsigned char)*begin & 0xc0) != 0x80) /* not inside of a character */
            fault->column++;
}
