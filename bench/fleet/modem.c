#include "bench/fleet/modem.h"

#include <stdio.h>
#include <string.h>

#include "bench/fleet/load.h"
#include "codec/modem/irz.h"

#define LEAST_SIGNAL  5u
#define SIGNALS       27u
#define TEMPERATURE_C 21u

static uint32_t first_with_imei(const struct fleet_options *options, uint32_t index)
{
    return index < options->devices ? index : index - options->devices;
}

uint64_t modem_imei(const struct fleet_options *options, uint32_t index)
{
    return options->first_imei + first_with_imei(options, index);
}

enum meter_kind modem_meter(const struct fleet_options *options, uint32_t index)
{
    return meter_kind_of(options->meter, first_with_imei(options, index));
}

bool modem_encapsulates(const struct fleet_options *options, uint32_t index)
{
    return load_mix(modem_imei(options, index)) % 100 < options->encapsulated_percent;
}

uint8_t modem_signal(const struct fleet_options *options, uint32_t index)
{
    return (uint8_t)(LEAST_SIGNAL + load_mix(modem_imei(options, index) + 1) % SIGNALS);
}

void modem_put_hello(struct bytes_writer *writer, const struct fleet_options *options,
                     uint32_t index)
{
    bool encapsulates = modem_encapsulates(options, index);
    char text[IRZ_MAX_HELLO];
    int size = snprintf(
        text, sizeof text,
        "AT$IMEI=%015llu,PSW=Zq7fleet,TYP=ATM,DEV=%s,VER=01,REV=%s,BLD=%s,HDW=2.0,SIM=0,CSQ=%u%s,"
        "ATP=%s,INT=485+232,",
        (unsigned long long)modem_imei(options, index), encapsulates ? "ATM31" : "ATM21",
        encapsulates ? "03" : "04", encapsulates ? "016.353" : "024.254",
        modem_signal(options, index), encapsulates ? ",COLPROT=1.3" : "",
        encapsulates ? "1.1" : "1.2");

    bytes_put(writer, text, (size_t)size);
}

size_t modem_greeting_size(bool encapsulates, const uint8_t *data, size_t size, bool *ended)
{
    static const char mode[] = ",MOD=DAT,\r";
    const size_t mode_size = sizeof mode - 1;
    const uint8_t *end;

    *ended = true;
    if (encapsulates) {
        end = memchr(data, '\r', size);
        *ended = end != NULL;
        return end != NULL ? (size_t)(end - data) + 1 : size;
    }
    if (size >= IRZ_GREETING_SIZE &&
        memcmp(data + IRZ_GREETING_SIZE - mode_size, mode, mode_size) == 0)
        return IRZ_GREETING_SIZE;
    return 0;
}

void modem_put_control_reply(struct bytes_writer *writer, const struct fleet_options *options,
                             uint32_t index, const uint8_t *head, size_t head_size)
{
    static const uint8_t inputs[] = {0x80, 0x82, 0xC0, 0xC0};

    if (head_size < 3 || head[0] != 0x00 || head[1] != 0x40)
        return;
    bytes_put_u8(writer, 0x01);
    bytes_put_u8(writer, 0x40);
    bytes_put_u8(writer, head[2]);
    switch (head[2]) {
    case IRZ_COMMAND_SIGNAL:
        bytes_put_u8(writer, modem_signal(options, index));
        break;
    case IRZ_COMMAND_GPIO:
        bytes_put(writer, inputs, sizeof inputs);
        break;
    case IRZ_COMMAND_TEMPERATURE:
        bytes_put_u8(writer, TEMPERATURE_C + 100);
        break;
    default:
        break;
    }
}
