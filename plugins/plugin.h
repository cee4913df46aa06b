/* The plugin ABI: how cencd learns a kind of device, and how others learn of devices.
 *
 * A plugin is one constant descriptor, with one or both of two faces.
 *
 * A listener's plugin (identify) is a set of pure functions: bytes and time go in, actions come
 * out. It opens no sockets, reads no clock, keeps no globals and allocates only in configure.
 * Every shard calls it for its own links at the same time; what configure returned is shared and
 * must not change afterwards, the state of one link is touched by one thread at a time.
 *
 * A registration plugin (tell) is told of devices, in a thread of its own. It may open files and
 * sockets, block and change its instance. configure is also called to check a configuration, so it
 * only keeps the settings; and destroy isn't called if tell doesn't return when the server ends.
 *
 * Nothing a device sends may make a plugin fail: what it doesn't know it declines. Secrets that a
 * device sends (a modem's password) never leave the plugin; mask blanks them in what the server
 * keeps for diagnosis.
 *
 * Lengths are bytes, times are milliseconds. Reserved fields are zero. A plugin in a shared object
 * exports its descriptor as `const struct plugin cencd_plugin`. */
#ifndef CENCD_PLUGIN_H
#define CENCD_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLUGIN_ABI 1u

#define PLUGIN_SERIAL_SIZE    32 /* with the terminating NUL */
#define PLUGIN_TEXT_SIZE      32 /* model, hardware: with NUL */
#define PLUGIN_STATE_SIZE     24 /* bytes of a plugin's state on a link, zeroed; at multiples of 8 */
#define PLUGIN_HEADROOM       32  /* bytes that receive may write in front of its input */
#define PLUGIN_REPLY_SIZE     256 /* bytes that one call may answer to the device */
#define PLUGIN_SIGNAL_UNKNOWN 255u
#define PLUGIN_MAX_PUSHES     8 /* of one call to receive */
#define PLUGIN_ACK_SIZE       64
#define PLUGIN_RULE_SIZE      32

/* ---- configuration: a plugin carries its own schema ---- */

enum plugin_key_type {
    PLUGIN_KEY_BOOL,
    PLUGIN_KEY_INTEGER, /* minimum..maximum */
    PLUGIN_KEY_TEXT,    /* maximum = longest, in bytes */
    PLUGIN_KEY_CHOICE,  /* choices: "auto|always|never"; the value is the index, from 0 */
};

struct plugin_key {
    const char *name;
    enum plugin_key_type type;
    const char *fallback; /* the default, written as in YAML */
    int64_t minimum;
    int64_t maximum;
    const char *choices;
    const char *help; /* one line, with the unit */
    void *reserved[2];
};

struct plugin_value {
    int64_t integer;  /* BOOL: 0 or 1; CHOICE: the index */
    const char *text; /* TEXT only; lives as long as the configuration */
};

/* ---- what a plugin finds out ---- */

/* Strings end with NUL; device text is bytes, printable ASCII is not promised to the reader. */
struct plugin_identity {
    char serial[PLUGIN_SERIAL_SIZE];
    char kind[16]; /* "irz-modem": what sort of device, lower case */
    char model[PLUGIN_TEXT_SIZE];
    char firmware[PLUGIN_TEXT_SIZE];
    char hardware[PLUGIN_TEXT_SIZE];
    uint8_t signal_csq; /* 0..31 as 3GPP TS 27.007 +CSQ; PLUGIN_SIGNAL_UNKNOWN */
    uint8_t reserved[31];
};

/* ---- pushes: what a device says by itself ---- */

enum plugin_push_kind {
    PLUGIN_PUSH_DATA,           /* anything else: readings, events */
    PLUGIN_PUSH_ALARM,          /* an alarm that no rule explains */
    PLUGIN_PUSH_LAST_GASP,      /* mains power failed */
    PLUGIN_PUSH_LAST_GASP_TEST, /* somebody tries whether last gasps arrive */
    PLUGIN_PUSH_POWER_RESTORED,
};

/* A message that a device pushed, registered or not. The host copies it at once. */
struct plugin_push {
    enum plugin_push_kind kind;
    char serial[PLUGIN_SERIAL_SIZE]; /* "": the message names nobody (on an identified link: it is
                                        of the link's device) */
    const uint8_t *raw;              /* the whole message, inside the input; on an identified link
                                        it must be left as it is until the call returns */
    size_t raw_size;
    int64_t device_time_ms; /* since 1970-01-01 UTC, by the device's own clock */
    bool has_device_time;
    bool device_offset_known; /* false: local time of an unknown zone, counted as if it were UTC */
    bool has_alarm_bits;
    uint32_t alarm_bits;
    uint8_t logical_name[6];     /* OBIS; all zero: none */
    char rule[PLUGIN_RULE_SIZE]; /* name of the configured rule that decided the kind, or "" */
    /* Sent to the device after the push is on disk; ack_size 0: this device gets none. */
    uint8_t ack[PLUGIN_ACK_SIZE];
    uint8_t ack_size;
    uint8_t reserved[31];
};

