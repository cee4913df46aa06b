/* Inside the link room: what a link keeps until it is registered. */
#ifndef CENCD_LINK_GREETING_H
#define CENCD_LINK_GREETING_H

#include "server/link/link.h"

struct withdrawal;

struct greeting {
    struct link *link;
    struct withdrawal
        *withdrawal;   /* held: to be sent if it leaves before its challenge is decided */
    struct timer wake; /* a plugin asked to be called again */
    uint64_t started_ms;
    uint64_t last_byte_ms;
    uint8_t *bytes; /* everything received, or NULL */
    uint32_t size;
    uint32_t consumed;        /* identified: where the rest begins */
    uint32_t declined;        /* bit per plugin that said "not mine" */
    const char *why;          /* of the last one that did */
    uint32_t pushes;          /* messages that were handed on, and taken out of bytes */
    uint32_t owed;            /* of these, answers that wait for the disk */
    bool ended;               /* nothing more is heard of the device, which waits for them */
    enum close_reason reason; /* of the end that follows */
    struct plugin_identity identity;
    _Alignas(8) uint8_t states[][PLUGIN_STATE_SIZE]; /* one per plugin of the listener */
};

#endif
