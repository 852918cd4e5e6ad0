// Matrix times vector over neurons: the columns of a matrix, of which only some are active.

#include "lanes.h"

#if defined(__x86_64__)

enum {
    tile_outputs = 64,  ///< eight accumulators of eight lanes
    block_neurons = 32,
    ahead_tiles = 8,    ///< codes are prefetched this many tiles before their use
    plain_group = 8     ///< neurons whose elements are read together
};

/// The active neurons of one block.
struct block_run {
    size_t count;
    const float *coefficients;
    float coefficient_sum;
    const uint8_t *scales;
    const uint8_t *codes[block_neurons];  ///< beyond `count`: the last one again
};

/// Codes of one neuron and one tile: lane l of vector v is output 8 v + l. Q4: bits 4 v ... 4 v
/// + 3 of 32-bit word l, so that a mask isolates a vector, times 16^(v mod 4); that power is
/// taken back when the block's scale is applied.
VECTOR_INLINE void tile_sums(enum vector_format format, const struct block_run *run,
                             size_t offset, const uint8_t *const *ahead, size_t ahead_offset,
                             int prefetch, __m256 sums[8]) {
    for (size_t k = 0; k < run->count; k++) {
        const uint8_t *codes = run->codes[k] + offset;
        __m256 coefficient = _mm256_broadcast_ss(run->coefficients + k);
        if (prefetch) _mm_prefetch((const char *)(ahead[k] + ahead_offset), _MM_HINT_T1);
        if (format == VECTOR_Q8_0) {
            for (int v = 0; v < 8; v++) {
                __m128i eight = _mm_loadl_epi64((const __m128i *)(codes + 8 * v));
                __m256 code = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight));
                sums[v] = _mm256_fmadd_ps(coefficient, code, sums[v]);
            }
        } else {
            __m256i low = _mm256_loadu_si256((const __m256i *)codes);
            __m256i high = _mm256_srli_epi32(low, 16);
            for (int v = 0; v < 4; v++) {
                __m256i mask = _mm256_set1_epi32(15 << (4 * v));
                __m256 first = _mm256_cvtepi32_ps(_mm256_and_si256(low, mask));
                __m256 second = _mm256_cvtepi32_ps(_mm256_and_si256(high, mask));
                sums[v] = _mm256_fmadd_ps(coefficient, first, sums[v]);
                sums[v + 4] = _mm256_fmadd_ps(coefficient, second, sums[v + 4]);
            }
        }
    }
}

/// 64 outputs: y += offset * coefficient_sum + scale * sums.
VECTOR_INLINE void apply_scales(enum vector_format format, const uint8_t *scales,
                                float coefficient_sum, const __m256 sums[8], float *y) {
    static const float inverse[4] = {1, 0x1p-4f, 0x1p-8f, 0x1p-12f};
    for (int v = 0; v < 8; v++) {
        __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(scales + 16 * v)));
        __m256 result = _mm256_loadu_ps(y + 8 * v);
        if (format != VECTOR_Q8_0 && (v & 3) != 0) {
            scale = _mm256_mul_ps(scale, _mm256_set1_ps(inverse[v & 3]));
        }
        if (format == VECTOR_Q4_1) {
            const __m128i *offsets = (const __m128i *)(scales + 2 * tile_outputs + 16 * v);
            __m256 offset = _mm256_cvtph_ps(_mm_loadu_si128(offsets));
            result = _mm256_fmadd_ps(offset, _mm256_set1_ps(coefficient_sum), result);
        }
        _mm256_storeu_ps(y + 8 * v, _mm256_fmadd_ps(scale, sums[v], result));
    }
}

VECTOR_INLINE void accumulate_block(enum vector_format format, const struct block_run *run,
                                    const struct block_run *next, size_t outputs, float *y) {
    static const float power[4] = {1, 16, 256, 4096};
    const size_t code_bytes = format == VECTOR_Q8_0 ? tile_outputs : tile_outputs / 2;
    const size_t scale_bytes = (format == VECTOR_Q4_1 ? 4 : 2) * tile_outputs;
    const size_t tiles = (outputs + tile_outputs - 1) / tile_outputs;
    const size_t distance = tiles < ahead_tiles ? tiles : ahead_tiles;
    for (size_t tile = 0; tile < tiles; tile++) {
        const int wraps = tile + distance >= tiles;
        const size_t ahead = wraps ? tile + distance - tiles : tile + distance;
        const size_t left = outputs - tile * tile_outputs;
        float *out = y + tile * tile_outputs;
        __m256 sums[8];
        for (int v = 0; v < 8; v++) {
            float start = format == VECTOR_Q4_0 ? -8 * run->coefficient_sum * power[v & 3] : 0;
            sums[v] = _mm256_set1_ps(start);
        }
        const uint8_t *const *codes = wraps ? next->codes : run->codes;
        // A cache line holds two tiles of nibbles.
        if (code_bytes == 64 || (ahead & 1) == 0) {
            tile_sums(format, run, tile * code_bytes, codes, ahead * code_bytes, 1, sums);
        } else {
            tile_sums(format, run, tile * code_bytes, codes, ahead * code_bytes, 0, sums);
        }
        const uint8_t *scales = run->scales + tile * scale_bytes;
        if (left >= tile_outputs) {
            apply_scales(format, scales, run->coefficient_sum, sums, out);
        } else {
            float padded[tile_outputs] = {0};
            memcpy(padded, out, left * sizeof *out);
            apply_scales(format, scales, run->coefficient_sum, sums, padded);
            memcpy(out, padded, left * sizeof *out);
        }
    }
}

