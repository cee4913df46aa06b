#include "agents/cencctl/request.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/manage.h"
#include "agents/cencctl/secret.h"
#include "server/base/check.h"

#define PASSWORD_CHARACTERS 20u /* of 64: 120 bits */
#define PAUSE_S             2u
#define LONGEST_PAUSE_S     86400u

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

char *request_escape(const char *text)
{
    char *escaped = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&escaped, &size);

    if (out == NULL)
        return NULL;
    escape(text, out);
    return fclose(out) == 0 ? escaped : NULL;
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
            escape(request->scope != NULL ? request->scope : DEFAULT_SCOPE, out);
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

    if (text == NULL) /* not told: it may be a password */
        return usage_error("this is no UTF-8: ", field);
    set(request, field, text);
    return EXIT_GOOD;
}

static int read_number(const char *text, unsigned long least, unsigned long most,
                       unsigned long *number)
{
    char *end = NULL;

    CHECK(text != NULL);
    errno = 0;
    *number = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number >= least &&
        *number <= most)
        return EXIT_GOOD;
    return usage_error("no such number is possible: ", text);
}

static int set_number(struct request *request, const char *field, const char *value)
{
    unsigned long number = 0;
    int code = read_number(value, 0, UINT32_MAX, &number);

    if (code == EXIT_GOOD)
        set(request, field, json_integer((json_int_t)number));
    return code;
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
    char secret[SECRET_SIZE] = "";
    int code = secret_read("password", path, secret);

    if (code == EXIT_GOOD)
        code = set_text(request, field, secret);
    request->has_password = true;
    explicit_bzero(secret, sizeof(secret));
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

static int keep(struct given *kept, const struct option_spec *option, const char *value)
{
    size_t count = 0;

    while (kept[count].option != NULL)
        count++;
    if (count + 1 == GIVEN_MAX)
        return usage_error("too often: --", option->name);
    kept[count] = (struct given){option, value};
    return EXIT_GOOD;
}

/* Options that set a field of the body. */
static int take_field(struct request *request, const struct option_spec *option, const char *value)
{
    const char *field = option->field;

    switch (option->sort) {
    case OPTION_TEXT:
        return set_text(request, field, value);
    case OPTION_NUMBER:
        return set_number(request, field, value);
    case OPTION_LIST:
        return append(request, field, json_string(value), value);
    case OPTION_GROUPS:
        return append_group(request, field, value);
    case OPTION_PASSWORD:
        return read_password(request, field, value);
    case OPTION_NULL:
        set(request, field, json_null());
        return EXIT_GOOD;
    case OPTION_EMPTY:
        set(request, field, json_array());
        return EXIT_GOOD;
    default:
        set(request, field, json_boolean(option->sort == OPTION_TRUE));
        return EXIT_GOOD;
    }
}

static int take_option(struct request *request, const struct option_spec *option, const char *value)
{
    switch (option->sort) {
    case OPTION_QUERY:
        add_query(request, option->field, value);
        return EXIT_GOOD;
    case OPTION_QUERY_TRUE:
    case OPTION_QUERY_FALSE:
        add_query(request, option->field, option->sort == OPTION_QUERY_TRUE ? "true" : "false");
        return EXIT_GOOD;
    case OPTION_LIMIT:
        return read_number(value, 1, UINT32_MAX, &request->limit);
    case OPTION_FILTER:
        return keep(request->filters, option, value);
    case OPTION_OWN:
        return keep(request->own, option, value);
    case OPTION_NO_PASSWORD:
        request->has_password = true;
        return EXIT_GOOD;
    case OPTION_SCOPE:
        request->scope = value;
        return EXIT_GOOD;
    case OPTION_IF_MATCH:
        request->if_match = value;
        return EXIT_GOOD;
    case OPTION_SOCKET:
        request->server.socket_path = value;
        request->server.url = NULL;
        return EXIT_GOOD;
    case OPTION_SERVER:
        request->server.url = value;
        return EXIT_GOOD;
    case OPTION_TOKEN_FILE:
        request->token_file = value;
        return EXIT_GOOD;
    case OPTION_CA:
        request->server.ca_file = value;
        return EXIT_GOOD;
    case OPTION_JSON:
        request->json = true;
        return EXIT_GOOD;
    case OPTION_WATCH:
        request->watch_s = PAUSE_S;
        return value == NULL ? EXIT_GOOD
                             : read_number(value, 1, LONGEST_PAUSE_S, &request->watch_s);
    default:
        return take_field(request, option, value);
    }
}

/* "--name" or "--name=value". */
static const struct option_spec *find_option(const struct command *command, const char *word)
{
    size_t size = strcspn(word, "=");
    const struct option_spec *option = NULL;

    for (size_t i = 0; (option = command_option(command, i)) != NULL; i++)
        if (strncmp(option->name, word, size) == 0 && option->name[size] == '\0')
            return option;
    return NULL;
}

static bool takes_many(const struct command *command)
{
    return strcmp(command->operands, "SERIAL...") == 0;
}

static int take_one_more(struct request *request, const char *word)
{
    const char **more = reallocarray(request->more, (size_t)request->more_count + 1, sizeof(*more));

    if (more == NULL)
        return EXIT_UNREAD;
    request->more = more;
    more[request->more_count++] = word;
    return word[0] != '\0' ? EXIT_GOOD : usage_error("a word is empty; wanted: ", "SERIAL...");
}

static int take_operand(struct request *request, const char *word)
{
    if (request->operand_count == 1 && takes_many(request->command))
        return take_one_more(request, word);
    if (request->operand_count == OPERANDS_MAX)
        return usage_error("one word too many: ", word);
    request->operands[request->operand_count++] = word;
    return EXIT_GOOD;
}

static bool is_number(const char *word)
{
    return word != NULL && word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';
}

static int take_word(struct request *request, char **argv, int *at)
{
    const char *word = argv[*at];
    const char *next = argv[*at + 1]; /* NULL at the end */
    const char *value = strchr(word, '=');

    const struct option_spec *option = find_option(request->command, word + 2);
    if (option == NULL)
        return usage_error("no such option: ", word);
    if (value != NULL)
        return option->value != NULL ? take_option(request, option, value + 1)
                                     : usage_error("it takes no value: --", option->name);
    if (option->value == NULL || (option->value[0] == '[' && !is_number(next)))
        return take_option(request, option, NULL);
    if (next == NULL)
        return usage_error("a value is missing after ", word);
    (*at)++;
    return take_option(request, option, next);
}

/* ---- all of it ---- */

/* How many words; those in brackets may be missing. */
static int check_operands(const struct request *request)
{
    const char *operands = request->command->operands;
    int most = operands[0] != '\0';
    int least = most;

    for (const char *at = operands; *at != '\0'; at++) {
        most += *at == ' ';
        least += *at == ' ';
        least -= *at == '[';
    }
    if (request->operand_count > most)
        return usage_error("one word too many: ", request->operands[most]);
    if (request->operand_count < least)
        return usage_error("missing: ", operands);
    for (int i = 0; i < request->operand_count; i++)
        if (request->operands[i][0] == '\0')
            return usage_error("a word is empty; wanted: ", operands);
    return EXIT_GOOD;
}

static bool needs_password(const struct command *command)
{
    for (const struct option_spec *option = command->options; option->name != NULL; option++)
        if (option->sort == OPTION_NO_PASSWORD)
            return true;
    return false;
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
    if (code == EXIT_GOOD && needs_password(command) && !request->has_password)
        code = make_password(request);
    return code;
}

static int read_words(struct request *request, int argc, char **argv)
{
    bool options_end = false;
    int code = EXIT_GOOD;

    for (int at = 0; at < argc && code == EXIT_GOOD; at++) {
        if (options_end || strncmp(argv[at], "--", 2) != 0)
            code = take_operand(request, argv[at]);
        else if (argv[at][2] == '\0')
            options_end = true;
        else
            code = take_word(request, argv, &at);
    }
    return code;
}

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name); // NOLINT(concurrency-mt-unsafe): one thread

    return value != NULL && value[0] != '\0' ? value : otherwise;
}

