/* SOCKS5: hostile clients. Byte 0: which message; then its bytes.
 *
 * Promised: no step outside of the memory given; a message that is whole is read alike whatever
 * follows it, and none of its beginnings is whole; what is invalid stays so with more bytes. */
#include <stdlib.h>
#include <string.h>

#include "codec/proxy/socks5.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

union message {
    struct socks5_methods methods;
    struct socks5_login login;
    struct socks5_request request;
};

static enum codec_result read_one(uint8_t which, const uint8_t *data, size_t size,
                                  union message *message, size_t *consumed)
{
    uint8_t *copy = malloc(size + 1); /* its end is watched */
    enum codec_result result;

    CHECK(copy != NULL);
    memset(message, 0, sizeof(*message));
    uint8_t *exact = copy + 1;
    if (size > 0)
        memcpy(exact, data, size);
    if (which == 0)
        result = socks5_read_methods(exact, size, &message->methods, consumed);
    else if (which == 1)
        result = socks5_read_login(exact, size, &message->login, consumed);
    else
        result = socks5_read_request(exact, size, &message->request, consumed);
    free(copy);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union message whole;
    union message part;
    size_t consumed = 0;
    size_t part_consumed = 0;

    if (size < 1 || size > 1024)
        return 0;
    uint8_t which = data[0] % 3;
    enum codec_result result = read_one(which, data + 1, size - 1, &whole, &consumed);
    CHECK(result != CODEC_FULL);
    if (result == CODEC_OK)
        CHECK(consumed > 0 && consumed <= size - 1 && consumed <= SOCKS5_MAX_LOGIN);
    for (size_t i = 0; i < size - 1; i++) {
        enum codec_result of_part = read_one(which, data + 1, i, &part, &part_consumed);

        if (of_part == CODEC_INVALID)
            CHECK(result == CODEC_INVALID);
        if (of_part != CODEC_OK)
            continue;
        CHECK(result == CODEC_OK && i >= consumed && part_consumed == consumed);
        // NOLINTNEXTLINE(*-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): zeroed before
        CHECK(memcmp(&part, &whole, sizeof(part)) == 0);
    }
    return 0;
}
