/* gru_fixed_vector.h with Helium, the vectors of Cortex-M55: a row's sum is one instruction for eight columns. */
#ifndef GRU_FIXED_HELIUM_H
#define GRU_FIXED_HELIUM_H

#include <arm_mve.h>

#define GRU_FIXED_LAYOUT GRU_FIXED_FOURS
#define GRU_FIXED_BLOCKS 1
#define GRU_FIXED_LANES 8

/* What rows are multiplied with. */
typedef struct {
    const int16_t *x;
} gru_operand;

static inline gru_operand gru_fixed_operand(const int16_t *x, size_t K, int16_t *split) {
    gru_operand operand;
    (void)K;
    (void)split;
    operand.x = x;
    return operand;
}

/* Eight weights, from where the pointer stands to which it moves on: in one instruction, where intrinsics take two. */
static GRU_FIXED_INLINE int16x8_t gru_fixed_next(const int8_t **at) {
    int16x8_t eight;
    __asm__("vldrb.s16 %q0, [%1], #8" : "=w"(eight), "+l"(*at) : : "memory");
    return eight;
}

/* The sums of the 16 rows of a block, four at once. */
static GRU_FIXED_INLINE void gru_fixed_sums(const size_t count, const uint32_t *w, size_t pitch, gru_operand x, size_t K,
                                            int32_t *sums) {
    const int8_t *four = (const int8_t *)w;
    size_t i;
    (void)count;
    (void)pitch;
    for (i = 0; i < GRU_FIXED_ROWS; i += 4) {
        int32_t sum_0 = 0, sum_1 = 0, sum_2 = 0, sum_3 = 0;
        const int16_t *at = x.x;
        size_t k;
        for (k = K / 8; k; --k, at += 8) {
            const int16x8_t eight = vldrhq_s16(at);
            sum_0 = vmladavaq_s16(sum_0, eight, gru_fixed_next(&four));
            sum_1 = vmladavaq_s16(sum_1, eight, gru_fixed_next(&four));
            sum_2 = vmladavaq_s16(sum_2, eight, gru_fixed_next(&four));
            sum_3 = vmladavaq_s16(sum_3, eight, gru_fixed_next(&four));
        }
        sums[i] = sum_0;
        sums[i + 1] = sum_1;
        sums[i + 2] = sum_2;
        sums[i + 3] = sum_3;
    }
}

#include "gru_fixed_one.h"

typedef int16x8_t gru_shorts;

static GRU_FIXED_INLINE gru_shorts gru_shorts_load(const int16_t *p) { return vldrhq_s16(p); }
static GRU_FIXED_INLINE void gru_shorts_store(int16_t *p, gru_shorts v) { vstrhq_s16(p, v); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_all(int v) { return vdupq_n_s16((int16_t)v); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_add(gru_shorts a, gru_shorts b) { return vaddq_s16(a, b); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_less(gru_shorts a, gru_shorts b) { return vqsubq_s16(a, b); } /* of -32768 too */
static GRU_FIXED_INLINE gru_shorts gru_shorts_half(gru_shorts v) { return vshrq_n_s16(v, 1); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_times(gru_shorts a, gru_shorts b) { return vqrdmulhq_s16(a, b); }

static GRU_FIXED_INLINE gru_shorts gru_fixed_at(int power, uint16x8_t k) {
    return vldrhq_gather_shifted_offset_s16(gru_fixed_cubics[power], k);
}

static GRU_FIXED_INLINE gru_shorts gru_fixed_tanh(gru_shorts u) {
    const int16x8_t size = vqabsq_s16(u), t = vshlq_n_s16(vandq_s16(size, vdupq_n_s16(2047)), 4);
    const uint16x8_t k = vreinterpretq_u16_s16(vshrq_n_s16(size, 11));
    int16x8_t p = vaddq_s16(gru_fixed_at(2, k), vqrdmulhq_s16(t, gru_fixed_at(3, k)));
    p = vaddq_s16(gru_fixed_at(1, k), vqrdmulhq_s16(t, p));
    p = vaddq_s16(gru_fixed_at(0, k), vqrdmulhq_s16(t, p));
    return vnegq_m_s16(p, p, vcmpltq_n_s16(u, 0));
}

#endif
