#include "agents/cencctl/manage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/client.h"
#include "agents/cencctl/request.h"
#include "agents/cencctl/table.h"

#define PAGE    1000u
#define PAUSE_S 2u
#define CLEAR   "\033[H\033[J"

/* ---- calls ---- */

static int code_of(unsigned status)
{
    switch (status) {
    case 404:
        return EXIT_NOT_FOUND;
    case 409:
    case 412:
        return EXIT_CONFLICT;
    case 503:
    case 507:
    case 500:
        return EXIT_NOT_NOW;
    default:
        return EXIT_REFUSED;
    }
}

static int no_server(const struct request *request, int number)
{
    (void)fprintf(stderr, "cencctl: no answer from the server on %s: %s\n", request->socket_path,
                  number == -EPROTO ? "it broke off" : strerror(-number));
    if (number == -ENOENT || number == -ECONNREFUSED)
        (void)fputs("cencctl: is it running, with a server.state_dir? --socket names its "
                    "admin.sock\n",
                    stderr);
    return EXIT_NO_SERVER;
}

static int call(const struct request *request, const char *path, struct client_answer *answer)
{
    const json_t *body = NULL;
    const char *method = request->command->method;

    if (strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0)
        body = request->body;
    int result = client_call(request->socket_path, method, path, body, request->if_match, answer);
    if (result < 0)
        return no_server(request, result);
    if (answer->status < 300)
        return EXIT_GOOD;
    const char *text = json_string_value(json_object_get(answer->value, "text"));
    (void)fprintf(stderr, "cencctl: %s\n", text != NULL ? text : "the server refuses");
    return code_of(answer->status);
}

/* The path with what is asked of it; to be freed. */
static char *with_query(const struct request *request, const char *path, unsigned long limit,
                        const char *after)
{
    char *whole = NULL;
    bool list = request->command->sort == COMMAND_LIST && limit > 0;
    char page[64] = "";

    if (list)
        (void)snprintf(page, sizeof(page), "limit=%lu%s%s", limit, after != NULL ? "&after=" : "",
                       after != NULL ? after : "");
    if (asprintf(&whole, "%s%s%s%s%s", path, request->query != NULL || list ? "?" : "",
                 request->query != NULL ? request->query : "",
                 request->query != NULL && list ? "&" : "", page) < 0)
        return NULL;
    return whole;
}

/* ---- lists ---- */

/* Lists that are never long have no pages. */
static bool has_pages(const struct command *command)
{
    for (const struct option_spec *option = command->options; option->name != NULL; option++)
        if (option->field != NULL && strcmp(option->field, "limit") == 0)
            return true;
    return false;
}

static void print_items(const struct request *request, const json_t *items, bool first)
{
    size_t i;
    const json_t *item;

    if (!request->json) {
        table_print(items, request->command->columns, first);
        return;
    }
    json_array_foreach((json_t *)items, i, item)
    {
        (void)fputs(first && i == 0 ? "[\n" : ",\n", stdout);
        (void)json_dumpf(item, stdout, JSON_COMPACT);
    }
    if (first && json_array_size(items) == 0)
        (void)fputs("[", stdout);
}

static int list(const struct request *request, const char *path)
{
    unsigned long left = request->limit > 0 ? request->limit : (unsigned long)-1;
    char after[32] = "";
    bool first = true;
    int code = EXIT_GOOD;

    while (code == EXIT_GOOD && left > 0) {
        struct client_answer answer = {0};
        unsigned long page = left < PAGE ? left : PAGE;
        char *whole = with_query(request, path, has_pages(request->command) ? page : 0,
                                 after[0] != '\0' ? after : NULL);
        code = whole != NULL ? call(request, whole, &answer) : EXIT_UNREAD;
        free(whole);
        const json_t *items = json_object_get(answer.value, "items");
        const char *next = json_string_value(json_object_get(answer.value, "next"));
        if (code == EXIT_GOOD)
            print_items(request, items, first);
        first = false;
        left -= json_array_size(items) < left ? json_array_size(items) : left;
        (void)snprintf(after, sizeof(after), "%s", next != NULL ? next : "");
        bool ends = next == NULL;
        json_decref(answer.value);
        if (ends)
            break;
    }
    if (code == EXIT_GOOD && request->json)
        (void)fputs("\n]\n", stdout);
    return code;
}

/* ---- one ---- */

static void print_one(const struct request *request, const struct client_answer *answer)
{
    if (answer->value == NULL)
        return;
    if (request->json) {
        (void)json_object_set_new(answer->value, "etag", json_string(answer->etag));
        (void)json_dumpf(answer->value, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
    } else if (request->command->sort == COMMAND_SHOW) {
        table_print_one(answer->value);
    }
}

static int one(const struct request *request, const char *path)
{
    struct client_answer answer = {0};
    char *whole = with_query(request, path, 0, NULL);
    int code = whole != NULL ? call(request, whole, &answer) : EXIT_UNREAD;

    free(whole);
    if (code == EXIT_GOOD && request->new_password[0] != '\0') {
        if (request->json)
            (void)json_object_set_new(answer.value, "password", json_string(request->new_password));
        else
            (void)printf("password: %s\n", request->new_password);
    }
    if (code == EXIT_GOOD)
        print_one(request, &answer);
    json_decref(answer.value);
    return code;
}

static int run(const struct request *request)
{
    char *path = request_path(request);
    int code = EXIT_UNREAD;

    if (path == NULL)
        return code;
    do {
        if (request->watch && isatty(STDOUT_FILENO))
            (void)fputs(CLEAR, stdout);
        code = request->command->sort == COMMAND_LIST ? list(request, path) : one(request, path);
        if (fflush(stdout) != 0)
            code = EXIT_UNREAD;
        if (request->watch && code == EXIT_GOOD)
            (void)sleep(PAUSE_S);
    } while (request->watch && code == EXIT_GOOD);
    free(path);
    return code;
}

int manage_command(int argc, char **argv)
{
    struct request request;
    const struct command *command = argc >= 2 ? command_find(argv[0], argv[1]) : NULL;

    if (argc < 2)
        return usage_error("what of it? after ", argv[0]);
    if (command == NULL)
        return usage_error("no such command: ", argv[1]);
    int code = request_read(command, argc - 2, argv + 2, &request);
    if (code == EXIT_GOOD)
        code = run(&request);
    request_free(&request);
    return code;
}
