#include "agents/cencctl/help.h"

#include <stdbool.h>
#include <string.h>

#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/commands.h"

static const struct {
    int code;
    const char *help;
} codes[] = {
    {EXIT_GOOD, "done. journal: all is whole (a torn tail, which an interrupted write leaves, is "
                "told and is no error: nothing of it was committed)"},
    {EXIT_DAMAGED, "damage: what was committed to the journal is bad or missing"},
    {EXIT_USAGE, "usage"},
    {EXIT_REFUSED, "the server takes no such value"},
    {EXIT_NOT_FOUND, "there is no such thing, or what it refers to isn't there"},
    {EXIT_NO_SERVER, "no server answers; or it can't now: it is full, or its disk takes nothing"},
    {EXIT_UNREAD, "a file or folder can't be read, or the output takes no more"},
    {EXIT_CONFLICT, "it exists already, is in use, or was changed meanwhile"},
    {EXIT_NOT_ALLOWED, "the caller may not"},
};

/* What can be asked of cencctl itself. */
static const struct {
    const char *words;
    const char *help;
} itself[] = {
    {"help NOUN [VERB]", "the options of a command; NOUN VERB --help is the same"},
    {"--man", "this as a manual page: cencctl --man | man -l -"},
    {"--completion bash", "what bash completes: source <(cencctl --completion bash)"},
    {"--version", "the version"},
    {"--help", "all commands"},
};

#define WORDS_SIZE   160u
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

/* "device show SERIAL"; nothing is longer than the manual's lines. */
static const char *words_of(const struct command *command, char words[static WORDS_SIZE])
{
    (void)snprintf(words, WORDS_SIZE, "%s%s%s%s%s", command->noun,
                   command->verb[0] != '\0' ? " " : "", command->verb,
                   command->operands[0] != '\0' ? " " : "", command->operands);
    return words;
}

static const char *option_words(const struct option_spec *option, char words[static WORDS_SIZE])
{
    (void)snprintf(words, WORDS_SIZE, "--%s%s%s", option->name, option->value != NULL ? " " : "",
                   option->value != NULL ? option->value : "");
    return words;
}

static void print_term(FILE *out, const char *words, const char *help, int indent)
{
    (void)fprintf(out, "%*s%s\n", indent, "", words);
    wrap(out, help, indent + 4);
}

static void print_options(FILE *out, const struct option_spec *option, int indent)
{
    char words[WORDS_SIZE];

    for (; option->name != NULL; option++)
        print_term(out, option_words(option, words), option->help, indent);
}

void help_print(FILE *out)
{
    char words[WORDS_SIZE];

    (void)fputs("usage: cencctl NOUN VERB [OPERANDS] [OPTIONS]\n\n", out);
    for (size_t i = 0; i < command_count; i++)
        print_term(out, words_of(&commands[i], words), commands[i].help, 2);
    (void)fputs("\noptions of all commands that ask the server:\n", out);
    print_options(out, server_options, 2);
    (void)fputs("\nof cencctl itself:\n", out);
    for (size_t i = 0; i < COUNT(itself); i++)
        print_term(out, itself[i].words, itself[i].help, 2);
    (void)fputs("\nexit codes:\n", out);
    for (size_t i = 0; i < COUNT(codes); i++) {
        (void)snprintf(words, sizeof(words), "%d", codes[i].code);
        print_term(out, words, codes[i].help, 2);
    }
}

int help_of(const char *noun, const char *verb)
{
    char words[WORDS_SIZE];
    bool server = false;
    bool any = false;

    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        if (strcmp(command->noun, noun) != 0 || (verb != NULL && strcmp(command->verb, verb) != 0))
            continue;
        print_term(stdout, words_of(command, words), command->help, 0);
        print_options(stdout, command->options, 4);
        any = true;
        server = server || command->sort < COMMAND_AUDIT;
    }
    if (server)
        print_options(stdout, server_options, 4);
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

static void manual_options(FILE *out, const struct option_spec *option)
{
    char words[WORDS_SIZE];

    for (; option->name != NULL; option++)
        term(out, option_words(option, words), option->help);
}

static void manual_commands(FILE *out)
{
    char words[WORDS_SIZE];

    for (size_t i = 0; i < command_count; i++) {
        term(out, words_of(&commands[i], words), commands[i].help);
        if (commands[i].options->name == NULL)
            continue;
        (void)fputs(".RS\n", out);
        manual_options(out, commands[i].options);
        (void)fputs(".RE\n", out);
    }
}

