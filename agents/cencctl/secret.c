#include "agents/cencctl/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "agents/cencctl/cencctl.h"

static int no_line(const char *what, const char *path, int number)
{
    (void)fprintf(stderr, "cencctl: no %s can be read from %s%s%s\n", what, path,
                  number != 0 ? ": " : "", number != 0 ? strerrordesc_np(number) : "");
    return EXIT_UNREAD;
}

/* The longest password that the server takes has SECRET_SIZE - 3 bytes. */
static int cut_line(const char *what, char secret[static SECRET_SIZE])
{
    size_t size = strcspn(secret, "\r\n");

    secret[size] = '\0';
    if (size > 0 && size <= SECRET_SIZE - 3)
        return EXIT_GOOD;
    return usage_error(size == 0 ? "it is empty: the " : "it is too long: the ", what);
}

/* Not by stdio, whose buffer would keep it. */
static int read_line(int file, const char *what, const char *path, char secret[static SECRET_SIZE])
{
    size_t size = 0;
    ssize_t got = 1;

    while (size < SECRET_SIZE - 1 && (size == 0 || secret[size - 1] != '\n')) {
        got = read(file, secret + size, 1);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        size += got > 0;
    }
    secret[size] = '\0';
    if (got < 0 || size == 0)
        return no_line(what, path, got < 0 ? errno : 0);
    return cut_line(what, secret);
}

static int ask_once(FILE *terminal, const char *prompt, char secret[static SECRET_SIZE])
{
    (void)fputs(prompt, terminal);
    (void)fflush(terminal);
    int code = read_line(fileno(terminal), "password", "the terminal", secret);
    (void)fputc('\n', terminal);
    (void)fflush(terminal);
    return code;
}

static int ask(FILE *terminal, char secret[static SECRET_SIZE])
{
    char again[SECRET_SIZE] = "";
    int code = ask_once(terminal, "Password: ", secret);

    if (code == EXIT_GOOD)
        code = ask_once(terminal, "Once more: ", again);
    if (code == EXIT_GOOD && strcmp(secret, again) != 0)
        code = usage_error("the two passwords differ", "");
    explicit_bzero(again, sizeof(again));
    return code;
}

static int ask_without_echo(char secret[static SECRET_SIZE])
{
    struct termios before;
    FILE *terminal = fopen("/dev/tty", "r+e");

    if (terminal == NULL || tcgetattr(fileno(terminal), &before) != 0) {
        int number = errno;
        if (terminal != NULL)
            (void)fclose(terminal);
        return no_line("password", "the terminal", number);
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG); /* a signal would leave it without echo */
    int code = EXIT_UNREAD;
    if (tcsetattr(fileno(terminal), TCSAFLUSH, &silent) == 0)
        code = ask(terminal, secret);
    (void)tcsetattr(fileno(terminal), TCSAFLUSH, &before);
    (void)fclose(terminal);
    return code;
}

int secret_read(const char *what, const char *path, char secret[static SECRET_SIZE])
{
    if (path == NULL && isatty(STDIN_FILENO))
        return ask_without_echo(secret);
    if (path == NULL || strcmp(path, "-") == 0)
        return read_line(STDIN_FILENO, what, "the standard input", secret);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return no_line(what, path, errno);
    (void)setvbuf(file, NULL, _IONBF, 0);
    int code = read_line(fileno(file), what, path, secret);
    (void)fclose(file);
    return code;
}
