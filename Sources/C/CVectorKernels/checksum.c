// CRC-32C of a ring's records, with the instruction of SSE4.2.

#include "CVectorKernels.h"

#include <string.h>

#if defined(__x86_64__)

#include <nmmintrin.h>

int vector_checksum_supported(void) { return __builtin_cpu_supports("sse4.2") != 0; }

/// A function because the word may be unaligned.
static inline uint64_t load_word(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

// The instruction takes three cycles and can start one every cycle: one stream would leave two
// thirds of that unused.
__attribute__((target("sse4.2"))) uint32_t vector_checksum(uint64_t header, const uint8_t *bytes,
                                                           size_t count) {
    const uint64_t start = _mm_crc32_u64(0, header);
    uint64_t lanes[4] = {start, start, start, start};
    for (; count >= 32; bytes += 32, count -= 32) {
        lanes[0] = _mm_crc32_u64(lanes[0], load_word(bytes));
        lanes[1] = _mm_crc32_u64(lanes[1], load_word(bytes + 8));
        lanes[2] = _mm_crc32_u64(lanes[2], load_word(bytes + 16));
        lanes[3] = _mm_crc32_u64(lanes[3], load_word(bytes + 24));
    }
    size_t lane = 0;
    for (; count >= 8; bytes += 8, count -= 8, lane++) {
        lanes[lane] = _mm_crc32_u64(lanes[lane], load_word(bytes));
    }
    if (count > 0) {
        uint64_t last = 0;
        memcpy(&last, bytes, count);
        lanes[lane] = _mm_crc32_u64(lanes[lane], last);
    }
    const uint64_t first_half = _mm_crc32_u64(start, lanes[0] | lanes[1] << 32);
    return (uint32_t)_mm_crc32_u64(first_half, lanes[2] | lanes[3] << 32);
}

#else

int vector_checksum_supported(void) { return 0; }

uint32_t vector_checksum(uint64_t header, const uint8_t *bytes, size_t count) {
    __builtin_trap();
}

#endif
