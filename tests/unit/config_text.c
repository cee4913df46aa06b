#include "tests/unit/config_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/load.h"

struct config *config_text_load(const char *text, size_t text_size, char **errors)
{
    size_t size;
    FILE *out = open_memstream(errors, &size);
    struct config *config = NULL;
    enum status status = config_load_buffer("f", text, text_size, out, &config);

    assert_int_equal(fclose(out), 0);
    assert_int_equal(status, config != NULL ? STATUS_OK : STATUS_INVALID);
    assert_int_equal(size == 0, config != NULL);
    return config;
}

struct config *config_text_good(const char *text)
{
    char *errors = NULL;
    struct config *config = config_text_load(text, strlen(text), &errors);

    if (config == NULL)
        fail_msg("%s", errors);
    free(errors);
    return config;
}

void assert_config_good(const char *text)
{
    config_free(config_text_good(text));
}

void assert_config_errors_size(const char *text, size_t size, const char *expected)
{
    char *errors = NULL;
    struct config *config = config_text_load(text, size, &errors);

    config_free(config);
    assert_string_equal(errors, expected);
    free(errors);
}

void assert_config_errors(const char *text, const char *expected)
{
    assert_config_errors_size(text, strlen(text), expected);
}

void assert_config_key_error(const char *text, const char *expected)
{
    char whole[4096];

    (void)snprintf(whole, sizeof(whole), "%s" CONFIG_LISTENER, text);
    assert_config_errors(whole, expected);
}
