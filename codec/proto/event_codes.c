#include "codec/proto/event_codes.h"

#include <stdio.h>
#include <string.h>

#include "codec/result.h"

static const struct {
    const char *text;
    const char *meaning;
} codes[EVENT_CODE_COUNT] = {[EVENT_CODE_NONE] = {"", ""},
#define X(constant, text, meaning) [EVENT_CODE_##constant] = {text, meaning},
                             EVENT_CODES(X)
#undef X
};

/* 0.0.0.1: bulk quantity. Then: direction (1 forward, 19 reverse, 2 and 3 reactive), commodity 1
 * (electricity), kind 12 (energy), ..., multiplier 3 (kilo), unit (72 Wh, 73 varh), currency. */
#define ENERGY(direction, unit) "0.0.0.1." #direction ".1.12.0.0.0.0.0.0.0.0.3." #unit ".0"

static const struct reading_type reading_types[] = {
    {{1, 0, 1, 8, 0, 255}, ENERGY(1, 72), "kWh"},
    {{1, 0, 2, 8, 0, 255}, ENERGY(19, 72), "kWh"},
    {{1, 0, 3, 8, 0, 255}, ENERGY(2, 73), "kvarh"},
    {{1, 0, 4, 8, 0, 255}, ENERGY(3, 73), "kvarh"},
};

const char *event_code_text(enum event_code code)
{
    CODEC_CHECK(code < EVENT_CODE_COUNT);
    return codes[code].text;
}

const char *event_code_meaning(enum event_code code)
{
    CODEC_CHECK(code < EVENT_CODE_COUNT);
    return codes[code].meaning;
}

enum event_code event_code_find(const char *text)
{
    for (unsigned i = EVENT_CODE_NONE + 1; i < EVENT_CODE_COUNT; i++) {
        if (strcmp(codes[i].text, text) == 0) {
            return (enum event_code)i;
        }
    }
    return EVENT_CODE_NONE;
}

enum event_code event_code_of(Cenc__V1__Event__BodyCase body)
{
    switch (body) {
    case CENC__V1__EVENT__BODY_LAST_GASP:
        return EVENT_CODE_LAST_GASP;
    case CENC__V1__EVENT__BODY_POWER_RESTORED:
        return EVENT_CODE_MODULE_POWER_RESTORED;
    case CENC__V1__EVENT__BODY_CONNECTED:
        return EVENT_CODE_CONNECTED;
    case CENC__V1__EVENT__BODY_DISCONNECTED:
        return EVENT_CODE_DISCONNECTED;
    default:
        return EVENT_CODE_NONE;
    }
}

const struct reading_type *reading_type_of_obis(const uint8_t obis[static 6])
{
    for (size_t i = 0; i < sizeof(reading_types) / sizeof(reading_types[0]); i++) {
        if (memcmp(reading_types[i].obis, obis, sizeof(reading_types[i].obis)) == 0) {
            return &reading_types[i];
        }
    }
    return NULL;
}

char *obis_format(const uint8_t obis[static 6], char text[static OBIS_TEXT_SIZE])
{
    (void)snprintf(text, OBIS_TEXT_SIZE, "%u.%u.%u.%u.%u.%u", (unsigned)obis[0], (unsigned)obis[1],
                   (unsigned)obis[2], (unsigned)obis[3], (unsigned)obis[4], (unsigned)obis[5]);
    return text;
}
