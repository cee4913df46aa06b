/* The HTTP server for the pages: libmicrohttpd with one thread of its own. GET and HEAD only, no
 * request bodies, a bounded number of connections, each with a time limit. Nobody is asked who he
 * is: whoever starts it gives a loopback address. */
#ifndef CENCD_OPS_HTTP_H
#define CENCD_OPS_HTTP_H

#include "server/base/address.h"
#include "server/base/status.h"
#include "server/ops/health.h"
#include "server/reactor/kernel.h"

struct http;

/* Answers from now on. On failure error holds one sentence. */
enum status http_start(const struct server *server, const struct health *health, struct http **http,
                       struct kernel_error *error) MUST_CHECK;

/* Answers under way are cut off. */
void http_stop(struct http *http);

uint16_t http_port(const struct http *http);

#endif
