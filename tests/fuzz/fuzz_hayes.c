/* The virtual modem: hostile software. Byte 0: how the rest is cut; byte 1: options; then what is
 * typed, where a NUL lets 300 ms pass.
 *
 * Promised: no step outside of the memory given; every step takes something and answers no more
 * than HAYES_OUT_SIZE; the answers do not depend on how the bytes were cut; numbers, names and
 * passwords are ended texts; no login line stays in memory. */
#include <stdlib.h>
#include <string.h>

#include "codec/modem/hayes.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

#define OPTION_LOGIN 0x01u
#define OPTION_FAILS 0x02u /* what is dialled is not there */
#define MAX_INPUT    2048u
#define HEARD_SIZE   65536u

struct software {
    struct hayes modem;
    uint8_t options;
    uint64_t now_ms;
    uint8_t *heard;
    size_t heard_size;
    uint64_t line_bytes; /* a sum over what went to the line */
};

static void hear(struct software *software, const char *bytes, size_t size)
{
    if (size > HEARD_SIZE - software->heard_size)
        size = HEARD_SIZE - software->heard_size;
    memcpy(software->heard + software->heard_size, bytes, size);
    software->heard_size += size;
}

static void answer(struct software *software, enum hayes_result result)
{
    char text[HAYES_RESULT_SIZE];

    hear(software, text, hayes_write(&software->modem, result, text));
}

static void do_event(struct software *software, const struct hayes_step *step)
{
    CHECK(memchr(step->number, '\0', sizeof(step->number)) != NULL);
    CHECK(memchr(step->name, '\0', sizeof(step->name)) != NULL);
    CHECK(memchr(step->password, '\0', sizeof(step->password)) != NULL);
    if (step->event == HAYES_LOGIN) {
        CHECK((software->options & OPTION_LOGIN) != 0);
        for (size_t i = 0; i < sizeof(software->modem.line); i++)
            CHECK(software->modem.line[i] == '\0');
        answer(software, HAYES_OK);
    }
    if (step->event != HAYES_DIAL)
        return;
    CHECK(step->number[0] != '\0' && software->modem.state == HAYES_DIALLING);
    if (software->options & OPTION_FAILS) {
        hayes_on_hook(&software->modem);
        answer(software, HAYES_BUSY);
    } else {
        hayes_connected(&software->modem, software->now_ms);
        answer(software, HAYES_CONNECT_9600);
    }
}

static size_t command(struct software *software, const uint8_t *data, size_t size)
{
    struct hayes_step step;
    uint8_t *copy = malloc(size);

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    hayes_command(&software->modem, copy, size, &step);
    free(copy);
    CHECK(step.consumed > 0 && step.consumed <= size && step.out_size <= HAYES_OUT_SIZE);
    hear(software, step.out, step.out_size);
    do_event(software, &step);
    return step.consumed;
}

static void say(struct software *software, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        if (software->modem.state != HAYES_ONLINE) {
            at += command(software, data + at, size - at);
            continue;
        }
        if (hayes_drops_first(&software->modem, data[at])) {
            at++;
            continue;
        }
        (void)hayes_online(&software->modem, data + at, size - at, software->now_ms);
        for (; at < size; at++)
            software->line_bytes = software->line_bytes * 31 + data[at];
    }
}

static void run(struct software *software, const uint8_t *data, size_t size, uint8_t cut)
{
    uint32_t random = cut;

    hayes_init(&software->modem,
               (software->options & OPTION_LOGIN) != 0 ? "AT+LOGIN={name},{password}" : NULL);
    software->now_ms = 1000;
    for (size_t at = 0; at < size;) {
        const uint8_t *pause = memchr(data + at, '\0', size - at);
        size_t piece = pause == NULL ? size - at : (size_t)(pause - data) - at;

        random = random * 1103515245u + 12345u;
        if (cut != 0 && piece > 0)
            piece = 1 + (random >> 16) % 11 % piece;
        say(software, data + at, piece);
        at += piece;
        if (at < size && data[at] == '\0') {
            software->now_ms += 300;
            if (hayes_escaped(&software->modem, software->now_ms))
                answer(software, HAYES_OK);
            at++;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct software whole;
    struct software cut;

    if (size < 2 || size > MAX_INPUT)
        return 0;
    memset(&whole, 0, sizeof(whole));
    memset(&cut, 0, sizeof(cut));
    whole.options = cut.options = data[1];
    whole.heard = malloc(HEARD_SIZE);
    cut.heard = malloc(HEARD_SIZE);
    CHECK(whole.heard != NULL && cut.heard != NULL);
    run(&whole, data + 2, size - 2, 0);
    run(&cut, data + 2, size - 2, data[0]);
    CHECK(whole.heard_size == cut.heard_size);
    CHECK(memcmp(whole.heard, cut.heard, whole.heard_size) == 0);
    CHECK(whole.line_bytes == cut.line_bytes);
    free(whole.heard);
    free(cut.heard);
    return 0;
}
