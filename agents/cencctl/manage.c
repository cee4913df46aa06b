#include "agents/cencctl/manage.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/client.h"
#include "agents/cencctl/table.h"

#define PAGE       1000u
#define SCOPE_SIZE 128u
#define CLEAR      "\033[H\033[J"

/* ---- calls ---- */

int manage_code_of(unsigned status)
{
    switch (status) {
    case 400:
    case 413:
        return EXIT_REFUSED;
    case 401:
    case 403:
        return EXIT_NOT_ALLOWED;
    case 404:
        return EXIT_NOT_FOUND;
    case 409:
    case 412:
        return EXIT_CONFLICT;
    default:
        return EXIT_NO_SERVER;
    }
}

static int no_https(const struct request *request, const char *reason)
{
    (void)fprintf(stderr, "cencctl: no answer from the server at %s: %s\n", request->server.url,
                  reason[0] != '\0' ? reason : "it broke off");
    return EXIT_NO_SERVER;
}

int manage_no_server(const struct request *request, int number, const struct client_answer *answer)
{
    if (request->server.url != NULL)
        return no_https(request, answer->reason);
    (void)fprintf(stderr, "cencctl: no answer from the server on %s: %s\n",
                  request->server.socket_path,
                  number == -EPROTO ? "it broke off" : strerror(-number));
    if (number == -ENOENT || number == -ECONNREFUSED)
        (void)fputs("cencctl: is it running, with a server.state_dir? --socket names its "
                    "admin.sock\n",
                    stderr);
    return number == -EACCES || number == -EPERM ? EXIT_NOT_ALLOWED : EXIT_NO_SERVER;
}

static int call(const struct request *request, const char *path, struct client_answer *answer)
{
    const json_t *body = NULL;
    const char *method = request->command->method;

    if (strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0)
        body = request->body;
    int result = client_call(&request->server, method, path, body, request->if_match, answer);
    if (result < 0)
        return manage_no_server(request, result, answer);
    if (answer->status < 300)
        return EXIT_GOOD;
    const char *text = json_string_value(json_object_get(answer->value, "text"));
    (void)fprintf(stderr, "cencctl: %s\n", text != NULL ? text : "the server refuses");
    return manage_code_of(answer->status);
}

/* The path with what is asked of it; to be freed. */
static char *with_query(const struct request *request, const char *path, unsigned long limit,
                        const char *after)
{
    char *whole = NULL;
    bool is_page = request->command->sort == COMMAND_LIST && limit > 0;
    const char *mark = strchr(path, '?') != NULL ? "&" : "?";
    char page[64] = "";

    if (is_page)
        (void)snprintf(page, sizeof(page), "limit=%lu%s%s", limit, after != NULL ? "&after=" : "",
                       after != NULL ? after : "");
    if (asprintf(&whole, "%s%s%s%s%s", path, request->query != NULL || is_page ? mark : "",
                 request->query != NULL ? request->query : "",
                 request->query != NULL && is_page ? "&" : "", page) < 0)
        return NULL;
    return whole;
}

/* ---- lists ---- */

struct listing {
    const struct request *request;
    struct table table;
    unsigned long left; /* entries that may still be printed */
    bool any;
};

/* Lists that are never long have no pages. */
static bool has_pages(const struct command *command)
{
    for (const struct option_spec *option = command->options; option->name != NULL; option++)
        if (option->sort == OPTION_LIMIT)
            return true;
    return false;
}

static bool passes(const struct request *request, const json_t *item)
{
    for (const struct given *filter = request->filters; filter->option != NULL; filter++) {
        const char *text = json_string_value(json_object_get(item, filter->option->field));
        if (text == NULL || strcmp(text, filter->value) != 0)
            return false;
    }
    return true;
}

static void print_json(struct listing *listing, const json_t *items)
{
    size_t i;
    const json_t *item;

    json_array_foreach((json_t *)items, i, item)
    {
        (void)fputs(listing->any ? ",\n" : "[\n", stdout);
        (void)json_dumpf(item, stdout, JSON_COMPACT);
        listing->any = true;
    }
}

static int print_page(struct listing *listing, const json_t *page)
{
    size_t i;
    json_t *item;
    json_t *items = json_array();

    if (items == NULL)
        return EXIT_UNREAD;
    json_array_foreach((json_t *)page, i, item)
    {
        if (listing->left > 0 && passes(listing->request, item)) {
            (void)json_array_append(items, item);
            listing->left--;
        }
    }
    if (listing->request->json)
        print_json(listing, items);
    else
        table_rows(&listing->table, items);
    json_decref(items);
    return EXIT_GOOD;
}

