#include "agents/cencctl/help.h"

#include <string.h>

#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/commands.h"

/* Commands that don't ask a server: they have a line of their own here. */
static const struct {
    const char *words;
    const char *help;
} others[] = {
    {"audit FOLDER [--agent NAME] [--serial SERIAL] [--from N] [--json]",
     "who reached which device, and who changed what: from the journal in FOLDER"},
    {"journal verify FOLDER",
     "read every record of the journal in FOLDER (the folder `journal` in the server's state "
     "folder); one line for each segment. The server may run; what it writes meanwhile may look "
     "like a torn tail"},
    {"journal dump FOLDER [--from N] [--to N] [--kind KIND]",
     "print the records as JSON, one to a line; --kind: only events of this kind, by the name of "
     "the field in events.proto (last_gasp, connected ...)"},
    {"completion", "what bash completes: source <(cencctl completion)"},
    {"manual", "this as a manual page: cencctl manual | man -l -"},
};

static const struct {
    const char *words;
    const char *help;
} common[] = {
    {"--socket PATH", "the server's admin.sock, in its state folder; otherwise what the "
                      "environment's CENCCTL_SOCKET says, otherwise /var/lib/cencd/admin.sock"},
    {"--json", "JSON instead of a table; list: an array"},
    {"--watch", "list and show: again every two seconds, until interrupted"},
};

static const struct {
    int code;
    const char *help;
} codes[] = {
    {EXIT_GOOD, "done. journal: all is whole (a torn tail, which an interrupted write leaves, is "
                "told and is no error: nothing of it was committed)"},
    {EXIT_DAMAGED, "damage: what was committed to the journal is bad or missing"},
    {EXIT_NOT_FOUND, "there is no such thing, or what it refers to isn't there"},
    {EXIT_CONFLICT, "it exists already, is in use, or was changed meanwhile"},
    {EXIT_REFUSED, "a value is not allowed, or the caller may not"},
    {EXIT_NOT_NOW, "the server can't: it is full, or its disk takes nothing"},
    {EXIT_USAGE, "usage"},
    {EXIT_NO_SERVER, "no server answers on the socket"},
    {EXIT_UNREAD, "a file or folder can't be read, or the output takes no more"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Text in lines of at most 78 characters, behind `indent` spaces. */
static void wrap(FILE *out, const char *text, int indent)
{
    int column = 0;

    while (*text != '\0') {
        int size = (int)strcspn(text, " ");
        if (column > 0 && column + 1 + size > 78) {
            (void)fputc('\n', out);
            column = 0;
        }
        if (column == 0)
            column = fprintf(out, "%*s", indent, "");
        else
            column += fprintf(out, " ");
        column += fprintf(out, "%.*s", size, text);
        text += size + (text[size] == ' ');
    }
    (void)fputc('\n', out);
}

static void print_command(FILE *out, const struct command *command)
{
    (void)fprintf(out, "  %s %s%s%s\n", command->noun, command->verb,
                  command->operands[0] != '\0' ? " " : "", command->operands);
    wrap(out, command->help, 6);
}

static void print_options(FILE *out, const struct command *command)
{
    for (const struct option_spec *option = command->options; option->name != NULL; option++) {
        (void)fprintf(out, "      --%s%s%s\n", option->name, option->value != NULL ? " " : "",
                      option->value != NULL ? option->value : "");
        wrap(out, option->help, 10);
    }
}

void help_print(FILE *out)
{
    (void)fputs("usage: cencctl NOUN VERB [OPERANDS] [OPTIONS]\n"
                "       cencctl help NOUN [VERB]      the options of a command\n"
                "       cencctl --version | --help\n\n",
                out);
    for (size_t i = 0; i < command_count; i++)
        print_command(out, &commands[i]);
    for (size_t i = 0; i < COUNT(others); i++) {
        (void)fprintf(out, "  %s\n", others[i].words);
        wrap(out, others[i].help, 6);
    }
    (void)fputs("\noptions of all commands that ask the server:\n", out);
    for (size_t i = 0; i < COUNT(common); i++) {
        (void)fprintf(out, "  %s\n", common[i].words);
        wrap(out, common[i].help, 6);
    }
    (void)fputs("\nexit codes:\n", out);
    for (size_t i = 0; i < COUNT(codes); i++) {
        (void)fprintf(out, "  %d\n", codes[i].code);
        wrap(out, codes[i].help, 6);
    }
}

int help_of(const char *noun, const char *verb)
{
    bool any = false;

    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        if (strcmp(command->noun, noun) != 0 || (verb != NULL && strcmp(command->verb, verb) != 0))
            continue;
        print_command(stdout, command);
        print_options(stdout, command);
        any = true;
    }
    return any ? EXIT_GOOD : usage_error("there is no help about ", noun);
}

/* ---- the manual page ---- */

/* What troff would take for itself. */
static void roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        (void)fputs("\\&", out);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            (void)fputs("\\e", out);
        else if (*text == '-')
            (void)fputs("\\-", out);
        else
            (void)fputc(*text, out);
    }
    (void)fputc('\n', out);
}

