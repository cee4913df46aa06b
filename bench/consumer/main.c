/* How fast one consumer drains the northbound.
 *
 *   consumer fill FOLDER EVENTS            writes a journal with so many events
 *   consumer drain IP:PORT TOKEN EVENTS    takes them all, says how fast
 *
 * The consumer is as small as one can be: blocking calls, no decoding but the count of events and
 * the sequence to acknowledge. bench/drain runs both, and Google's gRPC for Python beside it. */
#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "codec/grpc/grpc.h"
#include "codec/proto/event.h"
#include "codec/proto/wire.h"
#include "server/base/address.h"
#include "server/base/check.h"
#include "server/journal/name.h"
#include "server/journal/record.h"

#define SEGMENT_BYTES (64u << 20)
#define WINDOW        (16 << 20)

static double now_s(void)
{
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- fill ---- */

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

static int fill(const char *folder, uint64_t events)
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

/* ---- drain ---- */

static struct {
    nghttp2_session *session;
    int socket;
    int32_t stream;
    struct grpc_unframe unframe;
    uint8_t *message;
    size_t message_size;
    uint64_t events;
    uint64_t bytes;
    uint64_t through;
    uint64_t acknowledged;
    uint8_t out[4096];
    size_t out_size;
    bool over;
} drain;

static void put_request(const uint8_t *data, size_t size)
{
    CHECK(drain.out_size + size + GRPC_PREFIX_SIZE <= sizeof drain.out);
    grpc_prefix_write(drain.out + drain.out_size, (uint32_t)size);
    memcpy(drain.out + drain.out_size + GRPC_PREFIX_SIZE, data, size);
    drain.out_size += GRPC_PREFIX_SIZE + size;
    (void)nghttp2_session_resume_data(drain.session, drain.stream);
}

static void take_message(void)
{
    struct wire_reader reader = wire_reader_over(drain.message, drain.message_size);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        drain.events += field.number == 1;
        if (field.number == 2)
            drain.through = field.value;
    }
    drain.bytes += drain.message_size;
}

/* Acknowledge { sequence = through } as request 2. */
static void acknowledge(void)
{
    uint8_t inner[16] = {0x08};
    uint8_t outer[32] = {0x12};
    if (drain.through == drain.acknowledged || drain.out_size > 0)
        return;
    size_t size = 1 + wire_put_varint(inner + 1, drain.through);
    outer[1] = (uint8_t)size;
    memcpy(outer + 2, inner, size);
    drain.acknowledged = drain.through;
    put_request(outer, size + 2);
}

static int data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                      size_t size, void *user_data)
{
    enum grpc_piece what;
    const uint8_t *piece;
    size_t piece_size;
    (void)session;
    (void)flags;
    (void)id;
    (void)user_data;
    while ((what = grpc_unframe_next(&drain.unframe, &data, &size, &piece, &piece_size)) !=
           GRPC_MORE) {
        if (what == GRPC_BEGIN) {
            drain.message = realloc(drain.message, drain.unframe.size + 1);
            CHECK(drain.message != NULL);
            drain.message_size = 0;
        } else if (what == GRPC_BYTES) {
            memcpy(drain.message + drain.message_size, piece, piece_size);
            drain.message_size += piece_size;
        } else {
            take_message();
        }
    }
    return 0;
}

static int stream_closed(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    (void)session;
    (void)id;
    (void)code;
    (void)user_data;
    drain.over = true;
    return 0;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): nghttp2 says so */
static ssize_t read_out(nghttp2_session *session, int32_t id, uint8_t *data, size_t capacity,
                        uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    size_t size = drain.out_size < capacity ? drain.out_size : capacity;
    (void)session;
    (void)id;
    (void)flags;
    (void)source;
    (void)user_data;
    if (size == 0)
        return NGHTTP2_ERR_DEFERRED;
    memcpy(data, drain.out, size);
    drain.out_size -= size;
    memmove(drain.out, drain.out + size, drain.out_size);
    return (ssize_t)size;
}

static void write_out(void)
{
    const uint8_t *data;
    ssize_t size;
    while ((size = nghttp2_session_mem_send(drain.session, &data)) > 0)
        CHECK(send(drain.socket, data, (size_t)size, MSG_NOSIGNAL) == size);
}

static nghttp2_nv field_of(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void begin(const char *token)
{
    static const uint8_t subscribe[] = {0x0a, 0x06, 0x10, 0x02, 0x28, 0x80, 0x80, 0x04};
    nghttp2_session_callbacks *callbacks;
    nghttp2_data_provider provider = {.read_callback = read_out};
    nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW};
    char authorization[300];
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
    CHECK(nghttp2_session_client_new(&drain.session, callbacks, NULL) == 0);
    nghttp2_session_callbacks_del(callbacks);
    CHECK(nghttp2_submit_settings(drain.session, NGHTTP2_FLAG_NONE, &settings, 1) == 0);
    CHECK(nghttp2_session_set_local_window_size(drain.session, NGHTTP2_FLAG_NONE, 0, WINDOW) == 0);
    (void)snprintf(authorization, sizeof authorization, "Bearer %s", token);
    const nghttp2_nv fields[] = {
        field_of(":method", "POST"),
        field_of(":scheme", "http"),
        field_of(":path", "/cenc.v1.Northbound/Events"),
        field_of(":authority", "cencd"),
        field_of("content-type", "application/grpc"),
        field_of("te", "trailers"),
        field_of("authorization", authorization),
    };
    drain.stream = nghttp2_submit_request(drain.session, NULL, fields,
                                          sizeof fields / sizeof *fields, &provider, NULL);
    CHECK(drain.stream > 0);
    /* subscribe { start: START_OLDEST, max_unacknowledged_events: 65536 } */
    put_request(subscribe, sizeof subscribe);
}

static int run_drain(const char *where, const char *token, uint64_t events)
{
    static uint8_t bytes[1 << 18];
    struct address address;
    union socket_address socket_address;
    if (address_parse(where, &address) != STATUS_OK)
        return 2;
    socklen_t size = address_to_socket(&address, &socket_address);
    drain.socket = socket(socket_address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(drain.socket >= 0 && connect(drain.socket, &socket_address.any, size) == 0);
    double began = now_s();
    begin(token);
    write_out();
    while (drain.events < events && !drain.over) {
        ssize_t got = recv(drain.socket, bytes, sizeof bytes, 0);
        CHECK(got > 0);
        CHECK(nghttp2_session_mem_recv(drain.session, bytes, (size_t)got) == got);
        acknowledge();
        write_out();
    }
    double took = now_s() - began;
    (void)printf("%llu events, %.0f events/s, %.1f MB/s\n", (unsigned long long)drain.events,
                 (double)drain.events / took, (double)drain.bytes / took / 1e6);
    nghttp2_session_del(drain.session);
    free(drain.message);
    (void)close(drain.socket);
    return drain.events >= events ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "fill") == 0)
        return fill(argv[2], strtoull(argv[3], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "drain") == 0)
        return run_drain(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    (void)fputs("usage: consumer fill FOLDER EVENTS\n"
                "       consumer drain IP:PORT TOKEN EVENTS\n",
                stderr);
    return 2;
}
