// Norms, activation functions and rotations: vectors in, vectors out.

#include "lanes.h"

#if defined(__x86_64__)

/// Without `sqrtf`'s errno.
VECTOR_INLINE float square_root(float x) {
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
}

VECTOR_TARGET void vector_rms_norm(const float *x, const float *weight, size_t count,
                                   float epsilon, float *out) {
    const float mean = dot_lanes(x, x, count) / (float)count;
    const __m256 scale = _mm256_set1_ps(1 / square_root(mean + epsilon));
    for (size_t i = 0; i < count; i += 8) {
        __m256 scaled = _mm256_mul_ps(load_lanes(x + i, count - i), scale);
        __m256 result = _mm256_mul_ps(scaled, load_lanes(weight + i, count - i));
        store_lanes(out + i, count - i, result);
    }
}

VECTOR_TARGET void vector_layer_norm(const float *x, const float *weight, const float *bias,
                                     size_t count, float epsilon, float *out) {
    __m256 sums = _mm256_setzero_ps();
    for (size_t i = 0; i < count; i += 8) {
        sums = _mm256_add_ps(sums, load_lanes(x + i, count - i));
    }
    const __m256 mean = _mm256_set1_ps(lane_total(sums) / (float)count);
    __m256 squares = _mm256_setzero_ps();
    for (size_t i = 0; i < count; i += 8) {
        __m256 deviation = _mm256_sub_ps(load_lanes(x + i, count - i), mean);
        if (count - i < 8) {
            // Lanes beyond the end hold -mean, not zero.
            __m256 inside = _mm256_castsi256_ps(tail_mask(count - i));
            deviation = _mm256_and_ps(deviation, inside);
        }
        squares = _mm256_fmadd_ps(deviation, deviation, squares);
    }
    const float variance = lane_total(squares) / (float)count;
    const __m256 scale = _mm256_set1_ps(1 / square_root(variance + epsilon));
    for (size_t i = 0; i < count; i += 8) {
        const size_t left = count - i;
        __m256 deviation = _mm256_sub_ps(load_lanes(x + i, left), mean);
        __m256 scaled = _mm256_mul_ps(deviation, scale);
        __m256 shift = load_lanes(bias + i, left);
        store_lanes(out + i, left, _mm256_fmadd_ps(scaled, load_lanes(weight + i, left), shift));
    }
}

VECTOR_TARGET void vector_add(const float *x, size_t count, float *y) {
    for (size_t i = 0; i < count; i += 8) {
        __m256 sum = _mm256_add_ps(load_lanes(y + i, count - i), load_lanes(x + i, count - i));
        store_lanes(y + i, count - i, sum);
    }
}

VECTOR_TARGET void vector_exp(const float *x, size_t count, float *out) {
    for (size_t i = 0; i < count; i += 8) {
        store_lanes(out + i, count - i, exp_lanes(load_lanes(x + i, count - i)));
    }
}

VECTOR_TARGET void vector_silu_multiply(const float *gate, const float *up, size_t count,
                                        float *out) {
    for (size_t i = 0; i < count; i += 8) {
        __m256 activation = silu_lanes(load_lanes(gate + i, count - i));
        __m256 product = _mm256_mul_ps(activation, load_lanes(up + i, count - i));
        store_lanes(out + i, count - i, product);
    }
}

VECTOR_TARGET void vector_softmax(float *x, size_t count) {
    softmax_lanes(x, count);
}

VECTOR_TARGET void vector_rotate(float *x, const float *cosines, const float *sines,
                                 size_t pairs, int interleaved) {
    // Element by element, so the compiler may choose the lanes.
    for (size_t i = 0; i < pairs; i++) {
        float *first = interleaved ? x + 2 * i : x + i;
        float *second = interleaved ? first + 1 : first + pairs;
        const float a = *first, b = *second;
        *first = __builtin_fmaf(a, cosines[i], -(b * sines[i]));
        *second = __builtin_fmaf(a, sines[i], b * cosines[i]);
    }
}

VECTOR_TARGET size_t vector_shifted_activity(const float *gates, const float *means,
                                             const float *weights, size_t count,
                                             float threshold, uint32_t *active,
                                             float *shifted) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    size_t found = 0;
    for (size_t i = 0; i < count; i += 8) {
        const size_t left = count - i;
        __m256 activation = silu_lanes(load_lanes(gates + i, left));
        __m256 shift = _mm256_sub_ps(activation, load_lanes(means + i, left));
        __m256 magnitude = _mm256_andnot_ps(sign, shift);
        __m256 weighted = _mm256_mul_ps(load_lanes(weights + i, left), magnitude);
        __m256 above = _mm256_cmp_ps(weighted, _mm256_set1_ps(threshold), _CMP_GT_OQ);
        unsigned mask = (unsigned)_mm256_movemask_ps(above);
        if (left < 8) mask &= (1u << left) - 1;
        float lanes[8];
        _mm256_storeu_ps(lanes, shift);
        for (; mask != 0; mask &= mask - 1) {
            const unsigned lane = (unsigned)__builtin_ctz(mask);
            active[found] = (uint32_t)i + lane;
            shifted[found] = lanes[lane];
            found += 1;
        }
    }
    return found;
}

#endif
