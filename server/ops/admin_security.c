#include "server/ops/admin_security.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/proto/text.h"
#include "server/base/check.h"

#define EVENT_MAX 1536u

struct pending {
    struct journal_entry entry;
    uint8_t bytes[EVENT_MAX];
};

static void recorded(struct journal_entry *entry, enum status status)
{
    (void)status;
    free(container_of(entry, struct pending, entry));
}

static void append(struct journal *journal, Cenc__V1__Event *event)
{
    struct pending *pending = calloc(1, sizeof(*pending));
    size_t size = 0;

    if (pending == NULL)
        return;
    CHECK(event_pack(event, pending->bytes, sizeof(pending->bytes), &size) == CODEC_OK);
    pending->entry.data = pending->bytes;
    pending->entry.size = (uint32_t)size;
    pending->entry.kind = JOURNAL_EVENT;
    pending->entry.class = JOURNAL_NORMAL;
    pending->entry.done = recorded;
    if (journal_append(journal, &pending->entry) != STATUS_OK)
        free(pending);
}

static int64_t utc_ms(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void admin_security_tell(const struct server *server, const struct admin_security *security)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__SecurityEvent body = CENC__V1__SECURITY_EVENT__INIT;
    Cenc__V1__Endpoint peer = CENC__V1__ENDPOINT__INIT;
    Cenc__V1__Actor actor = CENC__V1__ACTOR__INIT;
    char address[ADDRESS_TEXT_SIZE];
    char text[160];

    if (security->actor->peer.family != 0) {
        peer.address = address_format_ip(&security->actor->peer, address);
        peer.port = security->actor->peer.port;
        body.peer = actor.peer = &peer;
    }
    (void)proto_text(security->text, strlen(security->text), text, sizeof(text));
    body.kind = security->kind;
    body.account = actor.name = proto_string(security->actor->name);
    body.text = text;
    body.count = security->count;
    actor.via = proto_string(security->actor->via);
    event.actor = &actor;
    event.node = proto_string(server->config->server.node);
    event.received_unix_ms = utc_ms();
    event.body_case = CENC__V1__EVENT__BODY_SECURITY_EVENT;
    event.security_event = &body;
    append(server->journal, &event);
}