/* A token isn't taken from the command line, nor sent in clear text. */
static int read_token(struct request *request)
{
    if (request->server.url == NULL || request->command->sort >= COMMAND_AUDIT)
        return EXIT_GOOD;
    if (!client_url_is_good(request->server.url))
        return usage_error("a server is written https://HOST:PORT, not ", request->server.url);
    if (request->token_file == NULL)
        return usage_error("missing, for --server: ", "--token-file");
    return secret_read("token", request->token_file, request->server.token);
}

int request_read(const struct command *command, int argc, char **argv, struct request *request)
{
    *request = (struct request){.command = command};
    request->server.socket_path = environment("CENCD_SOCKET", DEFAULT_SOCKET);
    request->server.url = environment("CENCD_SERVER", NULL);
    request->server.ca_file = environment("CENCD_CA", NULL);
    request->token_file = environment("CENCD_TOKEN_FILE", NULL);
    request->body = json_object();
    if (request->body == NULL)
        return EXIT_UNREAD;
    int code = read_words(request, argc, argv);
    if (code == EXIT_GOOD)
        code = check_operands(request);
    if (code == EXIT_GOOD)
        code = read_token(request);
    return code == EXIT_GOOD ? fill_body(request) : code;
}

const char *request_given(const struct request *request, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; request->own[i].option != NULL; i++)
        if (strcmp(request->own[i].option->name, name) == 0)
            value = request->own[i].value; /* the last one counts */
    return value;
}

void request_free(struct request *request)
{
    free(request->more);
    free(request->query);
    json_decref(request->body);
    explicit_bzero(request->new_password, sizeof(request->new_password));
    explicit_bzero(request->server.token, sizeof(request->server.token));
}
