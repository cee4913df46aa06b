/* Where Redis is, as a URL: redis://HOST:PORT/DATABASE, or rediss:// for TLS. HOST is a name, an
 * IPv4 address, or an IPv6 address in brackets. */
#ifndef CENCD_CONFIG_REDIS_URL_H
#define CENCD_CONFIG_REDIS_URL_H

#include <stdbool.h>

#include "config/config.h"

bool redis_url_parse(const char *text, struct config_redis_url *url);

/* What is wrong with it and worth a sentence of its own, or NULL. It never holds the URL, in which
 * somebody may have put a password. */
const char *redis_url_mistake(const char *text);

#endif
