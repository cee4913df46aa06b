/* Inside the reader of ceHes files: what its files share. */
#ifndef CENCD_EXCHANGE_CEHES_INTERNAL_H
#define CENCD_EXCHANGE_CEHES_INTERNAL_H

#include <jansson.h>

#include "server/exchange/cehes.h"
#include "server/exchange/scrub.h"
#include "server/exchange/slice.h"

struct cehes {
    struct exchange *exchange;
    const char *text;
    size_t size;
    enum status status;          /* not OK: reading ends */
    struct names_index channels; /* by Id: their number, or with CEHES_OTHER that of a piece */
    struct names_index protocols;
    struct names_index group_ids;
};

#define CEHES_OTHER 0x80000000u

/* An object of a list under way. */
struct cehes_element {
    struct cehes *cehes;
    const char *list; /* "Channels" */
    struct exchange_place place;
    bool is_device;
    bool is_large;
    uint32_t group; /* of a device */
    struct slice slice;
    json_t *value; /* NULL: it could not be parsed, which was said */
    void (*read)(struct cehes_element *element);
};

/* A fault in the element; field: "" for it as a whole. */
void cehes_fault(const struct cehes_element *element, const char *field, const char *text);

/* Parses a slice; NULL: a fault was kept, or there is no memory. */
json_t *cehes_parse(struct cehes *cehes, const struct slice *slice,
                    char path[static EXCHANGE_PATH_SIZE]);

/* A field's text; NULL: it is null or isn't there, or (a fault) no text. */
const char *cehes_text(const struct cehes_element *element, const char *field);

/* The same, and it must be there. */
const char *cehes_needed(const struct cehes_element *element, const char *field);

bool cehes_bool(const struct cehes_element *element, const json_t *object, const char *field,
                bool otherwise);

/* The slice without passwords, in the arena; NULL: too long (a fault), or no memory. */
const char *cehes_details(const struct cehes_element *element, const char *text, size_t size);

/* True if memory was there. */
bool cehes_has(struct cehes *cehes, const void *memory);

/* One element each. */
void cehes_read_channel(struct cehes_element *element);
void cehes_read_protocol(struct cehes_element *element);
void cehes_read_device(struct cehes_element *element);

#endif
