#include "server/journal/record.h"

#include <string.h>

#include "server/base/crc32c.h"
#include "server/journal/journal.h"

#define VERSION            1u
#define VERSION_WITH_BATCH 2u

static const uint8_t magic[8] = {'C', 'E', 'N', 'C', 'J', 'R', 'N', '1'};

static void put32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static void put64(uint8_t *bytes, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value = 0;
    for (int i = 3; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static uint64_t get64(const uint8_t *bytes)
{
    return (uint64_t)get32(bytes + 4) << 32 | get32(bytes);
}

static uint32_t header_crc(const uint8_t bytes[static SEGMENT_HEADER_SIZE])
{
    uint32_t crc = crc32c(0, bytes, 12);
    return crc32c(crc, bytes + 16, SEGMENT_HEADER_SIZE - 16);
}

void segment_header_encode(const struct segment_header *header,
                           uint8_t bytes[static SEGMENT_HEADER_SIZE])
{
    memset(bytes, 0, SEGMENT_HEADER_SIZE);
    memcpy(bytes, magic, sizeof magic);
    put32(bytes + 8, header->batch > 0 ? VERSION_WITH_BATCH : VERSION);
    put64(bytes + 16, header->first_sequence);
    put64(bytes + 24, header->created_utc_ms);
    memcpy(bytes + 32, header->node, SEGMENT_NODE_SIZE);
    put32(bytes + 64, header->seed);
    put32(bytes + 68, header->batch);
    put32(bytes + 12, header_crc(bytes));
}

bool segment_header_decode(const uint8_t bytes[static SEGMENT_HEADER_SIZE],
                           struct segment_header *header)
{
    uint32_t version = get32(bytes + 8);
    uint32_t batch = get32(bytes + 68);
    if (memcmp(bytes, magic, sizeof magic) != 0 ||
        version != (batch > 0 ? VERSION_WITH_BATCH : VERSION) ||
        get32(bytes + 12) != header_crc(bytes))
        return false;
    header->first_sequence = get64(bytes + 16);
    header->created_utc_ms = get64(bytes + 24);
    memcpy(header->node, bytes + 32, SEGMENT_NODE_SIZE);
    header->node[SEGMENT_NODE_SIZE - 1] = '\0';
    header->seed = get32(bytes + 64);
    header->batch = batch;
    return true;
}

size_t record_size(uint32_t payload_size)
{
    size_t size = RECORD_HEADER_SIZE + (size_t)payload_size;
    return (size + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT;
}

static uint32_t record_crc(uint32_t seed, const uint8_t *bytes, uint32_t payload_size)
{
    uint32_t crc = crc32c(seed, bytes, 4);
    return crc32c(crc, bytes + 8, RECORD_HEADER_SIZE - 8 + (size_t)payload_size);
}

void record_encode(uint32_t seed, const struct record *record, uint8_t *bytes)
{
    size_t end = RECORD_HEADER_SIZE + (size_t)record->size;
    put32(bytes, record->size);
    put64(bytes + 8, record->sequence);
    put64(bytes + 16, record->committed);
    memset(bytes + 24, 0, 8);
    bytes[24] = record->kind;
    if (record->size > 0)
        memcpy(bytes + RECORD_HEADER_SIZE, record->payload, record->size);
    memset(bytes + end, 0, record_size(record->size) - end);
    put32(bytes + 4, record_crc(seed, bytes, record->size));
}

enum record_check record_decode(uint32_t seed, const uint8_t *bytes, size_t size,
                                struct record *record, size_t *taken)
{
    if (size < RECORD_HEADER_SIZE)
        return RECORD_SHORT;
    uint32_t payload = get32(bytes);
    if (payload > JOURNAL_RECORD_MAX || (payload == 0) != (bytes[24] == RECORD_SEAL))
        return RECORD_BAD;
    if (record_size(payload) > size)
        return RECORD_SHORT;
    if (get32(bytes + 4) != record_crc(seed, bytes, payload))
        return RECORD_BAD;
    record->size = payload;
    record->sequence = get64(bytes + 8);
    record->committed = get64(bytes + 16);
    record->kind = bytes[24];
    record->payload = bytes + RECORD_HEADER_SIZE;
    *taken = record_size(payload);
    return RECORD_GOOD;
}
