#include "agents/cencctl/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/client.h"
#include "agents/cencctl/manage.h"
#include "agents/cencctl/table.h"

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name);

    return size >= strlen(end) && strcasecmp(name + size - strlen(end), end) == 0;
}

/* As --format says, or by the name; NULL: it has been said that it can't be known. */
static const char *format_of(const struct request *request, const char *name)
{
    const char *given = request_given(request, "format");

    if (given != NULL)
        return given;
    if (ends_with(name, ".csv"))
        return "csv";
    if (ends_with(name, ".json"))
        return "cehes";
    (void)usage_error("--format cehes or --format csv is missing", "");
    return NULL;
}

/* With the format, the file's name and what options say; to be freed. */
static char *path_of(const struct request *request, const char *format, const char *file)
{
    const char *base = strrchr(file, '/') != NULL ? strrchr(file, '/') + 1 : file;
    char *name = request_escape(base);
    char *escaped = request_escape(format);
    char *path = NULL;

    if (name == NULL || escaped == NULL ||
        asprintf(&path, "%s?format=%s%s%s%s%s", request->command->path, escaped,
                 name[0] != '\0' ? "&file=" : "", name, request->query != NULL ? "&" : "",
                 request->query != NULL ? request->query : "") < 0)
        path = NULL;
    free(name);
    free(escaped);
    return path;
}

/* ---- what the server said ---- */

static void print_errors(const json_t *answer)
{
    const json_t *errors = json_object_get(answer, "errors");
    size_t i;
    const json_t *error;

    json_array_foreach((json_t *)errors, i, error)
    {
        const char *path = json_string_value(json_object_get(error, "path"));
        const char *text = json_string_value(json_object_get(error, "text"));
        long long line = json_integer_value(json_object_get(error, "line"));
        long long column = json_integer_value(json_object_get(error, "column"));
        if (line > 0)
            (void)fprintf(stderr, "line %lld%s", line, column > 0 ? "" : ": ");
        if (line > 0 && column > 0)
            (void)fprintf(stderr, ", column %lld: ", column);
        (void)fprintf(stderr, "%s%s%s\n", path != NULL ? path : "",
                      path != NULL && path[0] != '\0' ? ": " : "", text != NULL ? text : "");
    }
    size_t found = (size_t)json_integer_value(json_object_get(answer, "errors_found"));
    if (found > json_array_size(errors))
        (void)fprintf(stderr, "and %zu more\n", found - json_array_size(errors));
}

static int refused(const struct client_answer *answer)
{
    const char *text = json_string_value(json_object_get(answer->value, "text"));

    (void)fprintf(stderr, "cencctl: %s\n", text != NULL ? text : "the server refuses");
    print_errors(answer->value);
    return manage_code_of(answer->status);
}

static void print_import(const struct request *request, const json_t *answer)
{
    const json_t *changes = json_object_get(answer, "changes");
    struct table table = {
        .out = stdout, .columns = request->command->columns, .room = table_room()};
    size_t found = (size_t)json_integer_value(json_object_get(answer, "changes_found"));

    if (request->json) {
        (void)json_dumpf(answer, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
        return;
    }
    table_rows(&table, changes);
    if (found > json_array_size(changes))
        (void)printf("and %zu more\n", found - json_array_size(changes));
    (void)fputc('\n', stdout);
    table_one(stdout, json_object_get(answer, "counts"));
    if (json_is_true(json_object_get(answer, "dry_run")))
        (void)fputs("nothing was changed\n", stdout);
}

/* ---- import ---- */

static int send_file(const struct request *request, FILE *file, const char *path)
{
    struct client_answer answer = {0};
    int code = EXIT_GOOD;
    int result = client_transfer(&request->server, "POST", path, file, NULL, &answer);

    if (result < 0)
        code = manage_no_server(request, result, &answer);
    else if (answer.status >= 300)
        code = refused(&answer);
    else
        print_import(request, answer.value);
    json_decref(answer.value);
    return code;
}

/* Its size is told before it is sent, so that a file that was cut isn't taken for the whole. */
static FILE *open_import(const char *name)
{
    FILE *file = fopen(name, "re");
    struct stat facts;

    if (file == NULL) {
        (void)fprintf(stderr, "cencctl: %s: %s\n", name, strerrordesc_np(errno));
        return NULL;
    }
    if (fstat(fileno(file), &facts) == 0 && S_ISREG(facts.st_mode))
        return file;
    (void)fprintf(stderr, "cencctl: %s: this is no file, but a folder, a pipe or a device\n", name);
    (void)fclose(file);
    return NULL;
}

int import_command(struct request *request)
{
    const char *name = request->operands[0];
    const char *format = format_of(request, name);

    if (format == NULL)
        return EXIT_USAGE;
    FILE *file = open_import(name);
    if (file == NULL)
        return EXIT_UNREAD;
    char *path = path_of(request, format, name);
    int code = path != NULL ? send_file(request, file, path) : EXIT_UNREAD;
    free(path);
    (void)fclose(file);
    return code;
}

/* ---- export ---- */

static int fetch(const struct request *request, FILE *out, const char *path)
{
    struct client_answer answer = {0};
    int code = EXIT_GOOD;
    int result = client_transfer(&request->server, "GET", path, NULL, out, &answer);

    if (answer.download_error == 0 && fflush(out) != 0)
        answer.download_error = errno;
    if (answer.download_error != 0) {
        (void)fprintf(stderr, "cencctl: the output takes no more: %s\n",
                      strerrordesc_np(answer.download_error));
        code = EXIT_UNREAD;
    } else if (result < 0) {
        code = manage_no_server(request, result, &answer);
    } else if (answer.status >= 300) {
        code = refused(&answer);
    }
    json_decref(answer.value);
    return code;
}

int export_command(struct request *request)
{
    const char *name = request_given(request, "output");
    const char *format = format_of(request, name != NULL ? name : "");
    FILE *out = stdout;

    if (format == NULL)
        return EXIT_USAGE;
    if (name != NULL)
        out = fopen(name, "wxe");
    if (out == NULL) {
        (void)fprintf(stderr, "cencctl: %s: %s\n", name, strerrordesc_np(errno));
        return EXIT_UNREAD;
    }
    char *path = path_of(request, format, "");
    int code = path != NULL ? fetch(request, out, path) : EXIT_UNREAD;
    free(path);
    if (name != NULL && fclose(out) != 0 && code == EXIT_GOOD)
        code = EXIT_UNREAD;
    if (name != NULL && code != EXIT_GOOD)
        (void)unlink(name); /* what is not the whole looks like it */
    return code;
}
