/* cencctl: what an operator asks of a server or of its files. */
#include <stdio.h>
#include <string.h>

#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/journal.h"

static void usage(FILE *out)
{
    (void)fputs(
        "usage: cencctl journal verify FOLDER\n"
        "       cencctl journal dump FOLDER [--from N] [--to N] [--kind KIND]\n"
        "       cencctl --version | --help\n"
        "\n"
        "journal verify   read every record of the journal in FOLDER (the folder `journal`\n"
        "                 in the server's state folder); one line for each segment\n"
        "journal dump     print the records as JSON, one to a line\n"
        "  --from N       from sequence N on\n"
        "  --to N         up to sequence N\n"
        "  --kind KIND    only events of this kind, by the name of the field in events.proto\n"
        "                 (last_gasp, connected ...)\n"
        "\n"
        "Nothing is changed, and the server may run; what it writes meanwhile may look like\n"
        "a torn tail.\n"
        "\n"
        "exit codes: 0 all is whole (a torn tail, which an interrupted write leaves, is told\n"
        "and is no error: nothing of it was committed), 2 damage: what was committed is bad or\n"
        "missing, 64 usage, 74 the folder or a file can't be read\n",
        out);
}

int usage_error(const char *text, const char *what)
{
    (void)fprintf(stderr, "cencctl: %s%s; see cencctl --help\n", text, what);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage_error("no command", "");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return EXIT_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("cencctl %s\n", CENCD_VERSION);
        return EXIT_GOOD;
    }
    if (strcmp(argv[1], "journal") == 0)
        return journal_command(argc - 2, argv + 2);
    return usage_error("no such command: ", argv[1]);
}
