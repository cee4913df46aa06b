#include "tests/tls/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define YEAR_2000 INT64_C(946684800)
#define YEAR_2090 INT64_C(3786912000)

static char *text_of(BIO *bio)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(bio, &bytes);
    char *text = strndup(bytes, (size_t)size);

    assert_non_null(text);
    BIO_free(bio);
    return text;
}

static void extend(X509 *x509, X509V3_CTX *context, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, kind, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void set_names(X509 *x509, const struct certificate_wish *wish)
{
    X509_NAME *name = X509_get_subject_name(x509);
    X509V3_CTX context;

    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                (const unsigned char *)wish->name, -1, -1, 0),
                     1);
    const X509_NAME *issuer = wish->by != NULL ? X509_get_subject_name(wish->by->x509) : name;
    assert_int_equal(X509_set_issuer_name(x509, issuer), 1);
    X509V3_set_ctx(&context, wish->by != NULL ? wish->by->x509 : x509, x509, NULL, NULL, 0);
    extend(x509, &context, NID_basic_constraints,
           wish->by == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (wish->alternatives != NULL)
        extend(x509, &context, NID_subject_alt_name, wish->alternatives);
}

void certificate_make(struct certificate *certificate, const struct certificate_wish *wish)
{
    static long serial = 1;
    X509 *x509 = X509_new();

    certificate->x509 = x509;
    certificate->key = EVP_EC_gen("P-256");
    assert_non_null(x509);
    assert_non_null(certificate->key);
    assert_int_equal(X509_set_version(x509, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++), 1);
    assert_non_null(
        ASN1_TIME_set(X509_getm_notBefore(x509), wish->from != 0 ? wish->from : YEAR_2000));
    assert_non_null(
        ASN1_TIME_set(X509_getm_notAfter(x509), wish->until != 0 ? wish->until : YEAR_2090));
    assert_int_equal(X509_set_pubkey(x509, certificate->key), 1);
    set_names(x509, wish);
    assert_true(X509_sign(x509, wish->by != NULL ? wish->by->key : certificate->key, EVP_sha256()) >
                0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, x509), 1);
    certificate->pem = text_of(bio);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, certificate->key, NULL, NULL, 0, NULL, NULL), 1);
    certificate->key_pem = text_of(bio);
}

void certificate_free(struct certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    free(certificate->pem);
    free(certificate->key_pem);
}
