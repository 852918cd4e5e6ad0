// Matrix times many vectors (prefill): rows are expanded once and used for every token.

#include "lanes.h"

#if defined(__x86_64__)

enum {
    panel_rows = 16,      ///< two vectors of rows
    panel_columns = 256,  ///< 16 KiB of expanded weights: half a first-level cache
    token_group = 6       ///< with two vectors of rows: twelve accumulators
};

/// Columns [column, column + count) of a row as float; count is 32 for quantised formats.
VECTOR_INLINE void expand(enum vector_format format, const uint8_t *row, size_t column,
                          size_t count, float *out) {
    if (format > VECTOR_BF16) {
        const uint8_t *block = row + column / 32 * block_bytes(format);
        __m128 scales = block_scales(block);
        __m256 scale = _mm256_broadcastss_ps(scales);
        __m256 offset = _mm256_broadcastss_ps(_mm_movehdup_ps(scales));
        __m256 codes[4];
        block_codes(format, block, codes);
        for (int i = 0; i < 4; i++) {
            __m256 value = _mm256_mul_ps(scale, codes[i]);
            if (format == VECTOR_Q4_1) value = _mm256_add_ps(value, offset);
            _mm256_storeu_ps(out + 8 * i, value);
        }
        return;
    }
    const uint8_t *elements = row + column * element_bytes(format);
    if (count == 32) {
        for (int i = 0; i < 4; i++) {
            __m256 value = load_plain(format, elements + 8 * i * element_bytes(format));
            _mm256_storeu_ps(out + 8 * i, value);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            out[i] = load_scalar(format, elements + i * element_bytes(format));
        }
    }
}

/// out[16 c + r] = in[32 r + c], for eight rows r and eight columns c.
VECTOR_INLINE void transpose_eight(const float *in, float *out) {
    __m256 row[8], pair[8], quad[8];
    for (int r = 0; r < 8; r++) row[r] = _mm256_loadu_ps(in + 32 * r);
    for (int r = 0; r < 8; r += 2) {
        pair[r] = _mm256_unpacklo_ps(row[r], row[r + 1]);
        pair[r + 1] = _mm256_unpackhi_ps(row[r], row[r + 1]);
    }
    for (int r = 0; r < 8; r += 4) {
        quad[r] = _mm256_shuffle_ps(pair[r], pair[r + 2], 0x44);
        quad[r + 1] = _mm256_shuffle_ps(pair[r], pair[r + 2], 0xEE);
        quad[r + 2] = _mm256_shuffle_ps(pair[r + 1], pair[r + 3], 0x44);
        quad[r + 3] = _mm256_shuffle_ps(pair[r + 1], pair[r + 3], 0xEE);
    }
    for (int c = 0; c < 4; c++) {
        _mm256_storeu_ps(out + 16 * c, _mm256_permute2f128_ps(quad[c], quad[c + 4], 0x20));
        _mm256_storeu_ps(out + 16 * (c + 4),
                         _mm256_permute2f128_ps(quad[c], quad[c + 4], 0x31));
    }
}

/// panel[16 c + r]: column first + c of row r, zero for r >= rows.
VECTOR_INLINE void fill_panel(enum vector_format format, const uint8_t *weights,
                              size_t row_bytes, size_t rows, size_t first, size_t columns,
                              float *panel) {
    float expanded[panel_rows * 32];
    if (rows < panel_rows) memset(expanded, 0, sizeof expanded);
    for (size_t column = 0; column < columns; column += 32) {
        const size_t count = columns - column < 32 ? columns - column : 32;
        for (size_t r = 0; r < rows; r++) {
            expand(format, weights + r * row_bytes, first + column, count, expanded + 32 * r);
        }
        float *out = panel + panel_rows * column;
        if (count == 32) {
            for (int c = 0; c < 32; c += 8) {
                transpose_eight(expanded + c, out + panel_rows * c);
                transpose_eight(expanded + c + 32 * 8, out + panel_rows * c + 8);
            }
        } else {
            for (size_t c = 0; c < count; c++) {
                for (size_t r = 0; r < panel_rows; r++) {
                    out[panel_rows * c + r] = expanded[32 * r + c];
                }
            }
        }
    }
}