static const char examples[] =
    ".PP\nWho of a project isn't here:\n.PP\n.RS\n.EX\n"
    "cencctl device list \\-\\-project north \\-\\-offline\n.EE\n.RE\n"
    ".PP\nAn account that reaches one group, its password asked for without echo:\n"
    ".PP\n.RS\n.EX\n"
    "cencctl agent add hes \\-\\-group 'north/feeder 7' \\-\\-password\n.EE\n.RE\n"
    ".PP\nA token that may look, kept in a file, and used from another machine:\n"
    ".PP\n.RS\n.EX\n"
    "(umask 077; cencctl token add panel \\-\\-role viewer \\-\\-json | jq \\-r .token > "
    "panel.token)\n"
    "cencctl device list \\-\\-server https://cencd.example:9193 \\-\\-token\\-file panel.token\n"
    ".EE\n.RE\n"
    ".PP\nWhat was done with a device in the last day:\n.PP\n.RS\n.EX\n"
    "cencctl audit \\-\\-device 868441036757234 \\-\\-since 1d\n.EE\n.RE\n";

void help_manual(FILE *out)
{
    char number[16];

    (void)fputs(".TH CENCCTL 1 \"\" \"cencd " CENCD_VERSION "\" \"User Commands\"\n.SH NAME\n"
                "cencctl \\- look at and change what cencd keeps\n"
                ".SH SYNOPSIS\n.B cencctl\nNOUN VERB [OPERANDS] [OPTIONS]\n.SH DESCRIPTION\n",
                out);
    roff(out,
         "It asks a running server over the Unix socket admin.sock in its state folder, "
         "which root and the server's own user may, and those to whom the configuration "
         "gives a role; or by HTTPS with an access token. audit and journal read files instead, "
         "whether or not a server runs, and change nothing.");
    (void)fputs(".PP\n", out);
    roff(out, "Tables fit the terminal (or the environment's COLUMNS): what is cut ends with a "
              "tilde, and columns at the right are left out; --json has all. Passwords are "
              "never taken from the command line, nor are access tokens.");
    (void)fputs(".SH COMMANDS\n", out);
    manual_commands(out);
    (void)fputs(".SH OPTIONS\nOf all commands that ask the server:\n", out);
    manual_options(out, server_options);
    (void)fputs(".PP\nOf cencctl itself:\n", out);
    for (size_t i = 0; i < COUNT(itself); i++)
        term(out, itself[i].words, itself[i].help);
    (void)fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < COUNT(codes); i++) {
        (void)snprintf(number, sizeof(number), "%d", codes[i].code);
        term(out, number, codes[i].help);
    }
    (void)fputs(".SH EXAMPLES\n", out);
    (void)fputs(examples, out);
    (void)fputs(".SH SEE ALSO\n.BR cencd (8)\n", out);
}

/* ---- completion ---- */

static bool begins_noun(size_t i)
{
    return i == 0 || strcmp(commands[i - 1].noun, commands[i].noun) != 0;
}

/* "noun verb) words=...;;" */
static void complete_options(FILE *out, const struct command *command)
{
    const struct option_spec *option = NULL;

    (void)fprintf(out, "    '%s %s') words='", command->noun,
                  command->verb[0] != '\0' ? command->verb : "'*'");
    for (size_t i = 0; (option = command_option(command, i)) != NULL; i++)
        (void)fprintf(out, "--%s ", option->name);
    (void)fputs("--help';;\n", out);
}

static void complete_verbs(FILE *out)
{
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].verb[0] == '\0')
            continue;
        if (begins_noun(i))
            (void)fprintf(out, "    %s) words='", commands[i].noun);
        (void)fprintf(out, "%s ", commands[i].verb);
        if (i + 1 == command_count || begins_noun(i + 1))
            (void)fputs("';;\n", out);
    }
}

void help_completion(FILE *out)
{
    (void)fputs("_cencctl() {\n"
                "    local words='' now=\"${COMP_WORDS[COMP_CWORD]}\"\n"
                "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
                "        words='help --help --man --completion --version",
                out);
    for (size_t i = 0; i < command_count; i++)
        if (begins_noun(i))
            (void)fprintf(out, " %s", commands[i].noun);
    (void)fputs("'\n    elif [ \"$COMP_CWORD\" = 2 ]; then\n    case \"${COMP_WORDS[1]}\" in\n",
                out);
    complete_verbs(out);
    (void)fputs("    esac\n    fi\n"
                "    [ \"$COMP_CWORD\" -gt 1 ] && case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n",
                out);
    for (size_t i = 0; i < command_count; i++)
        if (commands[i].verb[0] == '\0')
            complete_options(out, &commands[i]);
    (void)fputs("    esac\n"
                "    [ \"$COMP_CWORD\" -gt 2 ] && case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n",
                out);
    for (size_t i = 0; i < command_count; i++)
        if (commands[i].verb[0] != '\0')
            complete_options(out, &commands[i]);
    (void)fputs("    esac\n"
                "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$now\")\n"
                "}\n"
                "complete -o default -F _cencctl cencctl\n",
                out);
}
