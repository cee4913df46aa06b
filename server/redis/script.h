/* The one script (Lua, EVAL) that writes into Redis: all or nothing of a batch, together with the
 * sequence that it stands for, and nothing if Redis isn't where the server believes it to be.
 *
 * Arguments: prefix, node, seconds that presence lasts, the sequence that Redis must have ("*":
 * any), the one it has afterwards, then operations, each a letter and its arguments:
 *
 *   U id epoch kind model firmware port seen state   added, changed; with a state: connected
 *   S id epoch state seen                            a session began or ended, the link is gone (0)
 *   G id epoch utc_ms                                last gasp
 *   C id epoch utc_ms                                gasps up to this one are over
 *   R id                                             removed
 *   F id epoch kind model firmware port seen state gasp   all that is known, whatever was there
 *   T id epoch state                                 presence goes on
 *   B mark                                           a rebuild begins: all that is there is stale
 *   N mark                                           nothing is ahead of the journal any more
 *   W count                                          removes so many of what is still stale
 *
 * A rebuild writes what the directory has, which may not be in the journal yet, and never be if the
 * process is killed. So Redis is marked until it is: another process can't go on from there. Each
 * rebuild has a mark of its own, which is, below zero, also the sequence while it is under way:
 * what an older connection left behind on its way can't get in between.
 *
 * Answer: -1 if the sequence was another one. Else what W has left, or 0, and REDIS_SCRIPT_REPLACED
 * times the keys that had another type: whoever writes under our prefix would stop us otherwise.
 * These were removed. If more than this batch was in them, Redis has no sequence afterwards. */
#ifndef CENCD_REDIS_SCRIPT_H
#define CENCD_REDIS_SCRIPT_H

#define REDIS_SCRIPT_PARTS    3 /* a string of C may have 4095 bytes */
#define REDIS_SCRIPT_REPLACED 4294967296
extern const char *const redis_script[REDIS_SCRIPT_PARTS];

/* What sequence Redis has. Arguments: the key of meta, mark. Answer: nil if there is none that
 * could be gone on from. */
extern const char redis_look_script[];

#endif
