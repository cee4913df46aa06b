/* A device hears what the server sends: the greeting first, then what agents wrote, in frames if it
 * encapsulates, with acknowledgements of keepalives in between. */
#include <string.h>

#include "tests/sim/play.h"
#include "tests/sim/seeds.h"

static const uint8_t magic[5] = {0xC8, 0xCA, 0xCB, 0xCC, 0xCD};

static void agent_begins(struct play *play, struct dial *dial, uint32_t number)
{
    SEEDS_REQUIRE(number < play->agent_count);
    struct agent *agent = &play->agents[number];
    SEEDS_REQUIRE(agent->device == dial->device);
    SEEDS_REQUIRE(agent->hearer == NULL); /* one session each */
    SEEDS_REQUIRE(agent->speaker == NULL || agent->speaker == dial);
    agent->hearer = dial;
    agent->heard_from = dial->payload;
    agent->delivered = AGENT_HEAD;
    SEEDS_REQUIRE(agent->delivered <= agent->written);
    dial->talking = agent;
}

static void hear_agent_byte(struct play *play, struct dial *dial, uint8_t byte)
{
    dial->heard++;
    dial->asked = true;
    if (byte == AGENT_MARK) {
        dial->mark_at = 1; /* one who talked before has finished */
        dial->talking = NULL;
    } else if (dial->mark_at == 1) {
        dial->mark = byte;
        dial->mark_at = 2;
    } else if (dial->mark_at == 2) {
        dial->mark_at = 0;
        agent_begins(play, dial, (uint32_t)dial->mark << 7 | byte);
    } else {
        struct agent *agent = dial->talking;
        SEEDS_REQUIRE(agent != NULL);
        SEEDS_REQUIRE(agent->delivered < agent->written);
        SEEDS_REQUIRE(byte == play_byte(agent->number, agent->delivered, true));
        agent->delivered++;
    }
}

static bool hear_greeting(struct dial *dial, uint8_t byte)
{
    static const char rest[] = ",MOD=DAT,\r";
    if (!dial->device->greeted || dial->greeting_at == 14 + sizeof rest - 1)
        return false;
    if (dial->greeting_at < 14)
        SEEDS_REQUIRE(byte >= '0' && byte <= '9');
    else
        SEEDS_REQUIRE(byte == (uint8_t)rest[dial->greeting_at - 14]);
    dial->greeting_at++;
    return true;
}

static void hear_acknowledgement(struct dial *dial, uint8_t byte)
{
    SEEDS_REQUIRE(dial->device->acknowledged);
    SEEDS_REQUIRE(byte == play_keepalive[dial->keepalive_at]);
    dial->keepalive_at = (uint8_t)((dial->keepalive_at + 1) % sizeof play_keepalive);
}

static void hear_plain(struct play *play, struct dial *dial, uint8_t byte)
{
    if (byte == AGENT_MARK || (byte < 0x80 && dial->keepalive_at == 0))
        hear_agent_byte(play, dial, byte);
    else
        hear_acknowledgement(dial, byte);
}

static void hear_head(struct unframe *unframe, uint8_t byte)
{
    unframe->head[unframe->head_size++] = byte;
    if (unframe->head_size <= sizeof magic) {
        SEEDS_REQUIRE(byte == magic[unframe->head_size - 1]);
        return;
    }
    if (unframe->head_size < sizeof unframe->head)
        return;
    unframe->type = unframe->head[5];
    unframe->left = (uint32_t)unframe->head[6] << 8 | unframe->head[7];
    unframe->head_size = 0;
    unframe->tail = 0;
    SEEDS_REQUIRE(unframe->type == 1 || unframe->type == 2);
    SEEDS_REQUIRE(unframe->left > 0 && unframe->left <= 1448);
}

static void hear_framed(struct play *play, struct dial *dial, uint8_t byte)
{
    struct unframe *unframe = &dial->unframe;
    if (unframe->type == 0) {
        hear_head(unframe, byte);
    } else if (unframe->left > 0) {
        unframe->left--;
        if (unframe->type == 1)
            hear_agent_byte(play, dial, byte);
        else
            hear_acknowledgement(dial, byte);
    } else if (unframe->tail == 0) {
        SEEDS_REQUIRE(byte == '\r');
        unframe->tail = 1;
    } else {
        SEEDS_REQUIRE(byte == '\n');
        unframe->type = 0;
    }
}

void dial_hear(struct play *play, struct dial *dial, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (hear_greeting(dial, bytes[i]))
            continue;
        if (dial->device->encapsulated)
            hear_framed(play, dial, bytes[i]);
        else
            hear_plain(play, dial, bytes[i]);
    }
}
