#include "codec/modem/hayes.h"

#include <stdio.h>
#include <string.h>

#define CR        '\r'
#define LF        '\n'
#define BACKSPACE '\b'
#define DELETE    0x7f

#define ESCAPE_CHARACTER 43 /* S2: '+' */
#define GUARD_20MS       50 /* S12: one second */
#define MAX_TEXTS        8  /* informations that one line is answered */
#define ESCAPES          3u
#define NO_ESCAPE        UINT8_MAX /* not before the next pause */

static const char name_mark[] = "{name}";
static const char password_mark[] = "{password}";

static void reset(struct hayes *modem)
{
    modem->echo = true;
    modem->verbose = true;
    modem->quiet = false;
    modem->escape = ESCAPE_CHARACTER;
    modem->guard_20ms = GUARD_20MS;
}

void hayes_init(struct hayes *modem, const char *login)
{
    memset(modem, 0, sizeof(*modem));
    modem->login = login;
    reset(modem);
}

/* ---- answers ---- */

static const char *result_text(enum hayes_result result)
{
    switch (result) {
    case HAYES_OK:
        return "OK";
    case HAYES_NO_CARRIER:
        return "NO CARRIER";
    case HAYES_ERROR:
        return "ERROR";
    case HAYES_NO_DIALTONE:
        return "NO DIALTONE";
    case HAYES_BUSY:
        return "BUSY";
    case HAYES_NO_ANSWER:
        return "NO ANSWER";
    case HAYES_CONNECT_9600:
        return "CONNECT 9600";
    }
    return "ERROR";
}

size_t hayes_write(const struct hayes *modem, enum hayes_result result, char out[HAYES_RESULT_SIZE])
{
    int size = 0;

    if (modem->quiet)
        return 0;
    if (modem->verbose)
        size = snprintf(out, HAYES_RESULT_SIZE, "\r\n%s\r\n", result_text(result));
    else
        size = snprintf(out, HAYES_RESULT_SIZE, "%d\r", (int)result);
    CODEC_CHECK(size > 0 && size < (int)HAYES_RESULT_SIZE);
    return (size_t)size;
}

static void put(struct hayes_step *step, const char *bytes, size_t size)
{
    CODEC_CHECK(size <= HAYES_OUT_SIZE - step->out_size);
    memcpy(step->out + step->out_size, bytes, size);
    step->out_size += size;
}

static void put_result(const struct hayes *modem, struct hayes_step *step, enum hayes_result result)
{
    char text[HAYES_RESULT_SIZE];

    put(step, text, hayes_write(modem, result, text));
}

/* Information is written in the same manner, and whatever Q says. */
static void put_text(const struct hayes *modem, struct hayes_step *step, const char *text)
{
    if (step->texts == MAX_TEXTS)
        return; /* a line that asks for more than that is nobody's */
    step->texts++;
    put(step, modem->verbose ? "\r\n" : "", modem->verbose ? 2 : 0);
    put(step, text, strlen(text));
    put(step, "\r\n", 2);
}

/* ---- the login line ---- */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* True if text begins with the first size bytes of word, in either case. */
static bool begins(const char *text, const char *word, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\0' || upper(text[i]) != upper(word[i]))
            return false;
    }
    return true;
}

bool hayes_login_is_good(const char *login)
{
    const char *name = strstr(login, name_mark);
    const char *password = strstr(login, password_mark);

    if (name == NULL || password == NULL || name < login + 2 || !begins(login, "AT", 2))
        return false;
    if (strstr(name + 1, name_mark) != NULL || strstr(password + 1, password_mark) != NULL)
        return false;
    return password > name + strlen(name_mark) && strlen(login) < HAYES_LINE_SIZE;
}

static bool take_text(const char **text, size_t size, char out[HAYES_TEXT_SIZE])
{
    if (size >= HAYES_TEXT_SIZE)
        return false;
    memcpy(out, *text, size);
    out[size] = '\0';
    *text += size;
    return true;
}

/* 1: name and password were taken; 0: another line; -1: the login's, but not well formed. */
static int read_login(const struct hayes *modem, struct hayes_step *step)
{
    const char *login = modem->login;

    if (login == NULL)
        return 0;
    const char *name = strstr(login, name_mark);
    const char *between = name + strlen(name_mark);
    const char *password = strstr(between, password_mark);
    const char *behind = password + strlen(password_mark);
    size_t before_size = (size_t)(name - login);
    size_t between_size = (size_t)(password - between);
    const char *text = modem->line;

    if (!begins(text, login, before_size))
        return 0;
    text += before_size;
    /* the name ends where the text between stands first, the password at the end of the line */
    const char *name_end = text;
    while (*name_end != '\0' && !begins(name_end, between, between_size))
        name_end++;
    if (*name_end == '\0' || !take_text(&text, (size_t)(name_end - text), step->name))
        return -1;
    text += between_size;
    size_t rest = strlen(text);
    size_t behind_size = strlen(behind);
    if (rest < behind_size || !begins(text + rest - behind_size, behind, behind_size) ||
        !take_text(&text, rest - behind_size, step->password))
        return -1;
    return 1;
}

