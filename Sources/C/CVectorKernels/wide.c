// Sums in double precision, for results that must not depend on how neurons are split.

#include "lanes.h"

#if defined(__x86_64__)

enum { wide_tile = 64 };

/// Eight floats, widened into two accumulators: sum[0] lanes 0...3, sum[1] lanes 4...7.
VECTOR_INLINE void widen_multiply_add(__m256 factor, __m256d by, __m256d sum[2]) {
    __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(factor));
    __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(factor, 1));
    sum[0] = _mm256_fmadd_pd(by, low, sum[0]);
    sum[1] = _mm256_fmadd_pd(by, high, sum[1]);
}

/// Vector v of a tile's codes as floats: lane l is output 8 v + l.
VECTOR_INLINE __m256 wide_codes(enum vector_format format, const uint8_t *codes, int v) {
    if (format == VECTOR_Q8_0) {
        return _mm256_cvtepi32_ps(
            _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(codes + 8 * v))));
    }
    __m256i words = _mm256_srl_epi32(_mm256_loadu_si256((const __m256i *)codes),
                                     _mm_cvtsi32_si128(4 * v));
    __m256i nibbles = _mm256_and_si256(words, _mm256_set1_epi32(15));
    if (format == VECTOR_Q4_0) nibbles = _mm256_sub_epi32(nibbles, _mm256_set1_epi32(8));
    return _mm256_cvtepi32_ps(nibbles);
}

/// y[0..<8] += scale * sum + offset * coefficient_sum, for one vector of outputs.
VECTOR_INLINE void wide_apply(enum vector_format format, const uint8_t *scales, int v,
                              double coefficient_sum, __m256d sum[2], double *y) {
    __m256d result[2] = {_mm256_loadu_pd(y), _mm256_loadu_pd(y + 4)};
    __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(scales + 16 * v)));
    __m256d scale_low = _mm256_cvtps_pd(_mm256_castps256_ps128(scale));
    __m256d scale_high = _mm256_cvtps_pd(_mm256_extractf128_ps(scale, 1));
    if (format == VECTOR_Q4_1) {
        const __m128i *offsets = (const __m128i *)(scales + 2 * wide_tile + 16 * v);
        widen_multiply_add(_mm256_cvtph_ps(_mm_loadu_si128(offsets)),
                           _mm256_set1_pd(coefficient_sum), result);
    }
    _mm256_storeu_pd(y, _mm256_fmadd_pd(scale_low, sum[0], result[0]));
    _mm256_storeu_pd(y + 4, _mm256_fmadd_pd(scale_high, sum[1], result[1]));
}

VECTOR_INLINE void wide_quantised(enum vector_format format, const uint8_t *codes,
                                  const uint8_t *scales, size_t outputs,
                                  const uint32_t *block_of_slot, const uint32_t *active,
                                  const float *coefficients, size_t count, double *y) {
    const size_t tiles = (outputs + wide_tile - 1) / wide_tile;
    const size_t code_bytes = format == VECTOR_Q8_0 ? wide_tile : wide_tile / 2;
    const size_t scale_bytes = (format == VECTOR_Q4_1 ? 4 : 2) * wide_tile;
    for (size_t first = 0, end; first < count; first = end) {
        const uint32_t block = block_of_slot[active[first]];
        double coefficient_sum = 0;
        for (end = first; end < count && block_of_slot[active[end]] == block; end++) {
            coefficient_sum += coefficients[end];
        }
        for (size_t tile = 0; tile < tiles; tile++) {
            const uint8_t *tile_scales = scales + (block * tiles + tile) * scale_bytes;
            double padded[8];
            for (int v = 0; v < 8; v++) {
                const size_t start = tile * wide_tile + 8 * (size_t)v;
                if (start >= outputs) break;
                __m256d sum[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
                for (size_t k = first; k < end; k++) {
                    const uint8_t *own = codes + (active[k] * tiles + tile) * code_bytes;
                    widen_multiply_add(wide_codes(format, own, v),
                                       _mm256_set1_pd(coefficients[k]), sum);
                }
                const size_t left = outputs - start;
                if (left >= 8) {
                    wide_apply(format, tile_scales, v, coefficient_sum, sum, y + start);
                } else {
                    memcpy(padded, y + start, left * sizeof *y);
                    wide_apply(format, tile_scales, v, coefficient_sum, sum, padded);
                    memcpy(y + start, padded, left * sizeof *y);
                }
            }
        }
    }
}

VECTOR_TARGET void vector_accumulate_wide(
    enum vector_format format, const uint8_t *codes, const uint8_t *scales, size_t outputs,
    const uint32_t *block_of_slot, const uint32_t *active, const float *coefficients,
    size_t count, double *y) {
    switch (format) {
    case VECTOR_Q8_0:
        wide_quantised(VECTOR_Q8_0, codes, scales, outputs, block_of_slot, active, coefficients,
                       count, y);
        break;
    case VECTOR_Q4_0:
        wide_quantised(VECTOR_Q4_0, codes, scales, outputs, block_of_slot, active, coefficients,
                       count, y);
        break;
    case VECTOR_Q4_1:
        wide_quantised(VECTOR_Q4_1, codes, scales, outputs, block_of_slot, active, coefficients,
                       count, y);
        break;
    case VECTOR_F32:
    case VECTOR_F16:
    case VECTOR_BF16:
        break;  // plain formats have no blocks; Swift sums them
    }
}

#endif
