/* Certificates for tests, made anew each time: elliptic keys, since they are quick to make. */
#ifndef CENCD_TESTS_TLS_CERTIFICATES_H
#define CENCD_TESTS_TLS_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

struct certificate {
    X509 *x509;
    EVP_PKEY *key;
    char *pem; /* of the certificate */
    char *key_pem;
};

struct certificate_wish {
    const char *name;             /* common name */
    const char *alternatives;     /* "DNS:meters.example,IP:127.0.0.1"; NULL: none */
    const struct certificate *by; /* who signs; NULL: itself, and it may sign others */
    int64_t from;                 /* seconds since 1970; 0: the year 2000 */
    int64_t until;                /* 0: the year 2090 */
};

void certificate_make(struct certificate *certificate, const struct certificate_wish *wish);
void certificate_free(struct certificate *certificate);

#endif
