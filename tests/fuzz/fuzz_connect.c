/* HTTP CONNECT: hostile heads.
 *
 * Promised: no step outside of the memory given; a head that is whole is read alike whatever
 * follows it; what is refused stays refused with more bytes; no password is left behind where there
 * is no request. */
#include <stdlib.h>
#include <string.h>

#include "codec/proxy/connect.h"
#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

static enum codec_result read_one(const uint8_t *data, size_t size, struct connect_request *request,
                                  size_t *consumed)
{
    uint8_t *copy = malloc(size + 1); /* its end is watched */

    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy + 1, data, size);
    enum codec_result result = connect_read(copy + 1, size, request, consumed);
    CHECK((result == CODEC_OK || result == CODEC_NEED_MORE) ==
          (request->problem == CONNECT_NO_PROBLEM));
    if (result == CODEC_OK)
        CHECK(*consumed > 0 && *consumed <= size && *consumed <= CONNECT_MAX_HEAD);
    else
        CHECK(request->password[0] == '\0');
    CHECK(strlen(request->name) < sizeof(request->name));
    free(copy);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct connect_request whole;
    struct connect_request part;
    size_t consumed = 0;
    size_t part_consumed = 0;

    if (size > CONNECT_MAX_HEAD + 64)
        return 0;
    enum codec_result result = read_one(data, size, &whole, &consumed);
    size_t step = size / 64 + 1;
    for (size_t i = 0; i < size; i += step) {
        enum codec_result of_part = read_one(data, i, &part, &part_consumed);

        if (of_part == CODEC_INVALID || of_part == CODEC_FULL)
            CHECK(result == of_part && whole.problem == part.problem);
        if (of_part != CODEC_OK)
            continue;
        CHECK(result == CODEC_OK && part_consumed == consumed);
        // NOLINTNEXTLINE(*-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): zeroed before
        CHECK(memcmp(&part, &whole, sizeof(part)) == 0);
    }
    return 0;
}
