/* What logins of agents have to tell: events of security, and lines of the log. */
#ifndef CENCD_LINK_LOGIN_EVENTS_H
#define CENCD_LINK_LOGIN_EVENTS_H

#include "server/directory/login.h"

/* For login_desk_create; the reactor is a shard's. */
void events_login(struct reactor *reactor, const struct login_report *report);

#endif
