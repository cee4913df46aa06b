/* Counts unidentified links by source address, so that one host can't take all places. Identified
 * links are not counted: a carrier's NAT is one address. Of an IPv6 address the first 64 bits
 * count: the rest is one host's own choice. Thread-safe. */
#ifndef CENCD_LINK_SOURCES_H
#define CENCD_LINK_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/address.h"
#include "server/base/status.h"

struct sources;

/* limit: links one address may have at a time; capacity: addresses that can be counted at once, at
 * least limits.unidentified. */
enum status sources_create(uint32_t limit, uint32_t capacity, struct sources **sources) MUST_CHECK;
void sources_free(struct sources *sources);

/* Counts one more; false (and not counted) if the address has its limit. */
bool sources_enter(struct sources *sources, const struct address *peer);
void sources_leave(struct sources *sources, const struct address *peer);

#endif
