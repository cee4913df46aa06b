#include "agents/cencctl/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/proto/event.h"
#include "codec/proto/json.h"
#include "server/journal/journal.h"

/* A byte may become six characters, and a small field has a long name. */
#define TEXT_SIZE (16u * PROTO_PACKED_MAX)

struct printer {
    struct print_choice choice;
    struct proto_arena arena;
    char *text;
};

struct printer *printer_create(const struct print_choice *choice)
{
    struct printer *printer = calloc(1, sizeof *printer);
    if (printer == NULL)
        return NULL;
    printer->choice = *choice;
    printer->arena.size = PROTO_ARENA_SIZE;
    printer->arena.memory = malloc(PROTO_ARENA_SIZE);
    printer->text = malloc(TEXT_SIZE);
    if (printer->arena.memory == NULL || printer->text == NULL) {
        printer_free(printer);
        return NULL;
    }
    return printer;
}

void printer_free(struct printer *printer)
{
    if (printer == NULL)
        return;
    free(printer->arena.memory);
    free(printer->text);
    free(printer);
}

static void print_only(uint64_t sequence, const char *what)
{
    (void)printf("{\"sequence\":\"%" PRIu64 "\",\"%s\":true}\n", sequence, what);
}

static void print_event(struct printer *printer, const struct record *record)
{
    Cenc__V1__Event *event = NULL;
    size_t size = 0;
    printer->arena.used = 0;
    printer->arena.full = false;
    const char *wanted = printer->choice.kind;
    enum codec_result result = event_unpack(record->payload, record->size, &printer->arena, &event);
    if (result == CODEC_OK) {
        if (wanted != NULL && strcmp(event_kind(event), wanted) != 0)
            return;
        event->sequence = record->sequence;
        result = proto_json(&event->base, PROTO_JSON_ALL, printer->text, TEXT_SIZE, &size);
    }
    if (result == CODEC_OK)
        (void)printf("%s\n", printer->text);
    else
        print_only(record->sequence, "unreadable");
}

void print_record(const struct record *record, void *context)
{
    struct printer *printer = context;
    if (record->sequence < printer->choice.from || record->sequence > printer->choice.to)
        return;
    if (record->kind == JOURNAL_EVENT)
        print_event(printer, record);
    else if (printer->choice.kind == NULL)
        print_only(record->sequence, record->kind == JOURNAL_PRIVATE ? "private" : "unreadable");
}

bool print_knows_kind(const char *kind)
{
    const ProtobufCMessageDescriptor *descriptor = &cenc__v1__event__descriptor;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(descriptor, kind);
    return field != NULL && (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}
