/* The people around a server in the simulation: devices that dial in, agents, strangers. Each byte
 * that one of them says tells who said it and at which place, so that whoever hears it can check.
 *
 * A device's payload is a function of link and position; over a plain link its bytes are below
 * 0x80, so that keepalives stand out. An agent says AGENT_MARK, its number in two bytes, and then
 * bytes below 0x80 that are a function of number and position. */
#ifndef CENCD_TESTS_SIM_PLAY_H
#define CENCD_TESTS_SIM_PLAY_H

#include "tests/sim/site.h"

#define PLAY_DEVICES   6u
#define PLAY_DIALS     96u
#define PLAY_AGENTS    96u
#define PLAY_STRANGERS 32u
#define PLAY_SECRET    "s3cr3t"

#define AGENT_MARK  0xfau
#define AGENT_HEAD  3u
#define SOCKS_PORT  1080 /* of the first scope; the other's is the next */
#define WIRE_BYTES  8192u
#define MATCH_BYTES 8u

extern const uint8_t play_keepalive[5];

struct agent;

struct device_role {
    char scope[16];
    char serial[24];
    uint16_t port; /* where it dials in */
    bool encapsulated;
    bool greeted;      /* the server answers its hello */
    bool acknowledged; /* and its keepalives */
};

/* Takes encapsulation apart. */
struct unframe {
    uint8_t head[8];
    uint8_t head_size;
    uint8_t type;
    uint8_t tail;
    uint32_t left;
};

/* One connection of a device. */
struct dial {
    struct sim_peer *peer; /* NULL: over */
    struct address address;
    const struct device_role *device;
    uint64_t key;
    uint8_t wire[WIRE_BYTES]; /* what it has still to write */
    uint32_t wire_size;
    uint32_t hello_left; /* of these, the hello's */
    uint64_t payload;    /* bytes that were put on the wire for reading software */
    uint64_t written_ms; /* last time that bytes left */
    uint64_t hush_ms;    /* says nothing before */
    bool waits;          /* for being registered: its hello has no line end */
    bool shut;           /* FIN, after all was written */
    bool vanished;
    bool alive_at_end;

    /* what it heard */
    uint64_t heard; /* bytes after greeting, acknowledgements and frames */
    uint32_t greeting_at;
    uint8_t keepalive_at;
    struct unframe unframe;
    uint8_t mark_at; /* bytes of an agent's head that came */
    uint8_t mark;
    struct agent *talking;
    bool asked; /* heard something since it last answered */
};

struct agent {
    struct sim_peer *peer; /* NULL: over */
    struct address address;
    const struct device_role *device;
    uint64_t number;
    uint64_t written;
    uint64_t delivered;  /* of these, heard by a device */
    struct dial *hearer; /* the one that heard it */
    uint64_t heard_from; /* the hearer's payload when it first heard the agent */
    bool shut;
    bool left;         /* closed, reset or vanished by itself */
    bool slow;         /* stopped reading at some time */
    uint64_t pause_ms; /* doesn't read before */
    uint8_t words[64]; /* of SOCKS5, before all that */
    uint32_t words_size;
    uint32_t words_at;   /* written */
    uint32_t reply_left; /* to be read before the device's bytes */

    /* what it read */
    uint64_t raw;
    uint64_t read; /* without keepalives */
    uint8_t first[MATCH_BYTES];
    struct dial *speaker; /* whose bytes they are, once known */
    uint64_t offset;      /* in the speaker's payload */
    uint64_t leaked;      /* whole keepalives that it saw */
    uint8_t keepalive_at;
    bool fin_at_end;
    bool joined_at_end;
};

struct stranger {
    struct sim_peer *peer;
    struct address address;
    uint8_t kind;
    uint32_t said;
};

struct play {
    struct site site;
    struct device_role devices[PLAY_DEVICES];
    uint32_t device_count;
    struct dial dials[PLAY_DIALS];
    uint32_t dial_count;
    struct agent agents[PLAY_AGENTS];
    uint32_t agent_count;
    struct stranger strangers[PLAY_STRANGERS];
    uint32_t stranger_count;
    bool channels;    /* there are some, and devices on them */
    bool strict;      /* the network is punctual: every keepalive is recognised */
    uint32_t largest; /* piece of payload */
};

uint8_t play_byte(uint64_t key, uint64_t at, bool below_0x80);

/* chance.c: a site with its devices; nobody has come yet */
void play_open(struct play *play, uint64_t seed);

/* dial.c */
void dial_in(struct play *play);
void dial_act(struct play *play, struct dial *dial);
void dial_pump(struct play *play, struct dial *dial);
bool dial_says_hello(const struct dial *dial);
void dial_hear_agent(struct play *play, struct dial *dial, uint8_t byte);

/* hear.c: bytes that a device got */
void dial_hear(struct play *play, struct dial *dial, const uint8_t *bytes, size_t size);

/* visit.c: agents */
void agent_come(struct play *play);
void agent_act(struct play *play, struct agent *agent);
void agent_pump(struct play *play, struct agent *agent);
/* Bytes fewer than MATCH_BYTES were said by the dial that it was joined to, too. */
void agent_last_words(struct agent *agent, struct dial *dial);

/* stranger.c */
void stranger_come(struct play *play);
void stranger_act(struct play *play, struct stranger *stranger);

#endif
