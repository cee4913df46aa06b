/* Which events a stream wants: by project, kind and device, and what its consumer may see at all.
 * Looks at packed events, without unpacking them. */
#ifndef CENCD_NORTHBOUND_FILTER_H
#define CENCD_NORTHBOUND_FILTER_H

#include <cenc/v1/northbound.pb-c.h>

#include "codec/proto/pack.h"
#include "server/base/status.h"
#include "server/northbound/consumers.h"

#define FILTER_MAX_NAMES   100u
#define FILTER_MAX_DEVICES 1000u
#define FILTER_ERROR_SIZE  240u

struct filter;

/* filter may be NULL: all that the consumer may see. STATUS_INVALID: error holds a sentence.
 * STATUS_REFUSED: a project that may not be seen, the same. STATUS_NO_MEMORY. */
enum status filter_create(const struct consumer *consumer, const Cenc__V1__EventFilter *wanted,
                          struct filter **filter, char error[static FILTER_ERROR_SIZE]) MUST_CHECK;
void filter_free(struct filter *filter); /* NULL: nothing */

enum filter_answer {
    FILTER_LEAVES_OUT, /* 0 */
    FILTER_TAKES,
    FILTER_TAKES_PART, /* device_moved between projects, of which the consumer sees one */
};

/* data: a packed event of the journal. */
enum filter_answer filter_takes(const struct filter *filter, const uint8_t *data, size_t size);

/* After FILTER_TAKES_PART: what the consumer may see of the event, packed again. 0: nothing of it
 * can be told. The arena is used for it. */
size_t filter_part(const struct filter *filter, const uint8_t *data, size_t size,
                   struct proto_arena *arena, uint8_t *out, size_t capacity);

#endif
