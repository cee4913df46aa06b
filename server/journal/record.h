/* Bytes of a segment. All numbers are little-endian.
 *
 * segment = header (72 bytes), then records.
 * header: magic "CENCJRN1" | version u32 (1; 2 if batch isn't 0) | crc u32 (CRC-32C) of the other
 *   68 bytes | first sequence u64 | created, ms since 1970 u64 | node, 32 bytes, NUL padded | seed
 *   u32 | batch u32
 * record: size u32 | crc u32 | sequence u64 | committed u64 | kind u8 | zero, 7 bytes | payload of
 *   size bytes | zeros to a multiple of 8. The crc (CRC-32C) goes on from the segment's seed and
 *   covers everything of the record but the crc itself, without the zeros at the end.
 *
 * The seed is random, so that bytes that were no record of this segment don't pass for one: what a
 * device made up and sent as its payload, or what an older segment left in the disk's blocks.
 *
 * `committed` is the last sequence that was on the disk when the record was written. It tells
 * damage from an interrupted write: pages of one unsynced group may reach the disk in any order, so
 * a bad record before a good one proves nothing, unless the good one says that the bad one had been
 * committed. A segment that was closed in order ends with a seal, a record of kind 0 without
 * payload that is no record of the journal: its sequence is the next one, and its committed says so
 * of all before. A crash leaves none.
 *
 * A segment may begin with a batch: so many records that count together (batch.h). They were on the
 * disk before the segment had its name, so a bad one among them is damage in any case. Nobody knew
 * their sequences when they were written: in place of it they are counted from 0, and `committed`
 * is 0. */
#ifndef CENCD_JOURNAL_RECORD_H
#define CENCD_JOURNAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_HEADER_SIZE 72u
#define RECORD_HEADER_SIZE  32u
#define RECORD_ALIGNMENT    8u
#define SEGMENT_NODE_SIZE   32u
#define RECORD_SEAL         0u /* kind */

struct segment_header {
    uint64_t first_sequence;
    uint64_t created_utc_ms;
    char node[SEGMENT_NODE_SIZE];
    uint32_t seed;  /* of all its records */
    uint32_t batch; /* its first records, which count together; 0: none */
};

struct record {
    uint64_t sequence;
    uint64_t committed;
    const uint8_t *payload;
    uint32_t size;
    uint8_t kind;
};

void segment_header_encode(const struct segment_header *header,
                           uint8_t bytes[static SEGMENT_HEADER_SIZE]);
bool segment_header_decode(const uint8_t bytes[static SEGMENT_HEADER_SIZE],
                           struct segment_header *header);

/* What the record with this sequence, which is the segment's, has in its place. */
static inline uint64_t segment_number(const struct segment_header *header, uint64_t sequence)
{
    uint64_t index = sequence - header->first_sequence;
    return index < header->batch ? index : sequence;
}

/* Bytes that a record with this payload takes in the file. */
size_t record_size(uint32_t payload_size);

/* Writes record_size(record->size) bytes. */
void record_encode(uint32_t seed, const struct record *record, uint8_t *bytes);

enum record_check { RECORD_GOOD, RECORD_SHORT, RECORD_BAD };

/* Looks at the record at the start of bytes. GOOD: record is filled (payload points into bytes) and
 * *taken is its size in the file; it may be a seal. SHORT: it claims more than size bytes. BAD: no
 * record. */
enum record_check record_decode(uint32_t seed, const uint8_t *bytes, size_t size,
                                struct record *record, size_t *taken);

#endif
