#include "server/link/reason.h"

#include <errno.h>

static const struct {
    const char *layer;
    const char *cause;
    const char *meaning;
} reasons[CLOSE_REASON_COUNT] = {
#define X(constant, layer, cause, meaning) {layer, cause, meaning},
    CLOSE_REASONS(X)
#undef X
};

const char *close_layer(enum close_reason reason)
{
    return reasons[reason].layer;
}

const char *close_cause(enum close_reason reason)
{
    return reasons[reason].cause;
}

const char *close_meaning(enum close_reason reason)
{
    return reasons[reason].meaning;
}

enum close_reason close_reason_of_device(int error)
{
    switch (-error) {
    case 0:
        return CLOSE_PEER_CLOSED;
    case ECONNRESET:
    case EPIPE:
        return CLOSE_PEER_RESET;
    case ETIMEDOUT:
        return CLOSE_PEER_TIMEOUT;
    default:
        return CLOSE_PEER_ERROR;
    }
}

enum close_reason close_reason_of_agent(int error)
{
    switch (-error) {
    case 0:
        return CLOSE_AGENT_CLOSED;
    case ECONNRESET:
    case EPIPE:
        return CLOSE_AGENT_RESET;
    case ETIMEDOUT:
        return CLOSE_AGENT_TIMEOUT;
    default:
        return CLOSE_AGENT_ERROR;
    }
}
