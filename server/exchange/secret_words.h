/* Which names say that a secret follows: passwords, keys, tokens, PINs. Pure functions.
 *
 * A name is looked at by its words (DLMS_PASSWORD, AuthenticationKey, PinCode, Пароль): rather a
 * harmless value is left out than a secret kept. */
#ifndef CENCD_EXCHANGE_SECRET_WORDS_H
#define CENCD_EXCHANGE_SECRET_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* A field of this name holds a secret. */
bool secret_name(const char *name, size_t size);

/* A text in which a secret is named (`host=10.0.0.1;password=1234`), or which is an address with
 * one
 * (`scheme://user:password@host`). */
bool secret_text(const char *text, size_t size);

#endif
