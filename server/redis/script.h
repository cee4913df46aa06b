/* The one script (Lua, EVAL) that writes into Redis: all or nothing of a batch, together with the
 * sequence that it stands for, and nothing if Redis isn't where the server believes it to be.
 *
 * Arguments: prefix, node, seconds that presence lasts, the sequence that Redis must have ("*":
 * any), the one it has afterwards, then operations, each a letter and its arguments:
 *
 *   U id epoch kind model firmware port seen state   added, changed; with a state: connected
 *   S id epoch state seen                            a session began or ended, the link is gone
 *   G id utc_ms                                      last gasp
 *   C id utc_ms                                      gasps up to this one are over
 *   R id                                             removed
 *   F id epoch kind model firmware port seen state gasp   all that is known, whatever was there
 *   T id epoch state                                 presence goes on
 *   B                                                a rebuild begins: all that is there is stale
 *   W count                                          removes so many of what is still stale
 *
 * Answer: -1 if the sequence was another one; else what W has left, or 0. */
#ifndef CENCD_REDIS_SCRIPT_H
#define CENCD_REDIS_SCRIPT_H

#define REDIS_SCRIPT_PARTS 2 /* a string of C may have 4095 bytes */
extern const char *const redis_script[REDIS_SCRIPT_PARTS];

#endif
