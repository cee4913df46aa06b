/* cencctl: what an operator asks of a server or of its files. */
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agents/cencctl/audit.h"
#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/commands.h"
#include "agents/cencctl/exchange.h"
#include "agents/cencctl/help.h"
#include "agents/cencctl/journal.h"
#include "agents/cencctl/manage.h"

/* Help, and what else is said without any work. -1: something else is wanted. */
static int about_itself(int argc, char **argv)
{
    const char *word = argv[1];

    if (strcmp(word, "help") == 0 && argc > 2)
        return help_of(argv[2], argc > 3 ? argv[3] : NULL);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        help_print(stdout);
    else if (strcmp(word, "--version") == 0)
        (void)printf("cencctl %s\n", CENCD_VERSION);
    else if (strcmp(word, "--man") == 0)
        help_manual(stdout);
    else if (strcmp(word, "--completion") == 0 && argc == 3 && strcmp(argv[2], "bash") == 0)
        help_completion(stdout);
    else
        return -1;
    return EXIT_GOOD;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run(struct request *request)
{
    switch (request->command->sort) {
    case COMMAND_IMPORT:
        return import_command(request);
    case COMMAND_EXPORT:
        return export_command(request);
    case COMMAND_AUDIT:
        return audit_command(request);
    case COMMAND_VERIFY:
        return journal_verify(request);
    case COMMAND_DUMP:
        return journal_dump(request);
    default:
        return manage_command(request);
    }
}

static int no_command(const char *noun, const char *verb)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].noun, noun) != 0)
            continue;
        (void)fprintf(stderr, "cencctl: %s %s; see cencctl --help, or cencctl help %s\n",
                      verb != NULL ? "no such command of" : "what of it? after", noun, noun);
        return EXIT_USAGE;
    }
    return usage_error("no such command: ", noun);
}

int main(int argc, char **argv)
{
    struct request request;

    /* for characters' widths in tables; numbers stay as they are in C */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (argc < 2)
        return usage_error("no command", "");
    int code = about_itself(argc, argv);
    if (code >= 0)
        return code;
    const struct command *command = command_find(argv[1], argc > 2 ? argv[2] : NULL);
    if (asks_for_help(argc, argv))
        return help_of(argv[1], command != NULL ? command->verb : NULL);
    if (command == NULL)
        return no_command(argv[1], argc > 2 ? argv[2] : NULL);
    int skipped = command->verb[0] != '\0' ? 3 : 2;
    code = request_read(command, argc - skipped, argv + skipped, &request);
    if (code == EXIT_GOOD)
        code = run(&request);
    request_free(&request);
    return code;
}
