#include "agents/cencctl/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/manage.h"

#define PASSWORD_CHARACTERS 20u /* of 64: 120 bits */

/* ---- escaping ---- */

static void escape(const char *text, FILE *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            (void)fputc(*text, out);
        else
            (void)fprintf(out, "%%%02X", (unsigned char)*text);
    }
}

char *request_path(const struct request *request)
{
    char *path = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&path, &size);

    if (out == NULL)
        return NULL;
    for (const char *at = request->command->path; *at != '\0'; at++) {
        if (strncmp(at, "{scope}", 7) == 0) {
            escape(request->scope, out);
            at += 6;
        } else if (*at == '{') {
            escape(request->operands[at[1] - '0'], out);
            at += 2;
        } else {
            (void)fputc(*at, out);
        }
    }
    return fclose(out) == 0 ? path : NULL;
}

static void add_query(struct request *request, const char *field, const char *value)
{
    char *query = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&query, &size);

    if (out == NULL)
        return;
    if (request->query != NULL)
        (void)fprintf(out, "%s&", request->query);
    (void)fprintf(out, "%s=", field);
    escape(value, out);
    (void)fclose(out);
    free(request->query);
    request->query = query;
}

/* ---- values ---- */

static void set(struct request *request, const char *field, json_t *value)
{
    (void)json_object_set_new(request->body, field, value);
}

static int set_text(struct request *request, const char *field, const char *value)
{
    json_t *text = json_string(value);

    if (text == NULL)
        return usage_error("this is no UTF-8: ", value);
    set(request, field, text);
    return EXIT_GOOD;
}

static int set_number(struct request *request, const char *field, const char *value)
{
    char *end = NULL;

    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0)
        return usage_error("no number: ", value);
    set(request, field, json_integer(number));
    return EXIT_GOOD;
}

static int append(struct request *request, const char *field, json_t *value, const char *text)
{
    json_t *list = json_object_get(request->body, field);

    if (value == NULL)
        return usage_error("this is no UTF-8: ", text);
    if (list == NULL) {
        list = json_array();
        set(request, field, list);
    }
    (void)json_array_append_new(list, value);
    return EXIT_GOOD;
}

/* Names have no slash. */
static int append_group(struct request *request, const char *field, const char *value)
{
    const char *slash = strchr(value, '/');

    if (slash == NULL)
        return usage_error("a group is written PROJECT/GROUP, not ", value);
    return append(
        request, field,
        json_pack("{s:s%, s:s}", "project", value, (size_t)(slash - value), "name", slash + 1),
        value);
}

static int read_password(struct request *request, const char *field, const char *path)
{
    char line[PASSWORD_MAX + 2];
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    int code = EXIT_UNREAD;

    if (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        code = set_text(request, field, line);
        request->has_password = true;
    } else {
        (void)fprintf(stderr, "cencctl: no password can be read from %s\n", path);
    }
    explicit_bzero(line, sizeof(line));
    if (file != NULL && file != stdin)
        (void)fclose(file);
    return code;
}

static int make_password(struct request *request)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    unsigned char bytes[PASSWORD_CHARACTERS];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return EXIT_UNREAD;
    for (size_t i = 0; i < sizeof(bytes); i++)
        request->new_password[i] = letters[bytes[i] % 64];
    return set_text(request, "password", request->new_password);
}

/* ---- options ---- */

