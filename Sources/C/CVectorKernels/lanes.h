#pragma once
// What the vector files share: the instruction sets, and sums whose order is part of the result.

#include "CVectorKernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

// A product is fused with a sum only where the source says so, or results would depend on the
// compiler.
#pragma STDC FP_CONTRACT OFF

#define VECTOR_TARGET __attribute__((target("avx2,fma,f16c")))
#define VECTOR_INLINE static inline __attribute__((always_inline, target("avx2,fma,f16c")))

/// ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7)).
VECTOR_INLINE float lane_total(__m256 lanes) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/// Of four accumulators, lane by lane, then `lane_total`.
VECTOR_INLINE float accumulator_total(const __m256 sums[4]) {
    return lane_total(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]),
                                    _mm256_add_ps(sums[2], sums[3])));
}

VECTOR_INLINE __m256i tail_mask(size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lane);
}

/// Eight elements, or the `count` < 8 that are left followed by zeros.
VECTOR_INLINE __m256 load_lanes(const float *x, size_t count) {
    return count >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, tail_mask(count));
}

VECTOR_INLINE void store_lanes(float *x, size_t count, __m256 lanes) {
    if (count >= 8) {
        _mm256_storeu_ps(x, lanes);
    } else {
        _mm256_maskstore_ps(x, tail_mask(count), lanes);
    }
}

/// Eight elements of a plain format, as float.
VECTOR_INLINE __m256 load_plain(enum vector_format format, const uint8_t *elements) {
    if (format == VECTOR_F32) return _mm256_loadu_ps((const float *)elements);
    __m128i half = _mm_loadu_si128((const __m128i *)elements);
    if (format == VECTOR_F16) return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

VECTOR_INLINE size_t element_bytes(enum vector_format format) {
    return format == VECTOR_F32 ? 4 : 2;
}

VECTOR_INLINE float load_scalar(enum vector_format format, const uint8_t *element) {
    uint16_t half;
    float value;
    if (format == VECTOR_F32) {
        memcpy(&value, element, sizeof value);
        return value;
    }
    memcpy(&half, element, sizeof half);
    if (format == VECTOR_F16) return _cvtsh_ss(half);
    uint32_t bits = (uint32_t)half << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/// The `columns` < 32 elements at the end of a row.
VECTOR_INLINE void plain_tail(enum vector_format format, const uint8_t *elements,
                              const float *x, size_t columns, __m256 sums[4]) {
    float lanes[32];
    for (int i = 0; i < 4; i++) _mm256_storeu_ps(lanes + 8 * i, sums[i]);
    for (size_t i = 0; i < columns; i++) {
        float weight = load_scalar(format, elements + i * element_bytes(format));
        lanes[i] = __builtin_fmaf(weight, x[i], lanes[i]);
    }
    for (int i = 0; i < 4; i++) sums[i] = _mm256_loadu_ps(lanes + 8 * i);
}

/// Of two float vectors, in the order of `plain_dot`.
VECTOR_INLINE float dot_lanes(const float *a, const float *b, size_t count) {
    const size_t whole = count / 32 * 32;
    __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                      _mm256_setzero_ps()};
    for (size_t k = 0; k < whole; k += 32) {
        for (size_t i = 0; i < 4; i++) {
            __m256 left = _mm256_loadu_ps(a + k + 8 * i);
            sums[i] = _mm256_fmadd_ps(left, _mm256_loadu_ps(b + k + 8 * i), sums[i]);
        }
    }
    if (whole < count) {
        plain_tail(VECTOR_F32, (const uint8_t *)(a + whole), b + whole, count - whole, sums);
    }
    return accumulator_total(sums);
}

/// Floats per block of an arranged vector: 32 elements and 8 lane sums.
enum { arranged_block = 40 };

VECTOR_INLINE size_t block_bytes(enum vector_format format) {
    return format == VECTOR_Q8_0 ? 34 : format == VECTOR_Q4_0 ? 18 : 20;
}

/// The 32 codes of a block as float, elements 8 i ... 8 i + 7 in codes[i]; Q4_0 less 8.
VECTOR_INLINE void block_codes(enum vector_format format, const uint8_t *block,
                               __m256 codes[4]) {
    if (format == VECTOR_Q8_0) {
        for (int i = 0; i < 4; i++) {
            __m128i eight = _mm_loadl_epi64((const __m128i *)(block + 2 + 8 * i));
            codes[i] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight));
        }
        return;
    }
    const __m128i low_nibbles = _mm_set1_epi8(15);
    __m128i packed = _mm_loadu_si128((const __m128i *)(block + block_bytes(format) - 16));
    __m128i low = _mm_and_si128(packed, low_nibbles);
    __m128i high = _mm_and_si128(_mm_srli_epi16(packed, 4), low_nibbles);
    if (format == VECTOR_Q4_0) {
        low = _mm_sub_epi8(low, _mm_set1_epi8(8));
        high = _mm_sub_epi8(high, _mm_set1_epi8(8));
    }
    codes[0] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low));
    codes[1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(low, low)));
    codes[2] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high));
    codes[3] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(high, high)));
}

