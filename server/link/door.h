/* The doors by which software comes in, not devices: ways of agents, direct ports, the northbound
 * and the admin API by HTTPS. How their sockets are set, and how certificates and addresses that
 * can't be used are told. Any thread; blocking file calls. */
#ifndef CENCD_LINK_DOOR_H
#define CENCD_LINK_DOOR_H

#include <stdatomic.h>

#include "config/config.h"
#include "server/reactor/tls.h"

/* Of TCP: a peer that is gone is noticed within two minutes. */
struct listen_options door_options(int backlog);

#define DOOR_CERTIFICATES_MAX (CONFIG_MAX_WAYS + 2u) /* the northbound, the admin API */

/* The certificates that doors show, and when they are good no longer: as they were read, whatever
 * is in the file now. Filled in by the main thread at the start; any thread reads what is counted.
 */
struct door_certificate {
    char section[CONFIG_NAME_SIZE + 32];
    const char *path; /* of the configuration */
    int64_t expires_utc_s;
};
struct door_certificates {
    struct door_certificate all[DOOR_CERTIFICATES_MAX];
    _Atomic uint32_t count;
};

/* A line of the log for each that expires within DOOR_EXPIRES_SOON_S, or has expired. */
#define DOOR_EXPIRES_SOON_S (30 * 86400)
void door_certificates_log(const struct door_certificates *certificates, int64_t utc_s);

/* Listens on TCP. Gives the socket, or -1: error says which key ("admin.address") has an address
 * that can't be listened on. */
int door_listen(const struct address *address, int backlog, const char *key,
                struct kernel_error *error) MUST_CHECK;
/* The sentence of it, for sockets of other kinds. cause: an errno. */
void door_cannot_listen(const char *key, const char *where, int cause, struct kernel_error *error);

/* The context of a door with certificates, or NULL for one without. options: what certificates
 * don't say; its verify is meant for doors with a client_ca, others don't ask for certificates.
 * It is noted in certificates. STATUS_INVALID: error names the section and the file. */
enum status door_tls(const struct config_tls *config, struct tls_options options,
                     const char *section, struct door_certificates *certificates,
                     struct tls_context **context, struct kernel_error *error) MUST_CHECK;

#endif