/* ---- identification ---- */

enum plugin_verdict {
    PLUGIN_NEED_MORE,  /* could be mine; call again with more bytes, or after wake_in_ms */
    PLUGIN_NOT_MINE,   /* why says what was expected, for the list of failed identifications */
    PLUGIN_IDENTIFIED, /* identity and consumed are set; reply, if any, is sent first */
    PLUGIN_PROBE,      /* send reply, then call again with what comes back, or after wake_in_ms */
    PLUGIN_PUSHED,     /* push and consumed are set. The link goes on in greeting, with what follows
                          and with a zeroed state. Only if the plugin has PLUGIN_PUSHES */
};

/* The data is one whole message and nothing will follow it. On a listener for datagrams only PUSHED
 * is of use; the plugin is asked again with what PUSHED didn't consume. */
#define PLUGIN_GREETING_DATAGRAM 0x1u
/* The connection has ended, in order or not: nothing will follow the data. Only PUSHED is of use: a
 * message whose end could not be seen is whole. */
#define PLUGIN_GREETING_ENDED 0x2u

struct plugin_greeting {
    /* in */
    const uint8_t *data; /* everything received since the connection began */
    size_t size;
    uint64_t now_ms;   /* monotonic */
    uint64_t quiet_ms; /* since the last byte came (since the connection began, if none did) */
    uint64_t utc_ms;   /* since 1970-01-01 */
    /* out */
    size_t consumed; /* IDENTIFIED: bytes of data that belong to the greeting; the rest goes
                        to receive */
    uint8_t *reply;  /* PLUGIN_REPLY_SIZE bytes to write to */
    size_t reply_size;
    uint32_t wake_in_ms; /* 0: no wake; the host may be late by up to a second */
    const char *why;     /* a constant string */
    uint32_t link_flags; /* PLUGIN_LINK_* */
    struct plugin_identity identity;
    struct plugin_push *push; /* zeroed, to be filled in for PUSHED */
    uint32_t input_flags;     /* in: PLUGIN_GREETING_* */
    uint32_t reserved_bits;
    void *reserved[2];
};

/* The link's bytes pass through receive / send while a session runs. Without the flag they pass
 * untouched, in whole buffers. (Outside a session, receive always sees what the device sends.) */
#define PLUGIN_LINK_RECEIVE 0x1u
#define PLUGIN_LINK_SEND    0x2u

/* ---- bytes of an identified link ---- */

/* What receive noticed, bits of notices. */
#define PLUGIN_NOTICE_KEEPALIVE 0x1u /* a keepalive was taken out */
#define PLUGIN_NOTICE_SIGNAL    0x2u /* signal_csq is news */
#define PLUGIN_NOTICE_MALFORMED 0x4u /* bytes that break the device's framing were dropped */
#define PLUGIN_NOTICE_PUSH      0x8u /* pushes holds push_count of them */

struct plugin_received {
    /* in and out: the bytes, replaced in place by what reading software is to see. data may be
     * moved back by at most PLUGIN_HEADROOM bytes; size may be 0 */
    uint8_t *data;
    size_t size;
    /* in */
    uint64_t now_ms;
    uint64_t quiet_ms; /* time since the device's previous bytes */
    bool in_session;   /* false: nobody reads; what remains in data counts as unclaimed */
    /* out */
    uint8_t *reply; /* PLUGIN_REPLY_SIZE bytes; sent to the device between whole frames */
    size_t reply_size;
    uint32_t wake_in_ms; /* not 0: bytes are held back; call with size 0 after this time unless
                            more come. Precision 10 ms in a session */
    uint32_t notices;
    uint8_t signal_csq;
    uint8_t push_count;
    uint8_t reserved_bytes[6];
    struct plugin_push *pushes; /* PLUGIN_MAX_PUSHES to write to, zeroed; NULL for a plugin without
                                   PLUGIN_PUSHES */
    void *reserved[3];
};