VECTOR_INLINE void accumulate_quantised(enum vector_format format, const uint8_t *codes,
                                        const uint8_t *scales, size_t outputs,
                                        const uint32_t *block_of_slot, const uint32_t *active,
                                        const float *coefficients, size_t count, float *y) {
    const size_t tiles = (outputs + tile_outputs - 1) / tile_outputs;
    const size_t slot_bytes = tiles * tile_outputs / (format == VECTOR_Q8_0 ? 1 : 2);
    const size_t block_bytes = tiles * tile_outputs * (format == VECTOR_Q4_1 ? 4 : 2);
    struct block_run runs[2];
    size_t position = 0;
    // One run ahead, so that its codes can be prefetched.
    for (size_t filled = 0; position < count || filled != 0; filled++) {
        struct block_run *run = &runs[filled & 1];
        const int found = position < count;
        if (found) {
            const uint32_t block = block_of_slot[active[position]];
            run->count = 0;
            run->coefficient_sum = 0;
            run->coefficients = coefficients + position;
            run->scales = scales + block * block_bytes;
            do {
                run->codes[run->count++] = codes + active[position] * slot_bytes;
                run->coefficient_sum += coefficients[position++];
            } while (position < count && run->count < block_neurons
                     && block_of_slot[active[position]] == block);
            for (size_t k = run->count; k < block_neurons; k++) {
                run->codes[k] = run->codes[run->count - 1];
            }
        }
        const struct block_run *earlier = &runs[(filled + 1) & 1];
        if (filled != 0) accumulate_block(format, earlier, found ? run : earlier, outputs, y);
        if (!found) break;
    }
}

VECTOR_TARGET void vector_accumulate_quantised(enum vector_format format, const uint8_t *codes,
                                               const uint8_t *scales, size_t outputs,
                                               const uint32_t *block_of_slot,
                                               const uint32_t *active,
                                               const float *coefficients, size_t count,
                                               float *y) {
#define QUANTISED(constant)                                                                \
    case constant:                                                                         \
        accumulate_quantised(constant, codes, scales, outputs, block_of_slot, active,      \
                             coefficients, count, y);                                      \
        break;
    switch (format) {
        QUANTISED(VECTOR_Q8_0)
        QUANTISED(VECTOR_Q4_0)
        QUANTISED(VECTOR_Q4_1)
    default: __builtin_trap();
    }
#undef QUANTISED
}

/// Neurons in ascending order into `vectors` vectors of outputs held in registers.
VECTOR_INLINE void plain_tile(enum vector_format format, const uint8_t *const *neurons,
                              size_t offset, const float *coefficients, size_t count,
                              float *y) {
    __m256 sums[8];
    for (int v = 0; v < 8; v++) sums[v] = _mm256_loadu_ps(y + 8 * v);
    for (size_t k = 0; k < count; k++) {
        const uint8_t *elements = neurons[k] + offset;
        __m256 coefficient = _mm256_broadcast_ss(coefficients + k);
        for (int v = 0; v < 8; v++) {
            __m256 weight = load_plain(format, elements + 8 * v * element_bytes(format));
            sums[v] = _mm256_fmadd_ps(coefficient, weight, sums[v]);
        }
    }
    for (int v = 0; v < 8; v++) _mm256_storeu_ps(y + 8 * v, sums[v]);
}

VECTOR_INLINE void accumulate_plain(enum vector_format format, const uint8_t *elements,
                                    size_t outputs, const uint32_t *active,
                                    const float *coefficients, size_t count, float *y) {
    const size_t whole_tiles = outputs / tile_outputs;
    const size_t rest = outputs - whole_tiles * tile_outputs;
    const size_t tile_bytes = tile_outputs * element_bytes(format);
    const size_t slot_bytes = (whole_tiles + (rest != 0)) * tile_bytes;
    for (size_t first = 0; first < count; first += plain_group) {
        const size_t found = count - first < plain_group ? count - first : plain_group;
        const uint8_t *neurons[plain_group];
        for (size_t k = 0; k < found; k++) neurons[k] = elements + active[first + k] * slot_bytes;
        for (size_t tile = 0; tile < whole_tiles; tile++) {
            plain_tile(format, neurons, tile * tile_bytes, coefficients + first, found,
                       y + tile * tile_outputs);
        }
        if (rest != 0) {
            float padded[tile_outputs] = {0};
            memcpy(padded, y + whole_tiles * tile_outputs, rest * sizeof *y);
            plain_tile(format, neurons, whole_tiles * tile_bytes, coefficients + first, found,
                       padded);
            memcpy(y + whole_tiles * tile_outputs, padded, rest * sizeof *y);
        }
    }
}

VECTOR_TARGET void vector_accumulate_plain(enum vector_format format, const uint8_t *elements,
                                           size_t outputs, const uint32_t *active,
                                           const float *coefficients, size_t count, float *y) {
#define PLAIN(constant)                                                                    \
    case constant:                                                                         \
        accumulate_plain(constant, elements, outputs, active, coefficients, count, y);     \
        break;
    switch (format) {
        PLAIN(VECTOR_F32)
        PLAIN(VECTOR_F16)
        PLAIN(VECTOR_BF16)
    default: __builtin_trap();
    }
#undef PLAIN
}

#endif