/* after: where the page begins; becomes that of the next one, "" at the end. */
static int list_page(struct listing *listing, const char *path, char after[static 32])
{
    const struct request *request = listing->request;
    struct client_answer answer = {0};
    bool filtered = request->filters[0].option != NULL;
    unsigned long size = !filtered && listing->left < PAGE ? listing->left : PAGE;
    char *whole = with_query(request, path, has_pages(request->command) ? size : 0,
                             after[0] != '\0' ? after : NULL);
    int code = whole != NULL ? call(request, whole, &answer) : EXIT_UNREAD;

    free(whole);
    if (code == EXIT_GOOD)
        code = print_page(listing, json_object_get(answer.value, "items"));
    const char *next = json_string_value(json_object_get(answer.value, "next"));
    (void)snprintf(after, 32, "%s", next != NULL ? next : "");
    json_decref(answer.value);
    return code;
}

static int list(const struct request *request, const char *path)
{
    struct listing listing = {
        .request = request,
        .table = {.out = stdout, .columns = request->command->columns, .room = table_room()},
        .left = request->limit > 0 ? request->limit : ULONG_MAX};
    char after[32] = "";
    int code;

    do {
        code = list_page(&listing, path, after);
    } while (code == EXIT_GOOD && after[0] != '\0' && listing.left > 0);
    if (code == EXIT_GOOD && request->json)
        (void)fputs(listing.any ? "\n]\n" : "[]\n", stdout);
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
        table_one(stdout, answer->value);
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
    const char *token = json_string_value(json_object_get(answer.value, "token"));
    if (code == EXIT_GOOD && token != NULL && !request->json)
        (void)printf("token: %s\n", token);
    if (code == EXIT_GOOD)
        print_one(request, &answer);
    json_decref(answer.value);
    return code;
}

/* ---- devices in other scopes ---- */

static int asked(const struct request *request, const char *before, const char *serial,
                 struct client_answer *answer)
{
    char *path = NULL;
    char *escaped = request_escape(serial);
    int result = -ENOMEM;

    *answer = (struct client_answer){0};
    if (escaped != NULL && asprintf(&path, "%s%s", before, escaped) >= 0)
        result = client_call(&request->server, "GET", path, NULL, NULL, answer);
    free(escaped);
    free(path);
    return result;
}

/* Keeps the scope of the only device with this serial; leaves it alone if there is none. */
static int only_scope(struct request *request, const json_t *items, char scope[static SCOPE_SIZE])
{
    size_t i;
    const json_t *item;

    json_array_foreach((json_t *)items, i, item)
    {
        const char *serial = json_string_value(json_object_get(item, "serial"));
        const char *name = json_string_value(json_object_get(item, "scope"));
        if (serial == NULL || name == NULL || strcmp(serial, request->operands[0]) != 0)
            continue;
        if (request->scope != NULL)
            return usage_error("several scopes have it, name one by --scope: ", serial);
        (void)snprintf(scope, SCOPE_SIZE, "%s", name);
        request->scope = scope;
    }
    return EXIT_GOOD;
}

/* Where --scope isn't given. If this fails, what follows fails, too, and says why. */
static int find_scope(struct request *request, char scope[static SCOPE_SIZE])
{
    struct client_answer answer;
    int code = EXIT_GOOD;
    const char *serial = request->operands[0];

    if (request->scope != NULL || strstr(request->command->path, "{scope}") == NULL)
        return EXIT_GOOD;
    int result = asked(request, "devices/" DEFAULT_SCOPE "/", serial, &answer);
    json_decref(answer.value);
    if (result != 0 || answer.status != 404)
        return EXIT_GOOD;
    if (asked(request, "devices?limit=1000&serial=", serial, &answer) == 0)
        code = only_scope(request, json_object_get(answer.value, "items"), scope);
    json_decref(answer.value);
    return code;
}

/* ---- all of it ---- */

static int run_once(const struct request *request, const char *path)
{
    if (request->watch_s > 0 && isatty(STDOUT_FILENO))
        (void)fputs(CLEAR, stdout);
    int code = request->command->sort == COMMAND_LIST ? list(request, path) : one(request, path);
    if (fflush(stdout) == 0)
        return code;
    (void)fprintf(stderr, "cencctl: the output takes no more: %s\n", strerrordesc_np(errno));
    return EXIT_UNREAD;
}

static int manage_one(struct request *request)
{
    char scope[SCOPE_SIZE];
    int code = find_scope(request, scope);

    if (code != EXIT_GOOD)
        return code;
    char *path = request_path(request);
    code = path != NULL ? run_once(request, path) : EXIT_UNREAD;

    while (code == EXIT_GOOD && request->watch_s > 0) {
        (void)sleep((unsigned)request->watch_s);
        code = run_once(request, path);
    }
    free(path);
    return code;
}

int manage_command(struct request *request)
{
    const char *scope = request->scope;
    int code = manage_one(request);

    for (int i = 0; i < request->more_count; i++) {
        request->operands[0] = request->more[i];
        request->scope = scope;
        int other = manage_one(request);
        if (other > code)
            code = other;
    }
    return code;
}