static void term(FILE *out, const char *words, const char *help)
{
    (void)fputs(".TP\n.B ", out);
    roff(out, words);
    roff(out, help);
}

static void manual_command(FILE *out, const struct command *command)
{
    char words[160];

    (void)snprintf(words, sizeof(words), "%s %s%s%s", command->noun, command->verb,
                   command->operands[0] != '\0' ? " " : "", command->operands);
    term(out, words, command->help);
    if (command->options->name == NULL)
        return;
    (void)fputs(".RS\n", out);
    for (const struct option_spec *option = command->options; option->name != NULL; option++) {
        (void)snprintf(words, sizeof(words), "--%s%s%s", option->name,
                       option->value != NULL ? " " : "",
                       option->value != NULL ? option->value : "");
        term(out, words, option->help);
    }
    (void)fputs(".RE\n", out);
}

void help_manual(FILE *out)
{
    char number[16];

    (void)fputs(".TH CENCCTL 1\n.SH NAME\ncencctl \\- look at and change what cencd keeps\n"
                ".SH SYNOPSIS\n.B cencctl\nNOUN VERB [OPERANDS] [OPTIONS]\n.br\n"
                ".B cencctl help\nNOUN [VERB]\n.SH DESCRIPTION\n",
                out);
    roff(out, "It asks a running server over the Unix socket admin.sock in its state folder. "
              "Only root and the server's own user may. audit and journal read files instead, "
              "whether or not a server runs, and change nothing.");
    (void)fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; i < command_count; i++)
        manual_command(out, &commands[i]);
    for (size_t i = 0; i < COUNT(others); i++)
        term(out, others[i].words, others[i].help);
    (void)fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < COUNT(common); i++)
        term(out, common[i].words, common[i].help);
    (void)fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < COUNT(codes); i++) {
        (void)snprintf(number, sizeof(number), "%d", codes[i].code);
        term(out, number, codes[i].help);
    }
    (void)fputs(".SH SEE ALSO\n.BR cencd (8)\n", out);
}

/* ---- completion ---- */

static void words_of(FILE *out, const struct command *command)
{
    (void)fprintf(out, "    '%s %s') words='--json --socket", command->noun, command->verb);
    if (command->sort != COMMAND_SEND)
        (void)fputs(" --watch", out);
    for (const struct option_spec *option = command->options; option->name != NULL; option++)
        (void)fprintf(out, " --%s", option->name);
    (void)fputs("';;\n", out);
}

void help_completion(FILE *out)
{
    const char *former = "";

    (void)fputs("_cencctl() {\n"
                "    local words='' now=\"${COMP_WORDS[COMP_CWORD]}\"\n"
                "    case \"$COMP_CWORD\" in\n"
                "    1) words='audit completion help journal manual",
                out);
    for (size_t i = 0; i < command_count; former = commands[i++].noun)
        if (strcmp(former, commands[i].noun) != 0)
            (void)fprintf(out, " %s", commands[i].noun);
    (void)fputs("';;\n    2) case \"${COMP_WORDS[1]}\" in\n    journal) words='verify dump';;\n",
                out);
    for (size_t i = 0; i < command_count; i++) {
        if (i == 0 || strcmp(commands[i - 1].noun, commands[i].noun) != 0)
            (void)fprintf(out, "    %s) words='", commands[i].noun);
        (void)fprintf(out, "%s ", commands[i].verb);
        if (i + 1 == command_count || strcmp(commands[i + 1].noun, commands[i].noun) != 0)
            (void)fputs("';;\n", out);
    }
    (void)fputs("    esac;;\n    *) case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n", out);
    for (size_t i = 0; i < command_count; i++)
        words_of(out, &commands[i]);
    (void)fputs("    esac;;\n    esac\n"
                "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$now\")\n"
                "}\n"
                "complete -o default -F _cencctl cencctl\n",
                out);
}
