#include "bench/fleet/meter.h"

#include <string.h>

static const char *const choices[] = {
    [METER_CHOICE_NONE] = "none", [METER_CHOICE_ECHO] = "echo",   [METER_CHOICE_DLMS] = "dlms",
    [METER_CHOICE_IEC] = "iec",   [METER_CHOICE_MIXED] = "mixed",
};

bool meter_choice_parse(const char *name, enum meter_choice *choice)
{
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        if (strcmp(name, choices[i]) == 0) {
            *choice = (enum meter_choice)i;
            return true;
        }
    }
    return false;
}

enum meter_kind meter_kind_of(enum meter_choice choice, uint32_t device)
{
    switch (choice) {
    case METER_CHOICE_ECHO:
        return METER_ECHO;
    case METER_CHOICE_DLMS:
        return METER_DLMS;
    case METER_CHOICE_IEC:
        return METER_IEC;
    case METER_CHOICE_MIXED:
        return device % 2 == 0 ? METER_DLMS : METER_IEC;
    default:
        return METER_NONE;
    }
}

void meter_take(union meter *meter, enum meter_kind kind, uint32_t serial, uint64_t utc_s,
                const uint8_t *data, size_t size, struct bytes_writer *answer)
{
    switch (kind) {
    case METER_ECHO:
        bytes_put(answer, data, size);
        break;
    case METER_DLMS:
        dlms_meter_take(&meter->dlms, serial, utc_s, data, size, answer);
        break;
    case METER_IEC:
        iec_meter_take(&meter->iec, serial, utc_s, data, size, answer);
        break;
    default:
        break;
    }
}

void meter_forget_piece(union meter *meter, enum meter_kind kind)
{
    if (kind == METER_DLMS) {
        meter->dlms.scanner.size = 0;
        meter->dlms.scanner.yielded = 0;
    }
    if (kind == METER_IEC) {
        meter->iec.scanner.size = 0;
        meter->iec.scanner.yielded = 0;
    }
}

bool meter_at_rest(const union meter *meter, enum meter_kind kind)
{
    switch (kind) {
    case METER_DLMS:
        return !meter->dlms.connected &&
               (meter->dlms.scanner.size == 0 || meter->dlms.scanner.yielded > 0);
    case METER_IEC:
        return !meter->iec.signed_on &&
               (meter->iec.scanner.size == 0 || meter->iec.scanner.yielded > 0);
    default:
        return true;
    }
}
