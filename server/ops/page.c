#include "server/ops/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096

/* Room for size bytes more and a NUL. */
static bool make_room(struct page *page, size_t size)
{
    size_t capacity = page->capacity == 0 ? FIRST_CAPACITY : page->capacity;

    if (page->failed)
        return false;
    while (capacity - page->size <= size)
        capacity *= 2;
    if (capacity == page->capacity)
        return true;
    char *text = realloc(page->text, capacity);
    if (text == NULL) {
        page->failed = true;
        return false;
    }
    page->text = text;
    page->capacity = capacity;
    return true;
}

void page_add(struct page *page, const char *text, size_t size)
{
    if (!make_room(page, size))
        return;
    memcpy(page->text + page->size, text, size);
    page->size += size;
    page->text[page->size] = '\0';
}

static void print(struct page *page, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void print(struct page *page, const char *format, va_list arguments)
{
    va_list again;

    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    if (size >= 0 && make_room(page, (size_t)size)) {
        (void)vsnprintf(page->text + page->size, (size_t)size + 1, format, again);
        page->size += (size_t)size;
    }
    va_end(again);
}

void page_print(struct page *page, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(page, format, arguments);
    va_end(arguments);
}

void page_free(struct page *page)
{
    free(page->text);
    *page = (struct page){0};
}
