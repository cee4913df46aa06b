/* cencctl: what an operator asks of a server or of its files. */
#include <stdio.h>
#include <string.h>

#include "agents/cencctl/audit.h"
#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/commands.h"
#include "agents/cencctl/help.h"
#include "agents/cencctl/journal.h"
#include "agents/cencctl/manage.h"

int usage_error(const char *text, const char *what)
{
    (void)fprintf(stderr, "cencctl: %s%s; see cencctl --help\n", text, what);
    return EXIT_USAGE;
}

static int about_itself(int argc, char **argv)
{
    if (strcmp(argv[1], "--version") == 0)
        (void)printf("cencctl %s\n", CENCD_VERSION);
    else if (strcmp(argv[1], "help") == 0 && argc > 2)
        return help_of(argv[2], argc > 3 ? argv[3] : NULL);
    else if (strcmp(argv[1], "completion") == 0)
        help_completion(stdout);
    else if (strcmp(argv[1], "manual") == 0)
        help_manual(stdout);
    else
        help_print(stdout);
    return EXIT_GOOD;
}

int main(int argc, char **argv)
{
    static const char *const itself[] = {"--help",    "-h",         "help",
                                         "--version", "completion", "manual"};

    if (argc < 2)
        return usage_error("no command", "");
    for (size_t i = 0; i < sizeof(itself) / sizeof(itself[0]); i++)
        if (strcmp(argv[1], itself[i]) == 0)
            return about_itself(argc, argv);
    if (strcmp(argv[1], "journal") == 0)
        return journal_command(argc - 2, argv + 2);
    if (strcmp(argv[1], "audit") == 0)
        return audit_command(argc - 2, argv + 2);
    for (size_t i = 0; argv[1][0] != '-' && i < command_count; i++)
        if (strcmp(commands[i].noun, argv[1]) == 0)
            return manage_command(argc - 1, argv + 1);
    return usage_error("no such command: ", argv[1]);
}
