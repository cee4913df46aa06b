/* Text that grows while a page is written. Running out of memory is remembered, not reported by
 * each call: whoever takes the text looks once, at the end. */
#ifndef CENCD_OPS_PAGE_H
#define CENCD_OPS_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct page {
    char *text; /* ended by NUL once anything was written; free(3) it */
    size_t size;
    size_t capacity;
    bool failed; /* out of memory: text is incomplete */
};

void page_add(struct page *page, const char *text, size_t size);
void page_print(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_free(struct page *page);

#endif
