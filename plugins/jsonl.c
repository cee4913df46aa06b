/* jsonl: appends a line of JSON for each fact to a file or a named pipe, for a site's own programs.
 *
 * Nothing is done until the whole line is written. Half a line (a full disk) is completed when
 * there is room; where that can't be (an error of the disk, a file that was taken away, a restart),
 * its rest never comes: the next line begins on a line of its own, and says the same whole. So
 * every line is JSON, or is the beginning of one that comes again.
 *
 * A file that was renamed or removed (log rotation) is made anew. A pipe that nobody reads, or that
 * is full, is tried again later; it must be there already. It takes up to PIPE_BUF bytes whole or
 * not at all. What a reader that goes away had not read yet is lost with it, as in every pipe. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/plugin.h"

#define PATH_MAX_BYTES 200
#define LINE_SIZE      8192

struct jsonl {
    char path[PATH_MAX_BYTES + 1];
    int file; /* -1: none */
    char line[LINE_SIZE];
    size_t size;    /* of the line that is being written; 0: none */
    size_t written; /* of it */
    bool torn;      /* half a line is at the end of the file */
};

static const struct plugin_key keys[] = {
    {.name = "path",
     .type = PLUGIN_KEY_TEXT,
     .fallback = "",
     .maximum = PATH_MAX_BYTES,
     .help = "absolute path of a file, made if it isn't there, or of a named pipe"},
    {0},
};

static bool configure(const struct plugin_value *values, void **instance, char *error,
                      size_t error_size)
{
    struct jsonl *jsonl = values[0].text[0] == '/' ? calloc(1, sizeof(*jsonl)) : NULL;

    if (jsonl == NULL) {
        (void)snprintf(error, error_size,
                       values[0].text[0] == '/' ? "not enough memory"
                                                : "path is missing or isn't absolute");
        return false;
    }
    (void)snprintf(jsonl->path, sizeof(jsonl->path), "%s", values[0].text);
    jsonl->file = -1;
    *instance = jsonl;
    return true;
}

static void close_file(struct jsonl *jsonl)
{
    if (jsonl->file >= 0)
        (void)close(jsonl->file);
    jsonl->file = -1;
}

static void destroy(void *instance)
{
    close_file(instance);
    free(instance);
}

/* ---- a line ---- */

static void put(struct jsonl *jsonl, const char *text, size_t size)
{
    size_t room = sizeof(jsonl->line) - jsonl->size;

    size = size < room ? size : room;
    memcpy(jsonl->line + jsonl->size, text, size);
    jsonl->size += size;
}

/* The host's texts are printable UTF-8. */
static void put_text(struct jsonl *jsonl, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    put(jsonl, ",\"", 2);
    put(jsonl, name, strlen(name));
    put(jsonl, "\":\"", 3);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            put(jsonl, "\\", 1);
        put(jsonl, text, 1);
    }
    put(jsonl, "\"", 1);
}

static void put_number(struct jsonl *jsonl, const char *name, int64_t value)
{
    char text[64];
    int size = snprintf(text, sizeof(text), ",\"%s\":%" PRId64, name, value);

    put(jsonl, text, (size_t)size);
}

static const char *word_of(uint32_t what)
{
    switch (what) {
    case PLUGIN_FACT_NEW:
        return "new";
    case PLUGIN_FACT_CONNECTED:
        return "connected";
    case PLUGIN_FACT_DISCONNECTED:
        return "disconnected";
    case PLUGIN_FACT_CHANGED:
        return "changed";
    case PLUGIN_FACT_GONE:
        return "gone";
    case PLUGIN_FACT_LISTED:
        return "listed";
    case PLUGIN_FACT_COMPLETE:
        return "complete";
    default:
        return NULL;
    }
}

