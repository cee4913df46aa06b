/* Which push means what: rules that a site writes as one line of text.
 *
 *   rules     = rule { ";" rule }
 *   rule      = "default" | [ name ":" ] condition [ "->" meaning ]
 *   condition = "event" ln                               an EventNotification with this name
 *             | "push" ln                                a DataNotification with this name
 *             | "alarm" ln [ "register" n ] "bit" b      either of them, whose n-th (1 to 4; else
 *                                                        the first) double-long-unsigned has bit b
 *                                                        (0 to 31) set
 *   ln        = six of 0 to 255 or "*" with dots between | "*" (any, or none)
 *   meaning   = "last-gasp" (if none is given) | "test" | "restored" | "alarm" | "data"
 *   name      = 1 to 31 of a-z A-Z 0-9 . _ -             else "rule-1", "rule-2", ...
 *
 * Blanks may stand anywhere between words. The first rule that matches decides. "default" stands
 * for the shipped rules, so that a site can add to them. No rules at all is written as "none". */
#ifndef CENCD_CODEC_COSEM_PUSH_RULES_H
#define CENCD_CODEC_COSEM_PUSH_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/cosem/push.h"

/* Iskraemeco Mx382's last gasp; SMR5.5: alarm register 3, pushed by push setup 0.3.25.9.0.255, has
 * LAST_GASP as bit 0 and LAST_GASP_TEST as bit 1. */
#define PUSH_RULES_DEFAULT                                                                         \
    "iskraemeco: event 128.128.128.128.128.0; "                                                    \
    "smr5.5: alarm 0.3.25.9.0.255 bit 0; "                                                         \
    "smr5.5-test: alarm 0.3.25.9.0.255 bit 1 -> test"

#define PUSH_RULES_MAX       32
#define PUSH_RULES_NAME_SIZE 32

enum push_meaning {
    PUSH_MEANS_LAST_GASP,
    PUSH_MEANS_TEST,
    PUSH_MEANS_RESTORED,
    PUSH_MEANS_ALARM,
    PUSH_MEANS_DATA,
};

enum push_condition {
    PUSH_IF_EVENT,
    PUSH_IF_PUSH,
    PUSH_IF_ALARM,
};

struct push_rule {
    char name[PUSH_RULES_NAME_SIZE];
    enum push_condition condition;
    enum push_meaning meaning;
    uint8_t logical_name[COSEM_PUSH_LN_SIZE];
    bool any[COSEM_PUSH_LN_SIZE]; /* "*" */
    bool any_name;                /* "*" alone */
    uint8_t number;               /* which double-long-unsigned, from 0 */
    uint8_t bit;
};

struct push_rules {
    size_t count;
    struct push_rule rules[PUSH_RULES_MAX];
};

/* False and a sentence in error (error_size bytes with NUL) if text breaks the grammar. */
bool push_rules_parse(const char *text, struct push_rules *rules, char *error, size_t error_size);

/* The rule that decides, or NULL. */
const struct push_rule *push_rules_find(const struct push_rules *rules,
                                        const struct cosem_push *push);

#endif
