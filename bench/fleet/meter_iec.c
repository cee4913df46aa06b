#include "bench/fleet/meter_iec.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/fleet/load.h"

#define TEXT_SIZE 256u

struct question {
    uint32_t serial;
    uint64_t utc_s;
};

static void put_serial(const struct question *question, char *out)
{
    (void)snprintf(out, TEXT_SIZE, "SNUMB(%u)\r\n", question->serial);
}

static void put_energy(const struct question *question, char *out)
{
    uint64_t sum = load_energy_wh(question->serial, question->utc_s) / 10; /* 0.01 kWh */
    uint64_t night = sum * 3 / 10;
    uint64_t day = sum - night;

    (void)snprintf(out, TEXT_SIZE,
                   "ET0PE(%llu.%02llu)\r\n(%llu.%02llu)\r\n(%llu.%02llu)\r\n(0.00)\r\n(0.00)\r\n",
                   (unsigned long long)sum / 100, (unsigned long long)sum % 100,
                   (unsigned long long)day / 100, (unsigned long long)day % 100,
                   (unsigned long long)night / 100, (unsigned long long)night % 100);
}

static void put_time(const struct question *question, char *out)
{
    time_t now = (time_t)question->utc_s;
    struct tm parts;

    (void)gmtime_r(&now, &parts);
    (void)strftime(out, TEXT_SIZE, "TIME_(%H:%M:%S)\r\n", &parts);
}

static void put_date(const struct question *question, char *out)
{
    time_t now = (time_t)question->utc_s;
    struct tm parts;

    (void)gmtime_r(&now, &parts);
    (void)strftime(out, TEXT_SIZE, "DATE_(0%w.%d.%m.%y)\r\n", &parts);
}

static const struct {
    const char *name;
    void (*put)(const struct question *question, char *out);
} parameters[] = {
    {"SNUMB", put_serial},
    {"ET0PE", put_energy},
    {"TIME_", put_time},
    {"DATE_", put_date},
};

/* Answers R1 NAME(). A name it doesn't know is answered as these meters do, with an error number.
 */
static void answer_read(const struct question *question, const struct iec21_message *message,
                        struct bytes_writer *answer)
{
    char text[TEXT_SIZE] = "(ERR12)\r\n";

    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        size_t length = strlen(parameters[i].name);
        if (message->text_size > length && message->text[length] == '(' &&
            memcmp(message->text, parameters[i].name, length) == 0) {
            parameters[i].put(question, text);
            break;
        }
    }
    iec21_put_data(answer, IEC21_CHECK_SUM, text);
}

static void answer_sign_on(struct iec_meter *meter, uint32_t serial,
                           const struct iec21_message *message, struct bytes_writer *answer)
{
    char own[16];

    (void)snprintf(own, sizeof own, "%u", serial);
    if (message->text_size > 0 &&
        (message->text_size != strlen(own) || memcmp(message->text, own, message->text_size) != 0))
        return; /* another meter on this line is meant */
    meter->signed_on = true;
    meter->programming = false;
    iec21_put_identification(answer, "EKT", '5', "CE102Mv01");
}

static void answer_option(struct iec_meter *meter, uint32_t serial,
                          const struct iec21_message *message, struct bytes_writer *answer)
{
    char operand[24];

    if (!meter->signed_on || message->mode != '1')
        return;
    meter->programming = true;
    (void)snprintf(operand, sizeof operand, "(%u)", serial);
    iec21_put_command(answer, IEC21_CHECK_SUM, "P0", operand);
}

static void take_message(struct iec_meter *meter, const struct question *question,
                         const struct iec21_message *message, struct bytes_writer *answer)
{
    switch (message->kind) {
    case IEC21_SIGN_ON:
        answer_sign_on(meter, question->serial, message, answer);
        break;
    case IEC21_OPTION:
        answer_option(meter, question->serial, message, answer);
        break;
    case IEC21_COMMAND:
        if (strcmp(message->command, "B0") == 0) {
            meter->signed_on = false;
            meter->programming = false;
        } else if (meter->programming && strcmp(message->command, "R1") == 0) {
            answer_read(question, message, answer);
        }
        break;
    default:
        break;
    }
}

void iec_meter_take(struct iec_meter *meter, uint32_t serial, uint64_t utc_s, const uint8_t *data,
                    size_t size, struct bytes_writer *answer)
{
    const struct question question = {.serial = serial, .utc_s = utc_s};
    bool found;

    meter->scanner.check = IEC21_CHECK_SUM;
    meter->scanner.strip_parity = true;
    do {
        struct iec21_message message;
        size_t taken = iec21_scanner_feed(&meter->scanner, data, size, &message, &found);
        if (found)
            take_message(meter, &question, &message, answer);
        data += taken;
        size -= taken;
    } while (size > 0 || found);
}