/// Products of `tokens` tokens (a constant) with one panel, columns ascending; stored when
/// `first`, else added.
VECTOR_INLINE void multiply_panel(size_t tokens, const float *panel, size_t columns,
                                  const float *x, size_t x_stride, int first, size_t rows,
                                  float *y, size_t y_stride) {
    __m256 sums[token_group][2];
    for (size_t t = 0; t < tokens; t++) sums[t][0] = sums[t][1] = _mm256_setzero_ps();
    for (size_t c = 0; c < columns; c++) {
        __m256 low = _mm256_loadu_ps(panel + panel_rows * c);
        __m256 high = _mm256_loadu_ps(panel + panel_rows * c + 8);
        for (size_t t = 0; t < tokens; t++) {
            __m256 input = _mm256_broadcast_ss(x + t * x_stride + c);
            sums[t][0] = _mm256_fmadd_ps(input, low, sums[t][0]);
            sums[t][1] = _mm256_fmadd_ps(input, high, sums[t][1]);
        }
    }
    for (size_t t = 0; t < tokens; t++) {
        for (size_t half = 0; half < 2 && 8 * half < rows; half++) {
            float *out = y + t * y_stride + 8 * half;
            const size_t count = rows - 8 * half;
            __m256 sum = sums[t][half];
            if (!first) sum = _mm256_add_ps(load_lanes(out, count), sum);
            store_lanes(out, count, sum);
        }
    }
}

VECTOR_INLINE void multiply_tokens(const float *panel, size_t columns, const float *x,
                                   size_t x_stride, size_t tokens, int first, size_t rows,
                                   float *y, size_t y_stride) {
    size_t token = 0;
    for (; token + token_group <= tokens; token += token_group) {
        multiply_panel(token_group, panel, columns, x + token * x_stride, x_stride, first, rows,
                       y + token * y_stride, y_stride);
    }
#define REST(constant)                                                                     \
    case constant:                                                                         \
        multiply_panel(constant, panel, columns, x + token * x_stride, x_stride, first,    \
                       rows, y + token * y_stride, y_stride);                              \
        break;
    switch (tokens - token) {
        REST(1)
        REST(2)
        REST(3)
        REST(4)
        REST(5)
    }
#undef REST
}

VECTOR_TARGET static void fill_panel_of(enum vector_format format, const uint8_t *weights,
                                        size_t row_bytes, size_t rows, size_t first,
                                        size_t columns, float *panel) {
#define FILL(constant)                                                                     \
    case constant: fill_panel(constant, weights, row_bytes, rows, first, columns, panel); break;
    switch (format) {
        FILL(VECTOR_F32)
        FILL(VECTOR_F16)
        FILL(VECTOR_BF16)
        FILL(VECTOR_Q8_0)
        FILL(VECTOR_Q4_0)
        FILL(VECTOR_Q4_1)
    }
#undef FILL
}

VECTOR_TARGET void vector_multiply_batch(enum vector_format format, const uint8_t *weights,
                                         size_t row_bytes, size_t columns, size_t rows,
                                         const float *x, size_t tokens, float *y,
                                         size_t y_stride) {
    float panel[panel_rows * panel_columns];
    for (size_t row = 0; row < rows; row += panel_rows) {
        const size_t height = rows - row < panel_rows ? rows - row : panel_rows;
        for (size_t column = 0; column < columns; column += panel_columns) {
            const size_t left = columns - column;
            const size_t width = left < panel_columns ? left : panel_columns;
            fill_panel_of(format, weights + row * row_bytes, row_bytes, height, column, width,
                          panel);
            multiply_tokens(panel, width, x + column, columns, tokens, column == 0, height,
                            y + row, y_stride);
        }
    }
}

#endif