/// A block's scale in lane 0 and, for Q4_1, its offset in lane 1.
VECTOR_INLINE __m128 block_scales(const uint8_t *block) {
    int32_t halves;
    memcpy(&halves, block, sizeof halves);
    return _mm_cvtph_ps(_mm_cvtsi32_si128(halves));
}

/// e^x within 2 units in the last place; written out at `exponential` in Kernels.
VECTOR_INLINE __m256 exp_lanes(__m256 x) {
    const __m256 magic = _mm256_set1_ps(0x1.8p23f);
    x = _mm256_min_ps(_mm256_set1_ps(89), x);
    x = _mm256_max_ps(_mm256_set1_ps(-104), x);
    __m256 rounded = _mm256_fmadd_ps(x, _mm256_set1_ps(0x1.715476p0f), magic);
    __m256 n = _mm256_sub_ps(rounded, magic);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.62e4p-1f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.7f7d1cp-20f), r);
    __m256 p = _mm256_set1_ps(1.0f / 5040);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    __m256i power = _mm256_sub_epi32(_mm256_castps_si256(rounded), _mm256_castps_si256(magic));
    __m256i half = _mm256_srai_epi32(power, 1);
    __m256i rest = _mm256_sub_epi32(power, half);
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i second = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(first));
    return _mm256_mul_ps(p, _mm256_castsi256_ps(second));
}

/// x / (1 + e^-x).
VECTOR_INLINE __m256 silu_lanes(__m256 x) {
    __m256 negated = _mm256_xor_ps(x, _mm256_set1_ps(-0.0f));
    __m256 divisor = _mm256_add_ps(_mm256_set1_ps(1), exp_lanes(negated));
    return _mm256_div_ps(x, divisor);
}

/// Minus infinity for none; elements that are not numbers are passed over.
VECTOR_INLINE float largest_element(const float *x, size_t count) {
    __m256 lanes = _mm256_set1_ps(-__builtin_inff());
    size_t i = 0;
    for (; i + 8 <= count; i += 8) lanes = _mm256_max_ps(_mm256_loadu_ps(x + i), lanes);
    float eight[8];
    _mm256_storeu_ps(eight, lanes);
    float largest = eight[0];
    for (int lane = 1; lane < 8; lane++) largest = eight[lane] > largest ? eight[lane] : largest;
    for (; i < count; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/// e^(x - max) over their sum, in place; the sum in eight lanes.
VECTOR_INLINE void softmax_lanes(float *x, size_t count) {
    const float largest = largest_element(x, count);
    __m256 sums = _mm256_setzero_ps();
    for (size_t i = 0; i < count; i += 8) {
        const size_t left = count - i;
        __m256 shifted = _mm256_sub_ps(load_lanes(x + i, left), _mm256_set1_ps(largest));
        __m256 power = exp_lanes(shifted);
        if (left < 8) power = _mm256_and_ps(power, _mm256_castsi256_ps(tail_mask(left)));
        store_lanes(x + i, left, power);
        sums = _mm256_add_ps(sums, power);
    }
    const __m256 factor = _mm256_set1_ps(1 / lane_total(sums));
    for (size_t i = 0; i < count; i += 8) {
        store_lanes(x + i, count - i, _mm256_mul_ps(load_lanes(x + i, count - i), factor));
    }
}

#endif
