/* Vectors of float32 as wide as the processor's: what gru_float.h needs of them, chosen by the compiler's own macros.
   Without any a vector has one number. */
#ifndef GRU_FLOAT_VECTOR_H
#define GRU_FLOAT_VECTOR_H

#include <stddef.h>
#include <stdint.h>

/* Numbers in a vector, and blocks of 16 rows that are multiplied at once: as many sums as hide an addition's latency and
   as registers hold. */
#if defined(GRU_PLAIN)
#define GRU_LANES 1
#elif defined(__AVX512F__)
#define GRU_LANES 16
#define GRU_BLOCKS 8
#elif defined(__AVX2__) && defined(__FMA__)
#define GRU_LANES 8
#define GRU_BLOCKS 4
#elif defined(__aarch64__) && defined(__ARM_NEON)
#define GRU_LANES 4
#define GRU_BLOCKS 4
#elif defined(__SSE2__) || defined(__wasm_simd128__)
#define GRU_LANES 4
#define GRU_BLOCKS 2
#else
#define GRU_LANES 1
#endif
#if GRU_LANES == 1
#define GRU_BLOCKS 1
#endif

#if defined(__clang__)
#define GRU_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define GRU_UNROLL _Pragma("GCC unroll 16")
#else
#define GRU_UNROLL
#endif
#if defined(__GNUC__)
#define GRU_INLINE inline __attribute__((always_inline))
#else
#define GRU_INLINE inline
#endif

#if GRU_LANES > 1

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

typedef float gru_floats __attribute__((vector_size(4 * GRU_LANES)));
typedef int32_t gru_ints __attribute__((vector_size(4 * GRU_LANES)));
typedef float gru_anywhere __attribute__((vector_size(4 * GRU_LANES), aligned(4), may_alias));

static inline gru_floats gru_load(const float *p) { return *(const gru_anywhere *)(const void *)p; }
static inline void gru_store(float *p, gru_floats v) { *(gru_anywhere *)(void *)p = v; }
static inline gru_floats gru_from_bits(gru_ints v) { return (gru_floats)v; }
static inline gru_ints gru_to_ints(gru_floats v) { return __builtin_convertvector(v, gru_ints); }
static inline gru_floats gru_to_floats(gru_ints v) { return __builtin_convertvector(v, gru_floats); }

#if defined(__AVX512F__)
static inline gru_floats gru_all(float s) { return (gru_floats)_mm512_set1_ps(s); }
static inline gru_floats gru_fma(gru_floats a, gru_floats b, gru_floats c) {
    return (gru_floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
static inline gru_floats gru_clip(gru_floats v, float most) {
    const __m512 limit = _mm512_set1_ps(most);
    return (gru_floats)_mm512_max_ps(_mm512_min_ps((__m512)v, limit), _mm512_sub_ps(_mm512_setzero_ps(), limit));
}
#elif defined(__AVX2__)
static inline gru_floats gru_all(float s) { return (gru_floats)_mm256_set1_ps(s); }
static inline gru_floats gru_fma(gru_floats a, gru_floats b, gru_floats c) {
    return (gru_floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
static inline gru_floats gru_clip(gru_floats v, float most) {
    const __m256 limit = _mm256_set1_ps(most);
    return (gru_floats)_mm256_max_ps(_mm256_min_ps((__m256)v, limit), _mm256_sub_ps(_mm256_setzero_ps(), limit));
}
#else
static inline gru_floats gru_all(float s) {
    const gru_floats v = {s, s, s, s};
    return v;
}
static inline gru_floats gru_clip(gru_floats v, float most) {
    const gru_ints above = (gru_ints)(v > gru_all(most)), below = (gru_ints)(v < gru_all(-most));
    const gru_ints high = above & (gru_ints)gru_all(most), low = below & (gru_ints)gru_all(-most);
    return (gru_floats)(((gru_ints)v & ~(above | below)) | high | low);
}
#if defined(__ARM_NEON)
static inline gru_floats gru_fma(gru_floats a, gru_floats b, gru_floats c) {
    return (gru_floats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
#elif defined(__wasm_relaxed_simd__)
static inline gru_floats gru_fma(gru_floats a, gru_floats b, gru_floats c) {
    return (gru_floats)__builtin_wasm_relaxed_madd_f32x4(a, b, c);
}
#else
static inline gru_floats gru_fma(gru_floats a, gru_floats b, gru_floats c) { return a * b + c; }
#endif
#endif

#else

typedef float gru_floats;
typedef int32_t gru_ints;

static inline gru_floats gru_load(const float *p) { return *p; }
static inline void gru_store(float *p, gru_floats v) { *p = v; }
static inline gru_ints gru_to_ints(gru_floats v) { return (gru_ints)v; }
static inline gru_floats gru_to_floats(gru_ints v) { return (gru_floats)v; }
static inline gru_floats gru_all(float s) { return s; }
static inline gru_floats gru_clip(gru_floats v, float most) { return v > most ? most : v < -most ? -most : v; }
static inline gru_floats gru_from_bits(gru_ints v) {
    union {
        gru_ints bits;
        gru_floats value;
    } both;
    both.bits = v;
    return both.value;
}
#if defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA)
#include <math.h>
static inline gru_floats gru_fma(gru_floats a, gru_floats b, gru_floats c) { return fmaf(a, b, c); }
#else
static inline gru_floats gru_fma(gru_floats a, gru_floats b, gru_floats c) { return a * b + c; }
#endif

#endif

#endif