static void write_line(struct jsonl *jsonl, const struct plugin_facts *facts)
{
    char text[64];
    int size = snprintf(text, sizeof(text), "{\"sequence\":%" PRIu64, facts->sequence);

    jsonl->size = 0;
    jsonl->written = 0;
    put(jsonl, text, (size_t)size);
    put_text(jsonl, "what", word_of(facts->what));
    put_number(jsonl, "unix_ms", facts->utc_ms);
    put_text(jsonl, "node", facts->node);
    put_text(jsonl, "scope", facts->scope);
    put_text(jsonl, "serial", facts->serial);
    put_text(jsonl, "kind", facts->kind);
    put_text(jsonl, "model", facts->model);
    put_text(jsonl, "firmware", facts->firmware);
    put_text(jsonl, "hardware", facts->hardware);
    put_text(jsonl, "project", facts->project);
    put_text(jsonl, "listener", facts->listener);
    put_text(jsonl, "peer", facts->peer);
    put_text(jsonl, "reason", facts->reason);
    if (facts->peer_port != 0)
        put_number(jsonl, "peer_port", facts->peer_port);
    if (facts->direct_port != 0)
        put_number(jsonl, "direct_port", facts->direct_port);
    if (facts->link_epoch != 0)
        put_number(jsonl, "link_epoch", facts->link_epoch);
    if (facts->signal_csq != PLUGIN_SIGNAL_UNKNOWN)
        put_number(jsonl, "signal_csq", facts->signal_csq);
    if (facts->online)
        put_number(jsonl, "online", 1);
    if (facts->newer_link)
        put_number(jsonl, "newer_link", 1);
    put(jsonl, "}\n", 2);
}

/* ---- the file ---- */

/* Is what is open still what has the name? */
static bool is_same(const struct jsonl *jsonl)
{
    struct stat opened;
    struct stat named;

    return fstat(jsonl->file, &opened) == 0 && stat(jsonl->path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* Does the file end within a line? If that can't be seen: yes, since an empty line harms nobody. */
static bool is_torn(const struct jsonl *jsonl)
{
    struct stat opened;
    char last = '\0';

    if (fstat(jsonl->file, &opened) != 0 || !S_ISREG(opened.st_mode) || opened.st_size == 0)
        return false;
    int reader = open(jsonl->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (reader < 0)
        return true;
    bool whole = pread(reader, &last, 1, opened.st_size - 1) == 1 && last == '\n';
    (void)close(reader);
    return !whole;
}

/* Half a line is completed only in the file that has its beginning. */
static void open_file(struct jsonl *jsonl)
{
    if (jsonl->file >= 0 && is_same(jsonl))
        return;
    close_file(jsonl);
    jsonl->written = 0;
    jsonl->file =
        open(jsonl->path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
    if (jsonl->file >= 0)
        jsonl->torn = is_torn(jsonl);
}

static enum plugin_answer later(struct jsonl *jsonl, int error, const char **why)
{
    switch (error) {
    case EAGAIN:
        *why = "the pipe is full";
        break;
    case ENXIO:
    case EPIPE:
        *why = "nobody reads the pipe";
        break;
    case ENOSPC:
    case EDQUOT:
        *why = "the disk is full";
        break;
    case EFBIG:
        *why = "the file is as large as it may be";
        break;
    default:
        *why = "the file can't be opened or written";
        break;
    }
    if (error != EAGAIN && error != ENOSPC && error != EDQUOT) {
        close_file(jsonl);
        jsonl->written = 0;
    }
    return PLUGIN_LATER;
}

/* False: errno says why. */
static bool write_all(struct jsonl *jsonl, const char *data, size_t size, size_t *written)
{
    while (*written < size) {
        ssize_t done = write(jsonl->file, data + *written, size - *written);
        if (done < 0 && errno != EINTR)
            return false;
        *written += done > 0 ? (size_t)done : 0;
    }
    return true;
}

static bool end_torn_line(struct jsonl *jsonl)
{
    size_t written = 0;

    if (jsonl->torn && !write_all(jsonl, "\n", 1, &written))
        return false;
    jsonl->torn = false;
    return true;
}

static enum plugin_answer tell(void *instance, const struct plugin_facts *facts, const char **why)
{
    struct jsonl *jsonl = instance;

    if (word_of(facts->what) == NULL)
        return PLUGIN_DONE;
    if (jsonl->written == 0) /* else the host repeats what was begun */
        write_line(jsonl, facts);
    if (jsonl->size == sizeof(jsonl->line)) {
        jsonl->size = 0;
        *why = "it is longer than a line may be";
        return PLUGIN_REFUSED;
    }
    open_file(jsonl);
    if (jsonl->file < 0)
        return later(jsonl, errno, why);
    if (!end_torn_line(jsonl) || !write_all(jsonl, jsonl->line, jsonl->size, &jsonl->written))
        return later(jsonl, errno, why);
    jsonl->size = 0;
    jsonl->written = 0;
    return PLUGIN_DONE;
}

extern const struct plugin jsonl_plugin;

const struct plugin jsonl_plugin = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin),
    .name = "jsonl",
    .version = "1.0",
    .summary = "registration: a line of JSON for each fact, appended to a file or a pipe",
    .keys = keys,
    .configure = configure,
    .destroy = destroy,
    .tell = tell,
};
