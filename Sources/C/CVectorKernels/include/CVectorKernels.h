#pragma once
// Inner loops for x86-64 with AVX2, FMA and F16C, which the compiler may not assume of every
// machine: Swift has no per-function target, C has. Target `Kernels` holds the same functions
// in Swift, defines their order of summation, and is the only caller; its tests require equal
// bits. Call nothing here unless `vector_kernels_supported` returned nonzero.
//
// Callers have checked every length. No pointer needs alignment. Outputs
// overlap no input, except where a comment says "in place". The checksum at the end stands apart:
// its instruction is older, it has a `supported` of its own, and target `RingTransport` calls it.

#include <stddef.h>
#include <stdint.h>

/// The types of a model file that these kernels read; see `WeightFormat`.
enum vector_format {
    VECTOR_F32,
    VECTOR_F16,
    VECTOR_BF16,
    VECTOR_Q8_0,
    VECTOR_Q4_0,
    VECTOR_Q4_1
};

/// Nonzero when this processor and its operating system run AVX2, FMA and F16C.
int vector_kernels_supported(void);

// Row-major matrices, [rows, columns] as in the file.

/// Prepares x for rows of a quantised format: 40 floats for every 32 of x, namely its elements
/// scaled and in the order in which codes are unpacked, then their sum in eight lanes.
void vector_arrange(enum vector_format format, const float *x, size_t columns, float *out);

/// y[k] = row(k) . x, where row(k) is selected[k], or k when `selected` is NULL.
/// For quantised formats x is what `vector_arrange` wrote.
void vector_multiply_rows(enum vector_format format, const uint8_t *weights, size_t row_bytes,
                          size_t columns, const uint32_t *selected, size_t count,
                          const float *x, float *y);

/// y[t * y_stride + r] = row r . x[t], for `rows` rows and `tokens` rows of x.
void vector_multiply_batch(enum vector_format format, const uint8_t *weights, size_t row_bytes,
                           size_t columns, size_t rows, const float *x, size_t tokens,
                           float *y, size_t y_stride);

// Neuron-major matrices; the layout is described at `NeuronMajorLayout`.

/// Active neurons of a quantised shard: y += sum over k of coefficients[k] * column(active[k]).
void vector_accumulate_quantised(enum vector_format format, const uint8_t *codes,
                                 const uint8_t *scales, size_t outputs,
                                 const uint32_t *block_of_slot, const uint32_t *active,
                                 const float *coefficients, size_t count, float *y);

/// The same for F32, F16 and BF16.
void vector_accumulate_plain(enum vector_format format, const uint8_t *elements, size_t outputs,
                             const uint32_t *active, const float *coefficients, size_t count,
                             float *y);

/// As `vector_accumulate_quantised`, with every sum in double precision.
void vector_accumulate_wide(enum vector_format format, const uint8_t *codes,
                            const uint8_t *scales, size_t outputs, const uint32_t *block_of_slot,
                            const uint32_t *active, const float *coefficients, size_t count,
                            double *y);

// Vectors.

void vector_rms_norm(const float *x, const float *weight, size_t count, float epsilon,
                     float *out);
void vector_layer_norm(const float *x, const float *weight, const float *bias, size_t count,
                       float epsilon, float *out);
/// y += x, in place.
void vector_add(const float *x, size_t count, float *y);
void vector_exp(const float *x, size_t count, float *out);
void vector_silu_multiply(const float *gate, const float *up, size_t count, float *out);
/// In place.
void vector_softmax(float *x, size_t count);
/// In place; pairs (2i, 2i + 1) when `interleaved`, else (i, i + pairs).
void vector_rotate(float *x, const float *cosines, const float *sines, size_t pairs,
                   int interleaved);
/// Returns how many neurons are active; writes that many slots and shifted activations.
size_t vector_shifted_activity(const float *gates, const float *means, const float *weights,
                               size_t count, float threshold, uint32_t *active, float *shifted);
/// Query heads [heads, head_size] that share keys and values [positions, head_size].
/// `scores` [heads, positions] is scratch and ends as the attention weights.
void vector_attention(const float *queries, size_t heads, size_t head_size, const float *keys,
                      const float *values, size_t positions, float scale, float *scores,
                      float *context);

// Checksums.

/// Nonzero when this processor has the CRC-32C instruction of SSE4.2.
int vector_checksum_supported(void);

/// The checksum of a record; `RecordChecksum` defines it. Another process may write `bytes`
/// meanwhile: the result is then any number.
uint32_t vector_checksum(uint64_t header, const uint8_t *bytes, size_t count);
