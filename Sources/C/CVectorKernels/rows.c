// Matrix times vector over rows as the file stores them.

#include "lanes.h"

#if defined(__x86_64__)

int vector_kernels_supported(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
           && __builtin_cpu_supports("f16c");
}

/// How early weights are asked for, in bytes: hardware prefetching stops at every page.
enum { ahead_bytes = 4096 };

/// Rows in the order of their use.
struct row_walk {
    const uint8_t *weights;
    size_t row_bytes;
    const uint32_t *selected;  ///< NULL: all rows
    size_t count;
};

VECTOR_INLINE const uint8_t *walk_row(const struct row_walk *walk, size_t k) {
    return walk->weights + walk->row_bytes * (walk->selected ? walk->selected[k] : k);
}

/// Where the bytes lie that follow row k by `ahead_bytes` in the order of use: for offset o of
/// row k, `before[o]` while o < split, then `after[o]`.
struct row_ahead {
    const uint8_t *before;
    const uint8_t *after;
    size_t split;
};

VECTOR_INLINE struct row_ahead look_ahead(const struct row_walk *walk, size_t k) {
    const size_t rows = walk->row_bytes ? ahead_bytes / walk->row_bytes : 0;
    const size_t rest = ahead_bytes - rows * walk->row_bytes;
    const size_t last = walk->count - 1;
    const uint8_t *first = walk_row(walk, k + rows < last ? k + rows : last);
    const uint8_t *second = walk_row(walk, k + rows + 1 < last ? k + rows + 1 : last);
    return (struct row_ahead){first + rest, second - (walk->row_bytes - rest),
                              walk->row_bytes - rest};
}

VECTOR_INLINE void prefetch_ahead(struct row_ahead ahead, size_t offset) {
    const uint8_t *address = (offset < ahead.split ? ahead.before : ahead.after) + offset;
    _mm_prefetch((const char *)address, _MM_HINT_T1);
}

/// Element i goes to sum i mod 32; the 32 sums are added as `accumulator_total` says.
VECTOR_INLINE float plain_dot(enum vector_format format, const struct row_walk *walk, size_t k,
                              const float *x, size_t columns) {
    const size_t width = element_bytes(format);
    const uint8_t *row = walk_row(walk, k);
    const size_t whole = columns / 32 * 32;
    const struct row_ahead ahead = look_ahead(walk, k);
    __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                      _mm256_setzero_ps()};
    for (size_t column = 0; column < whole; column += 32) {
        prefetch_ahead(ahead, column * width);
        if (format == VECTOR_F32) prefetch_ahead(ahead, column * width + 64);
        for (int i = 0; i < 4; i++) {
            __m256 weight = load_plain(format, row + (column + 8 * i) * width);
            sums[i] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(x + column + 8 * i), sums[i]);
        }
    }
    if (whole < columns) {
        plain_tail(format, row + whole * width, x + whole, columns - whole, sums);
    }
    return accumulator_total(sums);
}

/// Codes times x of one block in eight lanes. `x` is as `vector_arrange` left it, so that a
/// mask, at most after a shift, isolates a vector of codes.
VECTOR_INLINE __m256 block_sum(enum vector_format format, const uint8_t *codes,
                               const float *x) {
    if (format == VECTOR_Q8_0) {
        const __m256i top = _mm256_set1_epi32((int)0xFF000000);
        __m256i words = _mm256_loadu_si256((const __m256i *)codes);
        __m256i vectors[4] = {_mm256_slli_epi32(words, 24),
                              _mm256_and_si256(_mm256_slli_epi32(words, 16), top),
                              _mm256_and_si256(_mm256_slli_epi32(words, 8), top),
                              _mm256_and_si256(words, top)};
        __m256 sum = _mm256_setzero_ps();
        for (int i = 0; i < 4; i++) {
            __m256 code = _mm256_cvtepi32_ps(vectors[i]);
            sum = _mm256_fmadd_ps(code, _mm256_loadu_ps(x + 8 * i), sum);
        }
        return sum;
    }
    const __m256i even = _mm256_setr_epi32(15, 15, 15, 15, 240, 240, 240, 240);
    const __m256i odd = _mm256_slli_epi32(even, 8);
    __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)codes));
    __m256i high = _mm256_srli_epi32(low, 16);
    __m256i vectors[4] = {_mm256_and_si256(low, even), _mm256_and_si256(low, odd),
                          _mm256_and_si256(high, even), _mm256_and_si256(high, odd)};
    __m256 sum = _mm256_setzero_ps();
    if (format == VECTOR_Q4_0) {
        sum = _mm256_mul_ps(_mm256_set1_ps(-8), _mm256_loadu_ps(x + 32));
    }
    for (int i = 0; i < 4; i++) {
        __m256 code = _mm256_cvtepi32_ps(vectors[i]);
        sum = _mm256_fmadd_ps(code, _mm256_loadu_ps(x + 8 * i), sum);
    }
    return sum;
}

