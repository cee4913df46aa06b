/* JSON without passwords: what is left out, and that all else stays to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/exchange/scrub.h"
#include "server/exchange/secret_words.h"

static void becomes(const char *from, const char *to, size_t secrets)
{
    struct scrubbed out = {0};

    scrub(&out, from, strlen(from));
    scrubbed_add(&out, "", 1);
    assert_false(out.failed);
    assert_string_equal(out.text, to);
    assert_int_equal(out.secrets, secrets);
    scrubbed_free(&out);
}

static void what_is_no_secret_stays(void **state)
{
    (void)state;
    becomes("{}", "{}", 0);
    becomes("[ 1.10 , -0 ,\n 1e400, 12345678901234567890, true ]",
            "[1.10,-0,1e400,12345678901234567890,true]", 0);
    becomes("{ \"\\u0041\" : \"\\u00e9\\/\" , \"b\" : [ { } , [ ] ] }",
            "{\"\\u0041\":\"\\u00e9\\/\",\"b\":[{},[]]}", 0);
    becomes("{\"Settings\":\"{\\r\\n  \\\"PORT\\\": \\\"1\\\"\\r\\n}\"}",
            "{\"Settings\":\"{\\r\\n  \\\"PORT\\\": \\\"1\\\"\\r\\n}\"}", 0);
    becomes("\"00:00:05\"", "\"00:00:05\"", 0);
}

static void secrets_are_left_out(void **state)
{
    (void)state;
    becomes("{\"Password\":\"x\",\"a\":1}", "{\"Password\":\"\",\"a\":1}", 1);
    becomes("{\"DLMS_PASSWORD\" : 12345}", "{\"DLMS_PASSWORD\":\"\"}", 1);
    becomes("{\"authenticationKey\":{\"hex\":\"00\"},\"b\":2}",
            "{\"authenticationKey\":\"\",\"b\":2}", 1);
    becomes("{\"Пароль\":\"1\",\"PinCode\":\"1\",\"GUEK\":\"1\"}",
            "{\"Пароль\":\"\",\"PinCode\":\"\",\"GUEK\":\"\"}", 3);
    becomes("{\"\\u0050assword\":\"x\"}", "{\"\\u0050assword\":\"\"}", 1);
    becomes("{\"UsePassword\":true,\"Password\":null,\"Pwd\":\"\"}",
            "{\"UsePassword\":true,\"Password\":null,\"Pwd\":\"\"}", 0);
}

static void secrets_in_texts_are_left_out(void **state)
{
    (void)state;
    becomes("{\"Settings\":\"{\\\"A\\\":\\\"1\\\",\\\"DLMS_PASSWORD\\\":\\\"x\\\"}\"}",
            "{\"Settings\":\"{\\\"A\\\":\\\"1\\\",\\\"DLMS_PASSWORD\\\":\\\"\\\"}\"}", 1);
    becomes("{\"Settings\":\"{\\r\\n \\\"PWD\\\": \\\"x\\\"\\r\\n}\"}",
            "{\"Settings\":\"{\\r\\n \\\"PWD\\\": \\\"\\\"\\r\\n}\"}", 1);
    becomes("{\"Line\":\"host=a;password=b\"}", "{\"Line\":\"\"}", 1);
    becomes("{\"Url\":\"tcp://user:word@host\"}", "{\"Url\":\"\"}", 1);
    becomes("{\"Broken\":\"{\\\"DLMS_PASSWORD\\\":\\\"x\\\"\"}", "{\"Broken\":\"\"}", 1);
    becomes("{\"S\":\"{\\\"deep\\\":\\\"{\\\\\\\"PASSWORD\\\\\\\":1}\\\"}\"}",
            "{\"S\":\"{\\\"deep\\\":\\\"\\\"}\"}", 1);
}

static void secrets_in_pairs_are_left_out(void **state)
{
    (void)state;
    becomes("[{\"Name\":\"DLMS_PASSWORD\",\"Value\":\"x\"},{\"Name\":\"Port\",\"Value\":\"1\"}]",
            "[{\"Name\":\"DLMS_PASSWORD\",\"Value\":\"\"},{\"Name\":\"Port\",\"Value\":\"1\"}]", 1);
    becomes("{\"Value\":[1,2],\"Key\":\"TOKEN\"}", "{\"Value\":\"\",\"Key\":\"TOKEN\"}", 1);
    becomes("{\"Key\":\"00112233\"}", "{\"Key\":\"\"}", 1);
}

static void words_are_looked_at_one_by_one(void **state)
{
    static const char *const secrets[] = {"password", "MyPassWord",   "AUTH_KEY", "hlsKey",
                                          "Token",    "clientSecret", "KEY2",     "пароль"};
    static const char *const others[] = {"Passport",  "Monkey", "DLMS_AUTHENTICATION", "Spin",
                                         "Keyboard?", "Id",     "DLMS_WAIT_TIME",      ""};

    (void)state;
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        assert_true(secret_name(secrets[i], strlen(secrets[i])));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(secret_name(others[i], strlen(others[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_secret_stays),
        cmocka_unit_test(secrets_are_left_out),
        cmocka_unit_test(secrets_in_texts_are_left_out),
        cmocka_unit_test(secrets_in_pairs_are_left_out),
        cmocka_unit_test(words_are_looked_at_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
