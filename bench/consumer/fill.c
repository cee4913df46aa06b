/* A journal full of events, written as the server writes it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/consumer/client.h"
#include "codec/proto/event.h"
#include "server/base/check.h"
#include "server/journal/name.h"
#include "server/journal/record.h"

#define SEGMENT_BYTES (64u << 20)

static size_t make_event(uint64_t number, uint8_t *data, size_t capacity)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__Connected body = CENC__V1__CONNECTED__INIT;
    Cenc__V1__Endpoint peer = CENC__V1__ENDPOINT__INIT;
    Cenc__V1__Signal signal = CENC__V1__SIGNAL__INIT;
    char serial[24];
    size_t size = 0;
    (void)snprintf(serial, sizeof serial, "8684410%08llu", (unsigned long long)(number % 100000));
    event.node = proto_string("node1");
    event.received_unix_ms = 1700000000000 + (int64_t)number;
    event.device = &device;
    device.scope = proto_string("default");
    device.serial = serial;
    device.kind = proto_string("irz-modem");
    device.model = proto_string("ATM21");
    device.firmware = proto_string("01.04 024.254");
    event.link_epoch = (uint32_t)(number / 100000 + 1);
    event.event_type = proto_string("3.1.0.42");
    event.listener = proto_string("irz");
    event.body_case = CENC__V1__EVENT__BODY_CONNECTED;
    event.connected = &body;
    body.transport = CENC__V1__TRANSPORT__TRANSPORT_TCP;
    peer.address = proto_string("10.20.30.40");
    peer.port = 40000;
    body.peer = &peer;
    body.local_port = 5009;
    body.signal = &signal;
    signal.csq = 17;
    body.direct_port = 20001;
    CHECK(event_pack(&event, data, capacity, &size) == CODEC_OK);
    return size;
}

static FILE *begin_segment(const char *folder, uint64_t first, uint32_t seed)
{
    struct segment_header header = {
        .first_sequence = first, .created_utc_ms = (uint64_t)time(NULL) * 1000, .seed = seed};
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%020llu-0000.seg", folder, (unsigned long long)first);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    segment_header_encode(&header, bytes);
    CHECK(fwrite(bytes, sizeof bytes, 1, file) == 1);
    return file;
}

static void put_record(FILE *file, uint32_t seed, uint64_t sequence, const uint8_t *payload,
                       uint32_t size, uint8_t kind)
{
    static uint8_t bytes[4096];
    struct record record = {.sequence = sequence,
                            .committed = sequence - 1,
                            .payload = payload,
                            .size = size,
                            .kind = kind};
    CHECK(record_size(size) <= sizeof bytes);
    record_encode(seed, &record, bytes);
    CHECK(fwrite(bytes, record_size(size), 1, file) == 1);
}

int fill(const char *folder, uint64_t events)
{
    const uint32_t seed = 12345;
    FILE *file = begin_segment(folder, 1, seed);
    uint64_t bytes = 0;
    uint8_t data[1024];
    for (uint64_t sequence = 1; sequence <= events; sequence++) {
        if (bytes > SEGMENT_BYTES) {
            put_record(file, seed, sequence, NULL, 0, RECORD_SEAL);
            CHECK(fclose(file) == 0);
            file = begin_segment(folder, sequence, seed);
            bytes = 0;
        }
        size_t size = make_event(sequence, data, sizeof data);
        put_record(file, seed, sequence, data, (uint32_t)size, 1);
        bytes += record_size((uint32_t)size);
    }
    CHECK(fclose(file) == 0);
    return 0;
}
