/* The virtual modem: dialogues as software has them, whole and cut at every byte; the escape with
 * its pauses; the login line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/modem/hayes.h"

#define LOGIN "AT+LOGIN={name},{password}"

static struct hayes modem;
static struct hayes_step step; /* the last one that had an event */
static char heard[4096];
static size_t heard_size;

/* Types text in pieces of piece bytes; stops behind an event that leaves the command state. Returns
 * the bytes taken. */
static size_t type_pieces(const char *text, size_t piece)
{
    size_t size = strlen(text);
    size_t at = 0;

    heard_size = 0;
    memset(&step, 0, sizeof(step));
    while (at < size && (modem.state == HAYES_COMMAND || modem.state == HAYES_ESCAPED)) {
        struct hayes_step now;
        size_t part = size - at < piece ? size - at : piece;

        hayes_command(&modem, (const uint8_t *)text + at, part, &now);
        assert_true(now.consumed > 0 && now.consumed <= part);
        assert_true(heard_size + now.out_size < sizeof(heard));
        memcpy(heard + heard_size, now.out, now.out_size);
        heard_size += now.out_size;
        at += now.consumed;
        if (now.event != HAYES_NOTHING || now.hangs_up)
            step = now;
    }
    heard[heard_size] = '\0';
    return at;
}

static void expect(const char *text, const char *answer)
{
    struct hayes before = modem;

    for (size_t piece = 1; piece <= strlen(text); piece++) {
        modem = before;
        (void)type_pieces(text, piece);
        if (strcmp(heard, answer) != 0)
            fail_msg("\"%s\" in pieces of %zu: \"%s\"", text, piece, heard);
    }
}

static void quiet_modem(void)
{
    hayes_init(&modem, LOGIN);
    modem.echo = false;
}

static void lines_are_echoed_and_answered(void **state)
{
    (void)state;
    hayes_init(&modem, NULL);
    expect("AT\r", "AT\r\r\nOK\r\n");
    expect("at\r\n", "at\r\r\nOK\r\n");
    expect("ATE0\r", "ATE0\r\r\nOK\r\n");
    expect("AT\r", "\r\nOK\r\n");
    expect("ATV0\r", "0\r");
    expect("ATQ1\r", "");
    expect("AT\r", "");
    expect("ATQ0\r", "0\r");
    expect("ATB\r", "4\r");
    expect("ATZ\r", "\r\nOK\r\n");
    expect("AT\r", "AT\r\r\nOK\r\n"); /* echo is on again */
}

static void commands(void **state)
{
    (void)state;
    quiet_modem();
    expect("\r", "");
    expect("\r\n\r\n", "");
    expect("  AT\r", "\r\nOK\r\n");
    expect("AT &F E0 V1 Q0 X4 &C1 &D2 S0=0 L1 M0 \\N3 %C0\r", "\r\nOK\r\n");
    modem.echo = false;
    expect("AT+CBST=71,0,1\r", "\r\nOK\r\n");
    expect("AT+CPIN?\r", "\r\nOK\r\n");
    expect("ATS2?\r", "\r\n043\r\n\r\nOK\r\n");
    expect("ATS12=0S12?\r", "\r\n000\r\n\r\nOK\r\n");
    expect("ATI\r", "\r\ncencd virtual modem\r\n\r\nOK\r\n");
    expect("ATH\r", "\r\nOK\r\n");
    assert_false(step.hangs_up);
    expect("ATO\r", "\r\nNO CARRIER\r\n");
    expect("ATA\r", "\r\nERROR\r\n");
    expect("ATE2\r", "\r\nERROR\r\n");
    expect("ATS0=256\r", "\r\nERROR\r\n");
    expect("ATS0\r", "\r\nERROR\r\n");
    expect("AT&\r", "\r\nERROR\r\n");
    expect("ATD\r", "\r\nERROR\r\n");
    expect("hello\r", "\r\nERROR\r\n");
    expect("ATX\x08\x08\x08\x08TZ\x7fZ\r", "\r\nERROR\r\n"); /* "TZ": what is left */
}