/// Per block: codes times x in eight lanes, then the scale once. Q4_1's offsets times lane sums
/// are a second sum, so that the two do not wait for each other.
VECTOR_INLINE float quantised_dot(enum vector_format format, const struct row_walk *walk,
                                  size_t k, const float *x, size_t columns) {
    const uint8_t *row = walk_row(walk, k);
    const struct row_ahead ahead = look_ahead(walk, k);
    __m256 total = _mm256_setzero_ps();
    __m256 offset_total = _mm256_setzero_ps();
    for (size_t b = 0; b < columns / 32; b++, x += arranged_block) {
        const uint8_t *block = row + b * block_bytes(format);
        prefetch_ahead(ahead, b * block_bytes(format));
        __m256 sum = block_sum(format, block + (format == VECTOR_Q4_1 ? 4 : 2), x);
        __m128 scales = block_scales(block);
        total = _mm256_fmadd_ps(_mm256_broadcastss_ps(scales), sum, total);
        if (format == VECTOR_Q4_1) {
            __m256 offset = _mm256_broadcastss_ps(_mm_movehdup_ps(scales));
            offset_total = _mm256_fmadd_ps(offset, _mm256_loadu_ps(x + 32), offset_total);
        }
    }
    return lane_total(_mm256_add_ps(total, offset_total));
}

VECTOR_INLINE void multiply_rows(enum vector_format format, const uint8_t *weights,
                                 size_t row_bytes, size_t columns, const uint32_t *selected,
                                 size_t count, const float *x, float *y) {
    const struct row_walk walk = {weights, row_bytes, selected, count};
    for (size_t k = 0; k < count; k++) {
        y[k] = format <= VECTOR_BF16 ? plain_dot(format, &walk, k, x, columns)
                                     : quantised_dot(format, &walk, k, x, columns);
    }
}

VECTOR_TARGET void vector_multiply_rows(enum vector_format format, const uint8_t *weights,
                                        size_t row_bytes, size_t columns,
                                        const uint32_t *selected, size_t count, const float *x,
                                        float *y) {
    // One specialised loop per format: the calls are inlined with a constant.
#define ROWS(constant)                                                                        \
    case constant:                                                                            \
        multiply_rows(constant, weights, row_bytes, columns, selected, count, x, y);          \
        break;
    switch (format) {
        ROWS(VECTOR_F32)
        ROWS(VECTOR_F16)
        ROWS(VECTOR_BF16)
        ROWS(VECTOR_Q8_0)
        ROWS(VECTOR_Q4_0)
        ROWS(VECTOR_Q4_1)
    }
#undef ROWS
}

VECTOR_TARGET void vector_arrange(enum vector_format format, const float *x, size_t columns,
                                  float *out) {
    // Codes are isolated in place, hence multiplied by a power of two; x takes it back.
    static const float scales[2] = {1, 0x1p-8f};
    for (size_t block = 0; block < columns / 32; block++, x += 32, out += arranged_block) {
        for (size_t i = 0; i < 4; i++) {
            for (size_t lane = 0; lane < 8; lane++) {
                if (format == VECTOR_Q8_0) {
                    out[8 * i + lane] = x[4 * lane + i] * 0x1p-24f;
                } else {
                    float scale = scales[i & 1] * (lane < 4 ? 1 : 0x1p-4f);
                    out[8 * i + lane] = x[16 * (lane / 4) + 4 * (lane & 3) + i] * scale;
                }
            }
        }
        for (size_t lane = 0; lane < 8; lane++) {
            out[32 + lane] = (x[lane] + x[lane + 8]) + (x[lane + 16] + x[lane + 24]);
        }
    }
}

#endif
