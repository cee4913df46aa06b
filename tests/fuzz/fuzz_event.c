/* Events and private records from hostile bytes. Byte 0: which of the two, and how large the arena
 * is; then the message. The bytes also are a device's text.
 *
 * Promised: no step outside of the memory given; an arena of PROTO_ARENA_SIZE is enough for all
 * that proto_pack writes; what was unpacked packs to bytes that unpack to the same; text for
 * strings is UTF-8 and fits where it is said to. */
#include <stdlib.h>
#include <string.h>

#include <cenc/private/v1/records.pb-c.h>

#include "codec/proto/event.h"
#include "codec/proto/event_codes.h"
#include "codec/proto/json.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

#define OPTION_PRIVATE 0x01u
#define OPTION_SMALL   0x02u /* the arena has a few bytes, by the higher bits */

#define INPUT_MAX 16384u
/* of INPUT_MAX: a byte as \u00xx, and 2 bytes of a field that name it in 30 */
#define JSON_SIZE (INPUT_MAX * 32u)

static void check_text(const uint8_t *data, size_t size)
{
    char *out = malloc(PROTO_TEXT_SIZE(size));
    size_t room = size > 0 ? 1 + data[0] % (size + 1) : 1;
    bool same;

    CHECK(out != NULL);
    same = proto_text(data, size, out, PROTO_TEXT_SIZE(size));
    CHECK(proto_utf8_valid(out, strlen(out)));
    CHECK(same == (strlen(out) == size && (size == 0 || memcmp(out, data, size) == 0)));
    (void)proto_text(data, size, out, room);
    CHECK(strlen(out) < room && proto_utf8_valid(out, strlen(out)));
    free(out);
}

/* Writes the JSON of a message to text; NULL if it is larger than JSON_SIZE. */
static const char *json_of(const ProtobufCMessage *message, char text[static JSON_SIZE])
{
    size_t size = 0;
    enum codec_result result;

    result = proto_json(message, PROTO_JSON_ALL, text, JSON_SIZE, &size);
    CHECK(result == CODEC_OK || result == CODEC_FULL);
    if (result == CODEC_OK) {
        CHECK(strlen(text) == size && proto_utf8_valid(text, size));
        CHECK(proto_json(message, PROTO_JSON_ALL, text, size, &size) == CODEC_FULL);
        CHECK(proto_json(message, PROTO_JSON_ALL, text, JSON_SIZE, &size) == CODEC_OK);
        return text;
    }
    return NULL;
}

static void check_kind(const Cenc__V1__Event *event)
{
    CHECK(strlen(event_kind(event)) > 0);
    CHECK(event_class_name(event_class(event)) != NULL);
    CHECK(event_code_of(event->body_case) < EVENT_CODE_COUNT);
    CHECK(event_code_find(event->event_type) < EVENT_CODE_COUNT);
}

static void check_again(const ProtobufCMessage *message, const char *json)
{
    static uint8_t memory[PROTO_ARENA_SIZE] __attribute__((aligned(16)));
    static uint8_t packed[PROTO_PACKED_MAX];
    static char text[JSON_SIZE];
    struct proto_arena arena = {.memory = memory, .size = sizeof(memory)};
    ProtobufCMessage *back = NULL;
    const char *json_again;
    size_t size = 0;

    CHECK(proto_pack(message, packed, sizeof(packed), &size) == CODEC_OK);
    CHECK(proto_unpack(message->descriptor, packed, size, &arena, &back) == CODEC_OK);
    json_again = json_of(back, text);
    CHECK((json == NULL) == (json_again == NULL));
    CHECK(json == NULL || strcmp(json, json_again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t memory[PROTO_ARENA_SIZE] __attribute__((aligned(16)));
    static char text[JSON_SIZE];
    const ProtobufCMessageDescriptor *descriptor = &cenc__v1__event__descriptor;
    struct proto_arena arena = {.memory = memory, .size = sizeof(memory)};
    ProtobufCMessage *message = NULL;

    if (size < 1 || size > INPUT_MAX)
        return 0;
    check_text(data + 1, size - 1);
    if ((data[0] & OPTION_PRIVATE) != 0)
        descriptor = &cenc__private__v1__record__descriptor;
    if ((data[0] & OPTION_SMALL) != 0)
        arena.size = (data[0] >> 2) * 32u;
    if (proto_unpack(descriptor, data + 1, size - 1, &arena, &message) == CODEC_OK) {
        if (descriptor == &cenc__v1__event__descriptor)
            check_kind((const Cenc__V1__Event *)message);
        check_again(message, json_of(message, text));
    }
    CHECK(arena.used <= arena.size);
    return 0;
}