static void a_long_line_is_an_error_as_a_whole(void **state)
{
    char text[600];

    (void)state;
    quiet_modem();
    memset(text, 'E', sizeof(text));
    // NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes
    memcpy(text, "AT", 2);
    memcpy(text + sizeof(text) - 5, "\rAT\r", 5);
    expect(text, "\r\nERROR\r\n\r\nOK\r\n");
    memset(text, 'I', sizeof(text));
    // NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes
    memcpy(text, "AT", 2);
    memcpy(text + 190, "\r", 2);
    (void)type_pieces(text, 600); /* says what fits */
    assert_true(heard_size < HAYES_OUT_SIZE);
    assert_string_equal(heard + heard_size - 6, "\r\nOK\r\n");
}

static void dialling(void **state)
{
    static const struct {
        const char *line;
        const char *number;
    } cases[] = {
        {"ATD868441030000001\r", "868441030000001"},
        {"ATDT 86-84 (41)\r", "868441"},
        {"atdp10000001.meter\r\n", "10000001.meter"},
        {"ATD10000001;\r", "10000001"},
        {"ATE1DT1\r", "1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        quiet_modem();
        (void)type_pieces(cases[i].line, 100);
        assert_int_equal(step.event, HAYES_DIAL);
        assert_string_equal(step.number, cases[i].number);
        assert_int_equal(modem.state, HAYES_DIALLING);
        assert_int_equal(heard_size, 0);
        hayes_on_hook(&modem);
        assert_int_equal(modem.state, HAYES_COMMAND);
    }
    quiet_modem();
    expect("ATD1234567890123456789012345678901234567890123456789012345678901234\r",
           "\r\nERROR\r\n");
}

/* What stands behind a dial line is the line's, but for the LF that belongs to it. */
static void bytes_behind_a_dial_are_not_read(void **state)
{
    (void)state;
    quiet_modem();
    assert_int_equal(type_pieces("ATD1\rdata", 100), 5);
    hayes_connected(&modem, 1000);
    assert_false(hayes_drops_first(&modem, 'd'));
    quiet_modem();
    assert_int_equal(type_pieces("ATD1\r\ndata", 100), 5);
    hayes_connected(&modem, 1000);
    assert_true(hayes_drops_first(&modem, '\n'));
    assert_false(hayes_drops_first(&modem, '\n'));
}

static void results(void **state)
{
    char out[HAYES_RESULT_SIZE];

    (void)state;
    quiet_modem();
    size_t size = hayes_write(&modem, HAYES_CONNECT_9600, out);
    assert_memory_equal(out, "\r\nCONNECT 9600\r\n", size);
    size = hayes_write(&modem, HAYES_NO_DIALTONE, out);
    assert_memory_equal(out, "\r\nNO DIALTONE\r\n", size);
    modem.verbose = false;
    size = hayes_write(&modem, HAYES_CONNECT_9600, out);
    assert_memory_equal(out, "12\r", size);
    modem.quiet = true;
    assert_int_equal(hayes_write(&modem, HAYES_BUSY, out), 0);
}

/* ---- online ---- */

static void go_online(uint64_t now_ms)
{
    quiet_modem();
    (void)type_pieces("ATD1\r", 5);
    hayes_connected(&modem, now_ms);
}

static uint32_t say(const char *text, uint64_t now_ms)
{
    return hayes_online(&modem, (const uint8_t *)text, strlen(text), now_ms);
}

static void the_escape_stands_between_pauses(void **state)
{
    (void)state;
    go_online(1000);
    assert_int_equal(say("data", 1010), 0);
    assert_int_equal(say("+++", 2010), 1000);
    assert_false(hayes_escaped(&modem, 3009));
    assert_true(hayes_escaped(&modem, 3010));
    assert_int_equal(modem.state, HAYES_ESCAPED);
    go_online(1000);
    assert_int_equal(say("+", 2000), 0);
    assert_int_equal(say("+", 2300), 0);
    assert_int_equal(say("+", 2600), 1000);
    assert_true(hayes_escaped(&modem, 3600));
}

static void what_is_no_escape(void **state)
{
    (void)state;
    go_online(1000);
    assert_int_equal(say("+++", 1500), 0); /* no pause before */
    assert_int_equal(say("+++", 2000), 0);
    go_online(1000);
    assert_int_equal(say("x+++", 3000), 0);
    assert_int_equal(say("+++x", 5000), 0);
    assert_int_equal(say("++++", 7000), 0);
    assert_int_equal(say("+++", 9000), 1000);
    assert_int_equal(say("x", 9500), 0); /* no pause behind */
    assert_false(hayes_escaped(&modem, 20000));
    assert_int_equal(say("++", 30000), 0);
    assert_int_equal(say("+", 32000), 0); /* too late: a first one */
    assert_int_equal(say("++", 32500), 1000);
    modem.escape = 128;
    assert_int_equal(say("+++", 50000), 0);
    assert_int_equal(say("\x80\x80\x80", 60000), 0);
}

static void the_guard_time_can_be_set(void **state)
{
    (void)state;
    go_online(1000);
    modem.guard_20ms = 0;
    assert_int_equal(say("+", 1000), 0);
    assert_int_equal(say("+", 1000), 0);
    assert_int_equal(say("+", 1000), 1);
    assert_true(hayes_escaped(&modem, 1000));
    go_online(1000);
    modem.guard_20ms = 5;
    assert_int_equal(say("+++", 1100), 100);
}

static void from_the_escape_back_or_away(void **state)
{
    (void)state;
    go_online(1000);
    (void)say("+++", 5000);
    assert_true(hayes_escaped(&modem, 6000));
    expect("AT\r", "\r\nOK\r\n");
    expect("ATD2\r", "\r\nERROR\r\n");
    assert_int_equal(type_pieces("ATO\r~data", 100), 4);
    assert_int_equal(step.event, HAYES_GO_ONLINE);
    assert_string_equal(heard, "\r\nCONNECT 9600\r\n");
    assert_int_equal(modem.state, HAYES_ONLINE);
    (void)say("+++", 9000);
    assert_true(hayes_escaped(&modem, 10000));
    (void)type_pieces("ATH0\r", 100);
    assert_true(step.hangs_up);
    assert_string_equal(heard, "\r\nOK\r\n");
    assert_int_equal(modem.state, HAYES_COMMAND);
}

/* ---- login ---- */

static void login_lines(void **state)
{
    (void)state;
    assert_true(hayes_login_is_good(LOGIN));
    assert_true(hayes_login_is_good("AT#USER={name}#{password}!"));
    assert_false(hayes_login_is_good("AT+LOGIN={name}{password}"));
    assert_false(hayes_login_is_good("AT+LOGIN={password},{name}"));
    assert_false(hayes_login_is_good("{name},{password}"));
    assert_false(hayes_login_is_good("XX{name},{password}"));
    assert_false(hayes_login_is_good("AT+LOGIN={name}"));
    assert_false(hayes_login_is_good("AT+{name},{password},{name}"));
    assert_false(hayes_login_is_good(""));
}

static void logging_in(void **state)
{
    (void)state;
    quiet_modem();
    expect("at+login=Petrov,a,b c\r", "");
    assert_int_equal(step.event, HAYES_LOGIN);
    assert_string_equal(step.name, "Petrov");
    assert_string_equal(step.password, "a,b c");
    assert_int_equal(modem.state, HAYES_COMMAND);
    for (size_t i = 0; i < sizeof(modem.line); i++)
        assert_int_equal(modem.line[i], 0); /* the password is gone */
    expect("AT+LOGIN=Petrov\r", "\r\nERROR\r\n");
    expect("AT+LOGOUT\r", "\r\nOK\r\n");
    expect("AT+LOGIN=0123456789012345678901234567890123456789012345678901234567890123,x\r",
           "\r\nERROR\r\n");
    hayes_init(&modem, "AT#U={name}:{password}#");
    modem.echo = false;
    expect("AT#U=a:b#c#\r", "");
    assert_string_equal(step.password, "b#c");
    expect("AT#U=a:b\r", "\r\nERROR\r\n");
    hayes_init(&modem, NULL);
    modem.echo = false;
    expect("AT+LOGIN=a,b\r", "\r\nOK\r\n"); /* a command like any other */
    assert_int_equal(step.event, HAYES_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_echoed_and_answered),
        cmocka_unit_test(commands),
        cmocka_unit_test(a_long_line_is_an_error_as_a_whole),
        cmocka_unit_test(dialling),
        cmocka_unit_test(bytes_behind_a_dial_are_not_read),
        cmocka_unit_test(results),
        cmocka_unit_test(the_escape_stands_between_pauses),
        cmocka_unit_test(what_is_no_escape),
        cmocka_unit_test(the_guard_time_can_be_set),
        cmocka_unit_test(from_the_escape_back_or_away),
        cmocka_unit_test(login_lines),
        cmocka_unit_test(logging_in),
    };
    return cmocka_run_group_tests_name("hayes", tests, NULL, NULL);
}