struct plugin_sent {
    /* in */
    const uint8_t *data; /* what reading software sent */
    size_t size;
    uint8_t *out;        /* where the device's bytes go */
    size_t out_capacity; /* at least 2048 */
    /* out */
    size_t consumed; /* > 0 whenever size > 0; the host calls again with the rest */
    size_t out_size;
    void *reserved[2];
};

/* ---- registration: what the server knows of devices ---- */

/* Numbers never change their meaning; DONE is the answer to one that a plugin doesn't know. */
enum plugin_fact {
    PLUGIN_FACT_NEW = 1, /* a device was seen for the first time, or was added */
    PLUGIN_FACT_CONNECTED,
    PLUGIN_FACT_DISCONNECTED,
    PLUGIN_FACT_CHANGED, /* what is known of it, or its place in projects */
    PLUGIN_FACT_GONE,    /* removed */
    PLUGIN_FACT_LISTED,  /* is there: told of every device before the first event */
    /* All that are there were listed, since the last LISTED with another sequence: a device that
     * was told of before and isn't among them is gone. No device is named. */
    PLUGIN_FACT_COMPLETE,
};

/* Texts are printable UTF-8, never NULL, "" if it isn't known; bytes of a device that are none, and
 * the backslash, are written \xHH. All lives until the call returns. */
struct plugin_facts {
    uint32_t size;     /* sizeof(struct plugin_facts), grows at the end only */
    uint32_t what;     /* enum plugin_fact */
    uint64_t sequence; /* of the event, a repeat has the same; LISTED: events after it follow */
    int64_t utc_ms;    /* when the server noticed; LISTED: when the device was first seen */
    const char *node;  /* which server */
    const char *scope; /* scope and serial: which device */
    const char *serial;
    const char *kind;
    const char *model;
    const char *firmware;
    const char *hardware;
    const char *project;
    const char *listener;
    const char *peer;   /* CONNECTED, DISCONNECTED, LISTED: its IP address */
    const char *reason; /* DISCONNECTED: "link idle_timeout" */
    uint32_t peer_port;
    uint32_t direct_port; /* of the device, for reading software; 0: none, or not known */
    uint32_t link_epoch;  /* grows with each connection of the device */
    uint8_t signal_csq;   /* PLUGIN_SIGNAL_UNKNOWN */
    bool newer_link;      /* DISCONNECTED: it has a newer connection, and isn't offline */
    bool online;          /* LISTED: it is connected now */
    uint8_t reserved[33];
};

enum plugin_answer {
    PLUGIN_DONE,    /* never told again, but after a crash of the server */
    PLUGIN_LATER,   /* the same again after a while; nothing else before */
    PLUGIN_REFUSED, /* never mine: logged, counted, and the next one */
};

/* ---- the descriptor ---- */

#define PLUGIN_PUSHES 0x1u /* in flags: identify may answer PUSHED, so it serves datagrams, too */

struct plugin {
    uint32_t abi;     /* PLUGIN_ABI */
    uint32_t size;    /* sizeof(struct plugin), grows at the end only */
    const char *name; /* as in the configuration: "irz" */
    const char *version;
    const char *summary;           /* one line */
    uint32_t flags;                /* PLUGIN_PUSHES */
    uint32_t state_size;           /* bytes used of PLUGIN_STATE_SIZE */
    const struct plugin_key *keys; /* ended by a key without name; NULL: takes no settings */

    /* values are in the order of keys. Returns false and a sentence in error (error_size bytes with
     * NUL) if they don't fit together. instance is given to every other call. */
    bool (*configure)(const struct plugin_value *values, void **instance, char *error,
                      size_t error_size);
    void (*destroy)(void *instance);

    /* Asked for each new link, in the order of the listener's list, whenever bytes or the time it
     * asked for have come. Until IDENTIFIED the state stays zeroed between plugins but is kept
     * from call to call of the same plugin. */
    enum plugin_verdict (*identify)(void *instance, void *state, struct plugin_greeting *greeting);

    /* Device to server. May be NULL: all bytes are payload. */
    void (*receive)(void *instance, void *state, struct plugin_received *received);

    /* Reading software to device. May be NULL. */
    void (*send)(void *instance, void *state, struct plugin_sent *sent);

    /* Blanks secrets (with '*') in bytes kept for diagnosis, and in pushes. May be NULL. */
    void (*mask)(uint8_t *data, size_t size);

    /* One fact at a time, in the order in which things happened. May be NULL if identify isn't, and
     * the other way round. why: a constant string for the log, set unless DONE. */
    enum plugin_answer (*tell)(void *instance, const struct plugin_facts *facts, const char **why);

    void *reserved[7];
};

#define PLUGIN_SYMBOL "cencd_plugin"

#endif
