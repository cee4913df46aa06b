/* The field's own codes (IEC 61968-9): EndDeviceEventType for what happens, ReadingType for what is
 * measured. Makers disagree about some of them, so they are a table, and an event carries the
 * device's native code in its details as well. */
#ifndef CENCD_CODEC_PROTO_EVENT_CODES_H
#define CENCD_CODEC_PROTO_EVENT_CODES_H

#include <cenc/v1/events.pb-c.h>
#include <stdbool.h>
#include <stdint.h>

/* X(constant, type.domain.subDomain.eventOrAction, what it means). Type 3: electric meter; domains:
 * 1 communication, 26 power, 31 relay, 33 cover; subdomain 136: radio module; actions: 42
 * connected, 47 loss detected, 68 disconnected, 85 failed, 216 restored. */
#define EVENT_CODES(X)                                                                             \
    X(LAST_GASP, "3.26.136.47", "last gasp: the module lost power")                                \
    X(MODULE_POWER_RESTORED, "3.26.136.216", "the module's power is back")                         \
    X(POWER_DOWN, "3.26.0.47", "primary power down")                                               \
    X(POWER_UP, "3.26.0.216", "primary power up")                                                  \
    X(POWER_FAILED, "3.26.0.85", "power failure from the meter's journal")                         \
    X(COVER_OPENED, "3.33.1.44", "cover alarm: open")                                              \
    X(COVER_CLOSED, "3.33.1.216", "cover alarm: cleared")                                          \
    X(RELAY_CONNECT, "3.31.0.18", "relay: connect command")                                        \
    X(RELAY_DISCONNECT, "3.31.0.23", "relay: disconnect command")                                  \
    X(CONNECTED, "3.1.0.42", "connected to the server")                                            \
    X(DISCONNECTED, "3.1.0.68", "disconnected from the server")

enum event_code {
    EVENT_CODE_NONE,
#define X(constant, text, meaning) EVENT_CODE_##constant,
    EVENT_CODES(X)
#undef X
        EVENT_CODE_COUNT
};

/* "3.26.136.47"; "" for NONE. For Event.event_type and EndDeviceEvent.type. */
const char *event_code_text(enum event_code code);
const char *event_code_meaning(enum event_code code);

/* NONE if the table doesn't have it. */
enum event_code event_code_find(const char *text);

/* The code that events with such a body have, whatever device they are about; NONE for others. */
enum event_code event_code_of(Cenc__V1__Event__BodyCase body);

/* OBIS -> ReadingType. */
struct reading_type {
    uint8_t obis[6];
    const char *text; /* "0.0.0.1.1.1.12.0.0.0.0.0.0.0.0.3.72.0" */
    const char *unit; /* "kWh": what values of this ReadingType are in */
};

/* NULL if the table doesn't have it. */
const struct reading_type *reading_type_of_obis(const uint8_t obis[static 6]);

/* Room for "255.255.255.255.255.255" and a NUL. */
#define OBIS_TEXT_SIZE 24

/* Writes "1.0.1.8.0.255" and returns text. */
char *obis_format(const uint8_t obis[static 6], char text[static OBIS_TEXT_SIZE]);

#endif
