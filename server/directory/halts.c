#include "server/directory/halts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/accounts.h"
#include "server/directory/accounts_message.h"
#include "server/directory/internal.h"

static struct halt *halt_called(const struct accounts *accounts, const char *listener)
{
    for (size_t i = 0; i < accounts->halt_count; i++)
        if (strcmp(accounts->halts[i].listener, listener) == 0)
            return &accounts->halts[i];
    return NULL;
}

bool halt_find(struct directory *directory, const char *listener, struct halt_info *info)
{
    struct accounts *accounts = accounts_read(directory);
    const struct halt *halt = halt_called(accounts, listener);

    *info = halt != NULL ? halt->info : (struct halt_info){0};
    accounts_unlock(accounts);
    return halt != NULL;
}

static struct halt *add_halt(struct accounts *accounts, const char *listener)
{
    struct halt *halts =
        realloc(accounts->halts, (accounts->halt_count + 1) * sizeof(*accounts->halts));

    if (halts == NULL)
        return NULL;
    accounts->halts = halts;
    struct halt *halt = &halts[accounts->halt_count++];
    *halt = (struct halt){0};
    (void)snprintf(halt->listener, sizeof(halt->listener), "%s", listener);
    return halt;
}

enum status halt_put(struct accounts *accounts, const char *listener, uint64_t revision,
                     bool stopped)
{
    if (listener[0] == '\0' || strlen(listener) >= CONFIG_NAME_SIZE || revision == 0)
        return STATUS_INVALID;
    struct halt *halt = halt_called(accounts, listener);
    if (halt == NULL)
        halt = add_halt(accounts, listener);
    if (halt == NULL)
        return STATUS_NO_MEMORY;
    if (halt->info.revision < revision)
        halt->info = (struct halt_info){.revision = revision, .stopped = stopped};
    return STATUS_OK;
}

static bool copy_halt(struct directory *directory, size_t at, struct halt *halt)
{
    struct accounts *accounts = accounts_read(directory);
    bool there = at < accounts->halt_count;

    if (there)
        *halt = accounts->halts[at];
    accounts_unlock(accounts);
    return there;
}

enum status halt_visit(char *listener, uint64_t revision, bool stopped,
                       const struct account_visitor *visitor)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__ListenerStopped stop = CENC__V1__LISTENER_STOPPED__INIT;
    Cenc__V1__ListenerStarted start = CENC__V1__LISTENER_STARTED__INIT;

    stop.listener = start.listener = listener;
    stop.revision = start.revision = revision;
    if (stopped) {
        event.body_case = CENC__V1__EVENT__BODY_LISTENER_STOPPED;
        event.listener_stopped = &stop;
    } else {
        event.body_case = CENC__V1__EVENT__BODY_LISTENER_STARTED;
        event.listener_started = &start;
    }
    return visitor->event(&event, visitor->context);
}

enum status halts_walk(struct directory *directory, const struct account_visitor *visitor)
{
    enum status status = STATUS_OK;
    struct halt halt;

    for (size_t at = 0; status == STATUS_OK && copy_halt(directory, at, &halt); at++)
        status = halt_visit(halt.listener, halt.info.revision, halt.info.stopped, visitor);
    return status;
}
