// Processors without these instruction sets: the kernels exist, so that programs link, and are
// never called, because `vector_kernels_supported` is zero.

#include "CVectorKernels.h"

#if !defined(__x86_64__)

int vector_kernels_supported(void) { return 0; }

#define ABSENT \
    { __builtin_trap(); }

void vector_arrange(enum vector_format f, const float *x, size_t c, float *o) ABSENT
void vector_multiply_rows(enum vector_format f, const uint8_t *w, size_t b, size_t c,
                          const uint32_t *s, size_t n, const float *x, float *y) ABSENT
void vector_multiply_batch(enum vector_format f, const uint8_t *w, size_t b, size_t c, size_t r,
                           const float *x, size_t t, float *y, size_t s) ABSENT
void vector_accumulate_quantised(enum vector_format f, const uint8_t *c, const uint8_t *s,
                                 size_t o, const uint32_t *b, const uint32_t *a, const float *k,
                                 size_t n, float *y) ABSENT
void vector_accumulate_plain(enum vector_format f, const uint8_t *e, size_t o,
                             const uint32_t *a, const float *k, size_t n, float *y) ABSENT
void vector_accumulate_wide(enum vector_format f, const uint8_t *c, const uint8_t *s, size_t o,
                            const uint32_t *b, const uint32_t *a, const float *k, size_t n,
                            double *y) ABSENT
void vector_rms_norm(const float *x, const float *w, size_t n, float e, float *o) ABSENT
void vector_layer_norm(const float *x, const float *w, const float *b, size_t n, float e,
                       float *o) ABSENT
void vector_add(const float *x, size_t n, float *y) ABSENT
void vector_exp(const float *x, size_t n, float *o) ABSENT
void vector_silu_multiply(const float *g, const float *u, size_t n, float *o) ABSENT
void vector_softmax(float *x, size_t n) ABSENT
void vector_rotate(float *x, const float *c, const float *s, size_t p, int i) ABSENT
size_t vector_shifted_activity(const float *g, const float *m, const float *w, size_t n, float t,
                               uint32_t *a, float *s) ABSENT
void vector_attention(const float *q, size_t h, size_t d, const float *k, const float *v,
                      size_t p, float s, float *w, float *c) ABSENT

#endif
