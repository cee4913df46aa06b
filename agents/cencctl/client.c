#include "agents/cencctl/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20)
#define PATIENCE_S 60

static int dial(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connection < 0)
        return -errno;
    if (strlen(path) >= sizeof(name.sun_path)) {
        (void)close(connection);
        return -ENAMETOOLONG;
    }
    memcpy(name.sun_path, path, strlen(path) + 1);
    (void)setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(connection, (const struct sockaddr *)&name, sizeof(name)) != 0) {
        int number = errno;
        (void)close(connection);
        return -number;
    }
    return connection;
}

static int send_all(int connection, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(connection, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return -errno;
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        }
    }
    return 0;
}

/* Up to the end: the server closes after an answer to HTTP/1.0. */
static int receive_all(int connection, char **text, size_t *size)
{
    size_t capacity = 65536;
    ssize_t got = 1;

    *size = 0;
    *text = malloc(capacity);
    while (*text != NULL && got > 0) {
        if (*size + 1 == capacity) {
            capacity *= 2;
            char *larger = capacity <= ANSWER_MAX ? realloc(*text, capacity) : NULL;
            if (larger == NULL)
                return -ENOMEM;
            *text = larger;
        }
        got = recv(connection, *text + *size, capacity - *size - 1, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0)
            *size += (size_t)got;
    }
    if (*text == NULL)
        return -ENOMEM;
    (*text)[*size] = '\0';
    return 0;
}

static int read_answer(char *text, size_t size, struct client_answer *answer)
{
    char *end = strstr(text, "\r\n\r\n");

    if (end == NULL || sscanf(text, "HTTP/1.%*c %u", &answer->status) != 1)
        return -EPROTO;
    *end = '\0';
    const char *etag = strcasestr(text, "\r\nETag:");
    if (etag != NULL)
        (void)sscanf(etag + 7, " %63[^\r]", answer->etag);
    end += 4;
    size -= (size_t)(end - text);
    if (size == 0)
        return 0;
    answer->value = json_loadb(end, size, 0, NULL);
    return answer->value != NULL ? 0 : -EPROTO;
}

static int exchange(int connection, const char *head, const char *body,
                    struct client_answer *answer)
{
    char *text = NULL;
    size_t size = 0;
    int result = send_all(connection, head, strlen(head));

    if (result == 0 && body != NULL)
        result = send_all(connection, body, strlen(body));
    if (result == 0)
        result = receive_all(connection, &text, &size);
    if (result == 0)
        result = read_answer(text, size, answer);
    free(text);
    return result;
}

int client_call(const char *socket_path, const char *method, const char *path, const json_t *body,
                const char *if_match, struct client_answer *answer)
{
    char *head = NULL;
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    int result;

    *answer = (struct client_answer){0};
    if (asprintf(&head, "%s /v1/%s HTTP/1.0\r\nHost: cencd\r\nContent-Length: %zu\r\n%s%s%s\r\n",
                 method, path, text != NULL ? strlen(text) : 0,
                 if_match != NULL ? "If-Match: " : "", if_match != NULL ? if_match : "",
                 if_match != NULL ? "\r\n" : "") < 0)
        return -ENOMEM;
    int connection = dial(socket_path);
    result = connection < 0 ? connection : exchange(connection, head, text, answer);
    if (connection >= 0)
        (void)close(connection);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    free(head);
    return result;
}
