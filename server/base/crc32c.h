/* CRC-32C (Castagnoli; RFC 3720 appendix B.4): polynomial 1EDC6F41 reflected, init and final xor
 * FFFFFFFF. crc32c("123456789") = E3069283. Uses the processor's instruction where there is one. */
#ifndef CENCD_BASE_CRC32C_H
#define CENCD_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc: 0 at the start, or the result for the bytes before. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The same without the instruction, for tests and other processors. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif
