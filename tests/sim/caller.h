/* A connection to the server whose every byte the test says itself. */
#ifndef CENCD_TESTS_SIM_CALLER_H
#define CENCD_TESTS_SIM_CALLER_H

#include "tests/sim/site.h"

#define CALLER_SERIAL "868441033677524"

struct caller {
    struct site *site;
    struct sim_peer *peer;
    struct address address;
    uint8_t heard[131072];
    size_t heard_size;
};

/* Connects from ip; a failure ends the test. */
void caller_dial(struct caller *caller, struct site *site, const char *ip, uint16_t port);

/* A plain modem of this serial that says its hello; what follows happens in no time. */
void caller_modem(struct caller *caller, struct site *site, const char *ip, uint16_t port,
                  const char *serial);

/* An agent at the direct port of the serial in scope "default". */
void caller_agent(struct caller *caller, struct site *site, const char *serial);

/* All must fit into the socket; then everything that happens without time passing happens. */
void caller_say(struct caller *caller, const char *text);
void caller_say_bytes(struct caller *caller, const uint8_t *bytes, size_t size);

/* Reads what is there; true if it is all of text, and forgets it. */
bool caller_hears(struct caller *caller, const char *text);
void caller_read(struct caller *caller, size_t most);

void caller_shutdown(struct caller *caller);
void caller_reset(struct caller *caller);

bool caller_is_open(const struct caller *caller);  /* neither FIN nor reset came */
bool caller_sees_fin(const struct caller *caller); /* in order, without a reset */

/* enum link_state of its link; LINK_FREE: there is none. */
int caller_link_state(const struct caller *caller);
bool caller_in_session(const struct caller *caller); /* an agent's */

#endif
