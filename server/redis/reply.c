#include "server/redis/reply.h"

#include <hiredis/read.h>
#include <stdlib.h>
#include <string.h>

struct reply_reader {
    redisReader *codec;
    struct reply reply; /* what the functions below make */
};

/* hiredis keeps the pointer that they return as the reply; it is the reader itself. */

static void *make_text(const redisReadTask *task, char *text, size_t size)
{
    struct reply_reader *reader = task->privdata;
    struct reply *reply = &reader->reply;

    if (size >= sizeof(reply->text))
        size = sizeof(reply->text) - 1;
    memcpy(reply->text, text, size);
    reply->text[size] = '\0';
    if (task->type == REDIS_REPLY_ERROR)
        reply->kind = REPLY_ERROR;
    else
        reply->kind = task->type == REDIS_REPLY_STATUS ? REPLY_STATUS : REPLY_TEXT;
    return reader;
}

/* Nothing that is sent is answered by an array. */
static void *make_array(const redisReadTask *task, int elements)
{
    (void)task;
    (void)elements;
    return NULL;
}

static void *make_number(const redisReadTask *task, long long number)
{
    struct reply_reader *reader = task->privdata;

    reader->reply.kind = REPLY_NUMBER;
    reader->reply.number = number;
    return reader;
}

static void *make_nil(const redisReadTask *task)
{
    struct reply_reader *reader = task->privdata;

    reader->reply.kind = REPLY_NIL;
    return reader;
}

static void free_nothing(void *object)
{
    (void)object;
}

static redisReplyObjectFunctions functions = {
    make_text, make_array, make_number, make_nil, free_nothing,
};

struct reply_reader *reply_reader_create(void)
{
    struct reply_reader *reader = calloc(1, sizeof(*reader));

    if (reader == NULL)
        return NULL;
    reader->codec = redisReaderCreateWithFunctions(&functions);
    if (reader->codec == NULL) {
        free(reader);
        return NULL;
    }
    reader->codec->privdata = reader;
    return reader;
}

void reply_reader_free(struct reply_reader *reader)
{
    if (reader == NULL)
        return;
    redisReaderFree(reader->codec);
    free(reader);
}

enum status reply_feed(struct reply_reader *reader, const uint8_t *data, size_t size)
{
    const redisReader *codec = reader->codec;

    if (codec->len - codec->pos > REPLY_MAX_BYTES)
        return STATUS_INVALID;
    if (redisReaderFeed(reader->codec, (const char *)data, size) != 0)
        return STATUS_INVALID;
    return STATUS_OK;
}

enum status reply_next(struct reply_reader *reader, struct reply *reply)
{
    void *object = NULL;

    reader->reply = (struct reply){.kind = REPLY_NONE};
    if (redisReaderGetReply(reader->codec, &object) != 0)
        return STATUS_INVALID;
    *reply = object == NULL ? (struct reply){.kind = REPLY_NONE} : reader->reply;
    return STATUS_OK;
}

const char *reply_error_code(const struct reply *reply, char code[static 24])
{
    size_t size = strspn(reply->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    bool is_word = size > 0 && size < 24 && (reply->text[size] == ' ' || reply->text[size] == '\0');

    if (!is_word)
        return strcpy(code, "ERROR"); // NOLINT(clang-analyzer-security.insecureAPI.strcpy)
    memcpy(code, reply->text, size);
    code[size] = '\0';
    return code;
}
