#include "agents/cencctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define ANSWER_MAX (16u << 20) /* a page of a thousand devices is well below one MiB */
#define PATIENCE_S 60L
#define TRANSFER_S 900L
#define ETAG       "ETag:"
#define SCHEME     "https://"

_Static_assert(CLIENT_REASON_SIZE >= CURL_ERROR_SIZE, "what curl says fits");

struct exchange {
    CURL *curl;
    struct curl_slist *headers;
    char *url;
    char *body;
    char *text; /* what came */
    size_t size;
    FILE *upload;   /* NULL: none, as of the following */
    FILE *download; /* takes the answer, unless it is an error */
    struct client_answer *answer;
};

/* Fewer bytes than came end the transfer. */
static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    struct exchange *exchange = context;
    long status = 0;

    (void)curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    if (exchange->download != NULL && status == 200) {
        size_t taken = fwrite(data, 1, size, exchange->download);
        if (taken < size)
            exchange->answer->download_error = errno;
        return taken;
    }
    if (exchange->size + size > ANSWER_MAX)
        return 0;
    char *larger = realloc(exchange->text, exchange->size + size + 1);
    if (larger == NULL)
        return 0;
    memcpy(larger + exchange->size, data, size);
    exchange->text = larger;
    exchange->size += size;
    return one * size;
}

static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    struct client_answer *answer = ((struct exchange *)context)->answer;
    size_t begin = strlen(ETAG);
    size_t end = size;

    if (size <= begin || strncasecmp(data, ETAG, begin) != 0)
        return one * size;
    while (begin < end && data[begin] == ' ')
        begin++;
    while (end > begin && (data[end - 1] == '\r' || data[end - 1] == '\n' || data[end - 1] == ' '))
        end--;
    if (end - begin < sizeof(answer->etag)) {
        memcpy(answer->etag, data + begin, end - begin);
        answer->etag[end - begin] = '\0';
    }
    return one * size;
}

static bool add_header(struct exchange *exchange, const char *text)
{
    struct curl_slist *longer = curl_slist_append(exchange->headers, text);

    if (longer != NULL)
        exchange->headers = longer;
    return longer != NULL;
}

static bool set_headers(struct exchange *exchange, const char *if_match)
{
    char line[128];

    if (!add_header(exchange, "Expect:") || !add_header(exchange, "Content-Type: application/json"))
        return false;
    if (if_match == NULL)
        return true;
    (void)snprintf(line, sizeof(line), "If-Match: %s", if_match);
    return add_header(exchange, line);
}

/* How the server is reached, and known to be the right one. */
static bool set_server(CURL *curl, const struct client_server *server)
{
    if (server->url == NULL)
        return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, server->socket_path) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK;
    if (server->ca_file != NULL &&
        (curl_easy_setopt(curl, CURLOPT_CAINFO, server->ca_file) != CURLE_OK ||
         curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) != CURLE_OK))
        return false;
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, server->token) == CURLE_OK;
}

static bool set_up(struct exchange *exchange, const struct client_server *server,
                   const char *method)
{
    CURL *curl = exchange->curl;

    return set_server(curl, server) &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->answer->reason) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_URL, exchange->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") ==
               CURLE_OK && /* nor that of the environment */
           curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT, PATIENCE_S) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers) == CURLE_OK &&
           (exchange->body == NULL ||
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->body) == CURLE_OK) &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange) == CURLE_OK;
}

static bool set_up_transfer(struct exchange *exchange)
{
    CURL *curl = exchange->curl;

    if (curl_easy_setopt(curl, CURLOPT_TIMEOUT, TRANSFER_S) != CURLE_OK)
        return false;
    if (exchange->upload == NULL)
        return true;
    if (fseeko(exchange->upload, 0, SEEK_END) != 0)
        return false;
    off_t size = ftello(exchange->upload);
    return size >= 0 && fseeko(exchange->upload, 0, SEEK_SET) == 0 &&
           curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_READDATA, exchange->upload) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size) == CURLE_OK;
}

static int error_of(CURL *curl, CURLcode code)
{
    long number = 0;

    switch (code) {
    case CURLE_COULDNT_CONNECT:
        (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
        return number > 0 ? -(int)number : -EPROTO;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EPROTO;
    }
}

static int perform(struct exchange *exchange)
{
    long status = 0;
    CURLcode code = curl_easy_perform(exchange->curl);

    if (code != CURLE_OK)
        return error_of(exchange->curl, code);
    (void)curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    exchange->answer->status = (unsigned)status;
    if (exchange->size == 0)
        return 0;
    exchange->answer->value = json_loadb(exchange->text, exchange->size, 0, NULL);
    return exchange->answer->value != NULL ? 0 : -EPROTO;
}

/* A password may be in it. */
static void wipe(char *text, size_t size)
{
    if (text != NULL)
        explicit_bzero(text, size);
    free(text);
}

static int call(struct exchange *exchange, const struct client_server *server, const char *method,
                const char *path, const char *if_match)
{
    int result = -ENOMEM;

    *exchange->answer = (struct client_answer){0};
    if (server->url == NULL &&
        strlen(server->socket_path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return -ENAMETOOLONG;
    exchange->curl = curl_easy_init();
    if (asprintf(&exchange->url, "%s/v1/%s", server->url != NULL ? server->url : "http://cencd",
                 path) < 0)
        exchange->url = NULL;
    bool transfer = exchange->upload != NULL || exchange->download != NULL;
    if (exchange->curl != NULL && exchange->url != NULL && set_headers(exchange, if_match) &&
        set_up(exchange, server, method) && (!transfer || set_up_transfer(exchange)))
        result = perform(exchange);
    curl_easy_cleanup(exchange->curl);
    curl_slist_free_all(exchange->headers);
    wipe(exchange->text, exchange->size);
    free(exchange->url);
    return result;
}

bool client_url_is_good(const char *url)
{
    const char *host = url + strlen(SCHEME);

    return strncmp(url, SCHEME, strlen(SCHEME)) == 0 && host[0] != '\0' &&
           strpbrk(host, "/?#@ ") == NULL;
}

int client_call(const struct client_server *server, const char *method, const char *path,
                const json_t *body, const char *if_match, struct client_answer *answer)
{
    struct exchange exchange = {.answer = answer};

    if (body != NULL) {
        exchange.body = json_dumps(body, JSON_COMPACT);
        if (exchange.body == NULL)
            return -ENOMEM;
    }
    int result = call(&exchange, server, method, path, if_match);
    wipe(exchange.body, exchange.body != NULL ? strlen(exchange.body) : 0);
    return result;
}

int client_transfer(const struct client_server *server, const char *method, const char *path,
                    FILE *upload, FILE *download, struct client_answer *answer)
{
    struct exchange exchange = {.answer = answer, .upload = upload, .download = download};

    return call(&exchange, server, method, path, NULL);
}
