#include "server/base/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL_REFLECTED 0x82f63b78u

static uint32_t table[256];
static bool has_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = (value >> 1) ^ ((value & 1) ? POLYNOMIAL_REFLECTED : 0);
        table[i] = value;
    }
#if defined(__x86_64__)
    has_instruction = __builtin_cpu_supports("sse4.2");
#endif
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    (void)pthread_once(&once, prepare);
    crc = ~crc;
    for (size_t i = 0; i < size; i++)
        crc = (crc >> 8) ^ table[(crc ^ bytes[i]) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *bytes,
                                                                 size_t size)
{
    uint64_t value = (uint32_t)~crc;
    while (size >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        value = __builtin_ia32_crc32di(value, word);
        bytes += 8;
        size -= 8;
    }
    while (size-- > 0)
        value = __builtin_ia32_crc32qi((uint32_t)value, *bytes++);
    return ~(uint32_t)value;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    (void)pthread_once(&once, prepare);
#if defined(__x86_64__)
    if (has_instruction)
        return by_instruction(crc, data, size);
#endif
    return crc32c_portable(crc, data, size);
}