/* ---- commands ---- */

/* The number behind a command; 0 if there is none. */
static unsigned take_number(const char **text)
{
    unsigned number = 0;

    while (**text >= '0' && **text <= '9') {
        number = number < 1000 ? number * 10 + (unsigned)(**text - '0') : number;
        (*text)++;
    }
    return number;
}

static bool set_flag(bool *flag, unsigned value)
{
    if (value > 1)
        return false;
    *flag = value == 1;
    return true;
}

/* Sn=v and Sn?: 2 and 12 are real, the others read as 0. */
static bool take_register(struct hayes *modem, const char **text, struct hayes_step *step)
{
    unsigned index = take_number(text);
    char answer[8];

    if (**text == '?') {
        unsigned value = index == 2 ? modem->escape : 0;

        (*text)++;
        if (index == 12)
            value = modem->guard_20ms;
        (void)snprintf(answer, sizeof(answer), "%03u", value);
        put_text(modem, step, answer);
        return true;
    }
    if (**text != '=')
        return false;
    (*text)++;
    unsigned value = take_number(text);
    if (value > 255)
        return false;
    if (index == 2)
        modem->escape = (uint8_t)value;
    if (index == 12)
        modem->guard_20ms = (uint8_t)value;
    return true;
}

/* What is dialled: the rest of the line without T and P in front and without what people put
 * between digits. */
static bool take_dial(struct hayes *modem, const char *text, struct hayes_step *step)
{
    size_t size = 0;

    if (upper(*text) == 'T' || upper(*text) == 'P')
        text++;
    for (; *text != '\0'; text++) {
        if (*text == ' ' || *text == '-' || *text == '(' || *text == ')')
            continue;
        if (size == HAYES_NUMBER_SIZE - 1)
            return false;
        step->number[size++] = *text;
    }
    if (size > 0 && step->number[size - 1] == ';')
        size--; /* a voice call, for GSM modems */
    step->number[size] = '\0';
    if (size == 0 || modem->state != HAYES_COMMAND)
        return false;
    step->event = HAYES_DIAL;
    modem->state = HAYES_DIALLING;
    return true;
}

static bool hang_up(struct hayes *modem, struct hayes_step *step)
{
    if (modem->state == HAYES_ESCAPED)
        step->hangs_up = true;
    modem->state = HAYES_COMMAND;
    return true;
}

static bool take_online(struct hayes *modem, struct hayes_step *step, enum hayes_result *result)
{
    if (modem->state == HAYES_ESCAPED) {
        modem->state = HAYES_ONLINE;
        modem->escapes = 0;
        step->event = HAYES_GO_ONLINE;
        *result = HAYES_CONNECT_9600;
    } else {
        *result = HAYES_NO_CARRIER;
    }
    return true;
}

/* Letters with a number behind them. False: an error. */
static bool take_letter(struct hayes *modem, char letter, const char **text,
                        struct hayes_step *step, enum hayes_result *result)
{
    if (letter == 'S')
        return take_register(modem, text, step);
    unsigned value = take_number(text);
    switch (letter) {
    case 'E':
        return set_flag(&modem->echo, value);
    case 'V':
        return set_flag(&modem->verbose, value);
    case 'Q':
        return set_flag(&modem->quiet, value);
    case 'Z':
        reset(modem);
        return hang_up(modem, step);
    case 'H':
        return value == 0 ? hang_up(modem, step) : value == 1;
    case 'O':
        return take_online(modem, step, result);
    case 'I':
        put_text(modem, step, "cencd virtual modem");
        return true;
    default: /* loudness, tone, progress: nothing that this modem has */
        return strchr("FLMNPTWX", letter) != NULL;
    }
}

/* One command from the front of text. False: an error. */
static bool take_command(struct hayes *modem, const char **text, struct hayes_step *step,
                         enum hayes_result *result)
{
    char letter = upper(*(*text)++);

    if (letter == 'D') {
        bool good = take_dial(modem, *text, step);
        *text = "";
        return good;
    }
    if (letter == '+' || letter == '^' || letter == '*' || letter == '#') {
        *text = ""; /* of GSM modems: to the end of the line */
        return true;
    }
    if (letter == '&' || letter == '\\' || letter == '%') {
        letter = upper(**text);
        if (letter < 'A' || letter > 'Z')
            return false;
        (*text)++;
        unsigned value = take_number(text);
        if (letter == 'F' && value <= 1 && (*text)[-1] != '\\')
            reset(modem);
        return true;
    }
    return take_letter(modem, letter, text, step, result);
}

