/* What the log says about each connection: every link and every agent ends once, with a reason, and
 * the lines agree with the counters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/seeds.h"
#include "tests/sim/site_internal.h"

static char *read_all(int file)
{
    off_t size = lseek(file, 0, SEEK_END);
    SEEDS_REQUIRE(size >= 0);
    char *text = malloc((size_t)size + 1);
    SEEDS_REQUIRE(text != NULL);
    SEEDS_REQUIRE(pread(file, text, (size_t)size, 0) == size);
    text[size] = '\0';
    return text;
}

/* The value of ` key=` in a line, up to the next space; false if it isn't there. */
static bool field(const char *line, const char *key, char *value, size_t size)
{
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, " %s=", key);
    const char *found = strstr(line, wanted);
    if (found == NULL)
        return false;
    found += strlen(wanted);
    size_t length = strcspn(found, " ");
    SEEDS_REQUIRE(length < size);
    memcpy(value, found, length);
    value[length] = '\0';
    return true;
}

static uint64_t number(const char *line, const char *key)
{
    char value[32];
    return field(line, key, value, sizeof value) ? strtoull(value, NULL, 10) : 0;
}

static enum close_reason reason_in(const char *line)
{
    char layer[32];
    char cause[32];
    SEEDS_REQUIRE(field(line, "layer", layer, sizeof layer));
    SEEDS_REQUIRE(field(line, "cause", cause, sizeof cause));
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        if (strcmp(close_layer((enum close_reason)i), layer) == 0 &&
            strcmp(close_cause((enum close_reason)i), cause) == 0)
            return (enum close_reason)i;
    seeds_failed("a reason that the log names exists", __FILE__, __LINE__);
}

static enum site_fate fate_in(const char *line)
{
    if (strstr(line, "msg=\"link closed\"") != NULL)
        return SITE_LINK_CLOSED;
    if (strstr(line, "msg=\"session finished\"") != NULL)
        return SITE_SESSION_FINISHED;
    bool refused =
        strstr(line, "msg=\"agent refused\"") != NULL || strstr(line, "msg=\"agent left\"") != NULL;
    return refused ? SITE_AGENT_REFUSED : SITE_UNKNOWN;
}

static void take_line(struct site *site, const char *line, uint64_t counts[CLOSE_REASON_COUNT])
{
    enum site_fate fate = fate_in(line);
    struct address peer;
    char text[ADDRESS_TEXT_SIZE];
    if (fate == SITE_UNKNOWN)
        return;
    SEEDS_REQUIRE(field(line, fate == SITE_LINK_CLOSED ? "peer" : "agent", text, sizeof text));
    SEEDS_REQUIRE(address_parse(text, &peer) == STATUS_OK);
    struct site_end *end = site_end(site, &peer);
    /* each ends once, but for those of virtual modems */
    SEEDS_REQUIRE(end->fate == SITE_UNKNOWN || strstr(line, " path=modem ") != NULL);
    end->fate = fate;
    end->reason = reason_in(line);
    end->link = number(line, "link");
    end->to_agent = number(line, "to_agent");
    end->to_device = number(line, "to_device");
    counts[end->reason]++;
}

struct site_end *site_end(const struct site *site, const struct address *peer)
{
    SEEDS_REQUIRE(peer->port >= SITE_FIRST_PORT && peer->port < SITE_FIRST_PORT + site->next_peer);
    return &site->ends[peer->port - SITE_FIRST_PORT];
}

void site_read_log(struct site *site)
{
    uint64_t counts[CLOSE_REASON_COUNT] = {0};
    char *rest = NULL;
    site->log_text = read_all(site->log_file);
    site->ends = calloc(SITE_MAX_PEERS, sizeof *site->ends);
    char *copy = strdup(site->log_text);
    SEEDS_REQUIRE(site->ends != NULL && copy != NULL);
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        take_line(site, line, counts);
    free(copy);
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        SEEDS_REQUIRE(counts[i] == site->at_stop[i]);
}
