/* What a consumer group of Redis does, for bench/northbound to compare with.
 *
 *   redis_drain fill PORT ENTRIES BYTES    adds so many entries to the stream "events", makes the
 *                                          group "group"
 *   redis_drain drain PORT ENTRIES COUNT   takes them all, COUNT with each XREADGROUP, acknowledges
 *                                          each by XACK; says a line of JSON
 *
 * XACK of a batch and XREADGROUP of the next one travel together. */
#include <hiredis/hiredis.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define PIPELINE  512u
#define COUNT_MAX 10000u
#define BYTES_MAX 65536u

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "redis_drain: %s\n", what);
    exit(1);
}

static double now_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double own_cpu_us(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static redisReply *reply_of(redisContext *redis)
{
    void *reply = NULL;

    if (redisGetReply(redis, &reply) != REDIS_OK)
        die(redis->errstr);
    if (((redisReply *)reply)->type == REDIS_REPLY_ERROR)
        die(((redisReply *)reply)->str);
    return reply;
}

static void forget_reply(redisContext *redis)
{
    freeReplyObject(reply_of(redis));
}

/* ---- fill ---- */

static void fill(redisContext *redis, unsigned entries, unsigned bytes)
{
    static char payload[BYTES_MAX];

    memset(payload, 'x', bytes);
    for (unsigned done = 0; done < entries;) {
        unsigned batch = entries - done < PIPELINE ? entries - done : PIPELINE;
        for (unsigned i = 0; i < batch; i++)
            if (redisAppendCommand(redis, "XADD events * event %b", payload, (size_t)bytes) != 0)
                die("not enough memory");
        for (unsigned i = 0; i < batch; i++)
            forget_reply(redis);
        done += batch;
    }
    freeReplyObject(redisCommand(redis, "XGROUP CREATE events group 0"));
}

/* ---- drain ---- */

static void ask(redisContext *redis, unsigned count)
{
    if (redisAppendCommand(redis, "XREADGROUP GROUP group one COUNT %u STREAMS events >", count) !=
        0)
        die("not enough memory");
}

/* The entries of a reply to XREADGROUP: [[stream, [[id, fields], ...]]]. NULL: there are none. */
static redisReply *entries_of(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return NULL;
    return reply->element[0]->element[1];
}

static void acknowledge(redisContext *redis, const redisReply *entries)
{
    static const char *words[COUNT_MAX + 3] = {"XACK", "events", "group"};
    static size_t sizes[COUNT_MAX + 3] = {4, 6, 5};

    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *id = entries->element[i]->element[0];
        words[i + 3] = id->str;
        sizes[i + 3] = id->len;
    }
    if (redisAppendCommandArgv(redis, (int)entries->elements + 3, words, sizes) != 0)
        die("not enough memory");
}

static int drain(redisContext *redis, unsigned wanted, unsigned count)
{
    uint64_t taken = 0;
    double began = now_s();

    ask(redis, count);
    while (taken < wanted) {
        redisReply *reply = reply_of(redis);
        const redisReply *entries = entries_of(reply);
        if (entries == NULL)
            die("there were fewer entries");
        taken += entries->elements;
        acknowledge(redis, entries);
        if (taken < wanted)
            ask(redis, count);
        freeReplyObject(reply);
        forget_reply(redis); /* of XACK; the batch comes behind it */
    }
    (void)printf("{\"events\": %llu, \"seconds\": %.6f, \"cpu_us\": %.0f}\n",
                 (unsigned long long)taken, now_s() - began, own_cpu_us());
    return 0;
}

/* ---- main ---- */

static unsigned number(const char *text, unsigned most)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || value == 0 || value > most)
        die("a number is no number, or out of range");
    return (unsigned)value;
}

int main(int argc, char **argv)
{
    int status = 0;

    if (argc != 5 || (strcmp(argv[1], "fill") != 0 && strcmp(argv[1], "drain") != 0))
        die("usage: redis_drain fill PORT ENTRIES BYTES | redis_drain drain PORT ENTRIES COUNT");
    redisContext *redis = redisConnect("127.0.0.1", (int)number(argv[2], 65535));
    if (redis == NULL || redis->err != 0)
        die("Redis doesn't answer");
    if (strcmp(argv[1], "fill") == 0)
        fill(redis, number(argv[3], 100000000), number(argv[4], BYTES_MAX));
    else
        status = drain(redis, number(argv[3], 100000000), number(argv[4], COUNT_MAX));
    redisFree(redis);
    return status;
}