static void run_line(struct hayes *modem, struct hayes_step *step)
{
    const char *text = modem->line;
    enum hayes_result result = HAYES_OK;

    while (*text == ' ')
        text++;
    if (*text == '\0')
        return;
    if (!begins(text, "AT", 2)) {
        put_result(modem, step, HAYES_ERROR);
        return;
    }
    int login = read_login(modem, step);
    if (login > 0) {
        step->event = HAYES_LOGIN;
        return;
    }
    text += 2;
    while (login == 0 && *text != '\0' && result == HAYES_OK && step->event == HAYES_NOTHING) {
        if (*text == ' ' || *text == ';')
            text++;
        else if (!take_command(modem, &text, step, &result))
            result = HAYES_ERROR;
    }
    if (login < 0)
        result = HAYES_ERROR;
    if (step->event != HAYES_DIAL)
        put_result(modem, step, result);
}

static void end_line(struct hayes *modem, struct hayes_step *step)
{
    bool too_long = modem->size == HAYES_LINE_SIZE;

    modem->after_cr = true;
    if (too_long) {
        put_result(modem, step, HAYES_ERROR);
    } else {
        modem->line[modem->size] = '\0';
        run_line(modem, step);
    }
    /* it may hold a password */
    memset(modem->line, 0, sizeof(modem->line));
    modem->size = 0;
}

static void take_byte(struct hayes *modem, char byte)
{
    if (byte == BACKSPACE || byte == DELETE) {
        if (modem->size > 0 && modem->size < HAYES_LINE_SIZE)
            modem->size--;
        return;
    }
    if (byte < ' ' || modem->size == HAYES_LINE_SIZE)
        return;
    if (modem->size == HAYES_LINE_SIZE - 1) {
        modem->size = HAYES_LINE_SIZE;
        return;
    }
    modem->line[modem->size++] = byte;
}

void hayes_command(struct hayes *modem, const uint8_t *data, size_t size, struct hayes_step *step)
{
    CODEC_CHECK(modem->state == HAYES_COMMAND || modem->state == HAYES_ESCAPED);
    memset(step, 0, sizeof(*step));
    while (step->consumed < size && step->consumed < HAYES_LINE_SIZE) {
        char byte = (char)data[step->consumed++];
        bool behind_cr = modem->after_cr;

        modem->after_cr = false;
        if (byte == LF && behind_cr)
            continue;
        if (modem->echo)
            put(step, &byte, 1);
        if (byte == CR || byte == LF) {
            end_line(modem, step);
            modem->after_cr = byte == CR;
            return;
        }
        take_byte(modem, byte);
    }
}

/* ---- the line ---- */

void hayes_connected(struct hayes *modem, uint64_t now_ms)
{
    CODEC_CHECK(modem->state == HAYES_DIALLING);
    modem->state = HAYES_ONLINE;
    modem->escapes = 0;
    modem->last_byte_ms = now_ms;
}

void hayes_on_hook(struct hayes *modem)
{
    modem->state = HAYES_COMMAND;
    modem->escapes = 0;
}

bool hayes_drops_first(struct hayes *modem, uint8_t byte)
{
    bool drops = modem->after_cr && byte == LF;

    modem->after_cr = false;
    return drops;
}

/* One more byte for the line, pause_ms after the one before. */
static void watch_byte(struct hayes *modem, uint8_t byte, uint64_t pause_ms)
{
    uint32_t guard_ms = modem->guard_20ms * 20u;
    /* the characters themselves come close together */
    bool goes_on =
        modem->escapes > 0 && modem->escapes < ESCAPES && (pause_ms < guard_ms || guard_ms == 0);

    if (!goes_on)
        modem->escapes = pause_ms >= guard_ms ? 0 : NO_ESCAPE;
    if (byte == modem->escape && modem->escape <= 127 && modem->escapes < ESCAPES)
        modem->escapes++;
    else
        modem->escapes = NO_ESCAPE;
}

uint32_t hayes_online(struct hayes *modem, const uint8_t *data, size_t size, uint64_t now_ms)
{
    uint32_t guard_ms = modem->guard_20ms * 20u;

    CODEC_CHECK(modem->state == HAYES_ONLINE);
    for (size_t i = 0; i < size; i++) {
        watch_byte(modem, data[i], now_ms - modem->last_byte_ms);
        modem->last_byte_ms = now_ms;
    }
    if (size == 0 || modem->escapes != ESCAPES)
        return 0;
    return guard_ms > 0 ? guard_ms : 1;
}

bool hayes_escaped(struct hayes *modem, uint64_t now_ms)
{
    if (modem->state != HAYES_ONLINE || modem->escapes != ESCAPES ||
        now_ms - modem->last_byte_ms < modem->guard_20ms * 20u)
        return false;
    modem->state = HAYES_ESCAPED;
    modem->escapes = 0;
    return true;
}
