/* What gru_fixed.h needs of a processor: sums of products of a block's rows, their pre-activations, and vectors of int16.
   Chosen by the compiler's own macros; GRU_PLAIN asks for plain C. Every path gives the same numbers, since no sum can
   leave its 32 or 64 bits; what is added beyond them on the way, and taken away again, wraps around.

   The layout of a block of 16 rows, q being (16, K) with K filled up with zeros to whole fours, of FOURS to whole eights:

   PAIRS   for each two columns k, k + 1 eight words; from the lowest byte up, word i is q[i, k] + 128, q[i + 8, k],
           q[i, k + 1] + 128, q[i + 8, k + 1]. Each half of it is 256 q[i + 8] + q[i] + 128: with such halves, and with
           their high bytes alone, two products of pairs give both rows, once 128 times the sum of x is taken away.
   QUADS   sixteen words, -128 times the sum of each row; then for each four columns sixteen words, word i having
           q[i, k] ... q[i, k + 3]. For processors that multiply bytes by fours: x is split into its two.
   FOURS   for each four rows and each eight columns those columns of the first row, of the second and so on. */
#ifndef GRU_FIXED_VECTOR_H
#define GRU_FIXED_VECTOR_H

#include <stddef.h>
#include <stdint.h>

#define GRU_FIXED_ROWS 16
#define GRU_FIXED_PAIRS 1
#define GRU_FIXED_QUADS 2
#define GRU_FIXED_FOURS 3

#if defined(__GNUC__)
#define GRU_FIXED_INLINE inline __attribute__((always_inline))
#else
#define GRU_FIXED_INLINE inline
#endif
#if defined(__clang__)
#define GRU_FIXED_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define GRU_FIXED_UNROLL _Pragma("GCC unroll 16")
#else
#define GRU_FIXED_UNROLL
#endif

/* Of each segment of tanh the coefficients of 1, t, t^2 and t^3. */
static const int16_t gru_fixed_cubics[4][16] = {
    {0, 15141, 24956, 29660, 31590, 32329, 32606, 32708, 32746, 32760, 32765, 32767, 32767, 32767, 32767, 32767},
    {16428, 12940, 6877, 2949, 1148, 436, 161, 61, 22, 7, 3, 2, 0, 0, 0, 0},
    {-239, -3273, -2608, -1280, -520, -205, -75, -31, -11, -2, -3, -6, 0, 0, 0, 0},
    {-1049, 146, 435, 261, 112, 46, 16, 8, 3, 0, 2, 4, 0, 0, 0, 0},
};

/* The high word, rounded down: shifts must keep the sign. */
typedef char gru_fixed_shifts_keep_the_sign[(-1 >> 1) == -1 ? 1 : -1];
static inline int32_t gru_fixed_high(int64_t wide) { return (int32_t)(wide >> 32); }

#if defined(GRU_PLAIN)
#include "gru_fixed_plain.h"
#elif defined(__AVX2__)
#include "gru_fixed_x86.h"
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN)
#include "gru_fixed_neon.h"
#elif defined(__wasm_simd128__)
#include "gru_fixed_wasm.h"
#elif defined(__ARM_FEATURE_MVE) && !defined(__ARM_BIG_ENDIAN)
#include "gru_fixed_helium.h"
#elif defined(__ARM_FEATURE_DSP) && !defined(__ARM_BIG_ENDIAN)
#include "gru_fixed_dsp.h"
#else
#include "gru_fixed_plain.h"
#endif

#if GRU_FIXED_LAYOUT == GRU_FIXED_QUADS
#define GRU_FIXED_HEAD GRU_FIXED_ROWS
#define GRU_FIXED_SPLIT(count) (count)
#else
#define GRU_FIXED_HEAD 0
#define GRU_FIXED_SPLIT(count) (0 * (count))
#endif

/* Columns of a matrix with so many, filled up. */
static inline size_t gru_fixed_columns(size_t count) {
#if GRU_FIXED_LAYOUT == GRU_FIXED_FOURS
    return (count + 7) / 8 * 8;
#else
    return (count + 3) / 4 * 4;
#endif
}

/* A weight of a block with so many columns, filled up. */
static inline int32_t gru_fixed_weight(const uint32_t *block, size_t columns, size_t row, size_t column) {
#if GRU_FIXED_LAYOUT == GRU_FIXED_PAIRS
    const uint32_t word = block[column / 2 * 8 + row % 8] ^ 0x800080u;
    (void)columns;
    return (int32_t)(((word >> (row / 8 * 8 + column % 2 * 16)) & 255u) ^ 128u) - 128;
#elif GRU_FIXED_LAYOUT == GRU_FIXED_QUADS
    (void)columns;
    return (int32_t)(((block[GRU_FIXED_HEAD + column / 4 * 16 + row] >> (column % 4 * 8)) & 255u) ^ 128u) - 128;
#else
    const size_t at = (row / 4 * columns + column / 8 * 8) * 4 + row % 4 * 8 + column % 8;
    return (int32_t)(((block[at / 4] >> (at % 4 * 8)) & 255u) ^ 128u) - 128;
#endif
}

#endif
