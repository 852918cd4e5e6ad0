// Attention of the query heads that share one head of keys and values.

#include "lanes.h"

#if defined(__x86_64__)

enum {
    resident_positions = 64,  ///< values of so many positions stay in the first-level cache
    head_group = 3            ///< with four vectors of columns: twelve accumulators
};

/// `heads` (a constant) rows of weights times values, for `vectors` (a constant) vectors of
/// columns, of which the first `width` columns exist; positions ascending.
VECTOR_INLINE void mix_values(size_t heads, size_t vectors, const float *weights,
                              size_t weight_stride, const float *values, size_t head_size,
                              size_t positions, size_t width, float *context) {
    __m256 sums[head_group][4];
    for (size_t h = 0; h < heads; h++) {
        for (size_t v = 0; v < vectors; v++) {
            sums[h][v] = load_lanes(context + h * head_size + 8 * v, width - 8 * v);
        }
    }
    for (size_t p = 0; p < positions; p++) {
        for (size_t v = 0; v < vectors; v++) {
            __m256 value = load_lanes(values + p * head_size + 8 * v, width - 8 * v);
            for (size_t h = 0; h < heads; h++) {
                __m256 weight = _mm256_broadcast_ss(weights + h * weight_stride + p);
                sums[h][v] = _mm256_fmadd_ps(weight, value, sums[h][v]);
            }
        }
    }
    for (size_t h = 0; h < heads; h++) {
        for (size_t v = 0; v < vectors; v++) {
            store_lanes(context + h * head_size + 8 * v, width - 8 * v, sums[h][v]);
        }
    }
}

VECTOR_INLINE void mix_columns(size_t heads, const float *weights, size_t weight_stride,
                               const float *values, size_t head_size, size_t positions,
                               float *context) {
    size_t column = 0;
    for (; column + 32 <= head_size; column += 32) {
        mix_values(heads, 4, weights, weight_stride, values + column, head_size, positions, 32,
                   context + column);
    }
    for (; column < head_size; column += 8) {
        mix_values(heads, 1, weights, weight_stride, values + column, head_size, positions,
                   head_size - column, context + column);
    }
}

VECTOR_TARGET static void mix_heads(size_t heads, const float *weights, size_t weight_stride,
                                    const float *values, size_t head_size, size_t positions,
                                    float *context) {
    switch (heads) {
    case 1:
        mix_columns(1, weights, weight_stride, values, head_size, positions, context);
        break;
    case 2:
        mix_columns(2, weights, weight_stride, values, head_size, positions, context);
        break;
    default:
        mix_columns(3, weights, weight_stride, values, head_size, positions, context);
        break;
    }
}

VECTOR_TARGET void vector_attention(const float *queries, size_t heads, size_t head_size,
                                    const float *keys, const float *values, size_t positions,
                                    float scale, float *scores, float *context) {
    for (size_t p = 0; p < positions; p++) {
        for (size_t h = 0; h < heads; h++) {
            float score = dot_lanes(queries + h * head_size, keys + p * head_size, head_size);
            scores[h * positions + p] = score * scale;
        }
    }
    for (size_t h = 0; h < heads; h++) softmax_lanes(scores + h * positions, positions);
    memset(context, 0, heads * head_size * sizeof *context);
    for (size_t first = 0; first < positions; first += resident_positions) {
        const size_t left = positions - first;
        const size_t count = left < resident_positions ? left : resident_positions;
        for (size_t h = 0; h < heads; h += head_group) {
            const size_t group = heads - h < head_group ? heads - h : head_group;
            mix_heads(group, scores + h * positions + first, positions,
                      values + first * head_size, head_size, count, context + h * head_size);
        }
    }
}

#endif