static int take_option(struct request *request, const struct option_spec *option, const char *value)
{
    switch (option->sort) {
    case OPTION_QUERY:
        if (strcmp(option->field, "limit") == 0)
            request->limit = strtoul(value, NULL, 10);
        else
            add_query(request, option->field, value);
        return EXIT_GOOD;
    case OPTION_QUERY_TRUE:
    case OPTION_QUERY_FALSE:
        add_query(request, option->field, option->sort == OPTION_QUERY_TRUE ? "true" : "false");
        return EXIT_GOOD;
    case OPTION_TEXT:
        return set_text(request, option->field, value);
    case OPTION_NUMBER:
        return set_number(request, option->field, value);
    case OPTION_TRUE:
    case OPTION_FALSE:
        set(request, option->field, json_boolean(option->sort == OPTION_TRUE));
        return EXIT_GOOD;
    case OPTION_NULL:
        set(request, option->field, json_null());
        return EXIT_GOOD;
    case OPTION_EMPTY:
        set(request, option->field, json_array());
        return EXIT_GOOD;
    case OPTION_LIST:
        return append(request, option->field, json_string(value), value);
    case OPTION_GROUPS:
        return append_group(request, option->field, value);
    case OPTION_PASSWORD:
        return read_password(request, option->field, value);
    case OPTION_SCOPE:
        request->scope = value;
        return EXIT_GOOD;
    case OPTION_IF_MATCH:
        request->if_match = value;
        return EXIT_GOOD;
    }
    return EXIT_USAGE;
}

/* Options that all commands have. True if it is one. */
static bool take_common(struct request *request, int argc, char **argv, int *at)
{
    if (strcmp(argv[*at], "--json") == 0) {
        request->json = true;
    } else if (strcmp(argv[*at], "--watch") == 0 && request->command->sort != COMMAND_SEND) {
        request->watch = true;
    } else if (strcmp(argv[*at], "--socket") == 0 && *at + 1 < argc) {
        request->socket_path = argv[++*at];
    } else {
        return false;
    }
    return true;
}

static int take_word(struct request *request, int argc, char **argv, int *at)
{
    const char *word = argv[*at];

    if (strncmp(word, "--", 2) != 0) {
        if (request->operand_count == OPERANDS_MAX)
            return usage_error("one word too many: ", word);
        request->operands[request->operand_count++] = word;
        return EXIT_GOOD;
    }
    if (take_common(request, argc, argv, at))
        return EXIT_GOOD;
    for (const struct option_spec *option = request->command->options; option->name != NULL;
         option++) {
        if (strcmp(option->name, word + 2) != 0)
            continue;
        if (option->value == NULL)
            return take_option(request, option, NULL);
        if (*at + 1 == argc)
            return usage_error("a value is missing after ", word);
        return take_option(request, option, argv[++*at]);
    }
    return usage_error("no such option: ", word);
}

/* ---- all of it ---- */

static int operands_wanted(const char *operands)
{
    int count = operands[0] != '\0';

    for (; *operands != '\0'; operands++)
        count += *operands == ' ';
    return count;
}

static int fill_body(struct request *request)
{
    const struct command *command = request->command;
    int code = EXIT_GOOD;

    for (int i = 0; command->fields != NULL && command->fields[i] != NULL && code == EXIT_GOOD; i++)
        if (command->fields[i][0] != '\0')
            code = set_text(request, command->fields[i], request->operands[i]);
    if (command->constant != NULL)
        set(request, command->constant + (command->constant[0] == '!'),
            json_boolean(command->constant[0] != '!'));
    if (code == EXIT_GOOD && command->new_password && !request->has_password)
        code = make_password(request);
    return code;
}

int request_read(const struct command *command, int argc, char **argv, struct request *request)
{
    const char *socket_path = getenv("CENCCTL_SOCKET"); // NOLINT(concurrency-mt-unsafe): one thread
    int code = EXIT_GOOD;

    *request = (struct request){.command = command, .scope = "default"};
    request->socket_path = socket_path != NULL ? socket_path : DEFAULT_SOCKET;
    request->body = json_object();
    for (int at = 0; at < argc && code == EXIT_GOOD; at++)
        code = take_word(request, argc, argv, &at);
    if (code != EXIT_GOOD)
        return code;
    if (request->operand_count < operands_wanted(command->operands))
        return usage_error("missing: ", command->operands);
    if (request->operand_count > operands_wanted(command->operands))
        return usage_error("one word too many: ", request->operands[request->operand_count - 1]);
    return fill_body(request);
}

void request_free(struct request *request)
{
    free(request->query);
    json_decref(request->body);
    explicit_bzero(request->new_password, sizeof(request->new_password));
}
