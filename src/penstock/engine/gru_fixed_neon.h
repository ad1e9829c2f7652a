/* gru_fixed_vector.h on 64-bit Arm, with the products of bytes by fours where they are. */
#ifndef GRU_FIXED_NEON_H
#define GRU_FIXED_NEON_H

#include <arm_neon.h>

#define GRU_FIXED_LANES 8

#if defined(__ARM_FEATURE_DOTPROD)
#define GRU_FIXED_LAYOUT GRU_FIXED_QUADS
#define GRU_FIXED_BLOCKS 2

/* What rows are multiplied with: for each eight columns their low bytes - 128, then their high bytes. */
typedef struct {
    const int8_t *bytes;
} gru_operand;

static gru_operand gru_fixed_operand(const int16_t *x, size_t K, int16_t *split) {
    int8_t *const bytes = (int8_t *)split;
    gru_operand operand;
    size_t k;
    for (k = 0; k < K; k += 8) {
        const int8x16_t eight = vreinterpretq_s8_s16(vld1q_s16(x + k));
        const int8x16_t apart = vuzp1q_s8(eight, eight), high = vuzp2q_s8(eight, eight);
        vst1_s8(bytes + 2 * k, veor_s8(vget_low_s8(apart), vdup_n_s8(-128)));
        vst1_s8(bytes + 2 * k + 8, vget_low_s8(high));
    }
    operand.bytes = bytes;
    return operand;
}

/* Adds the products of four columns, `part` of the eight that are in `of`, and of `count` blocks. */
#define GRU_FIXED_FOUR(part)                                                                                           \
    GRU_FIXED_UNROLL                                                                                                   \
    for (i = 0; i < 4 * count; ++i) {                                                                                  \
        const int8x16_t words = vreinterpretq_s8_u32(vld1q_u32(w + i / 4 * pitch + i % 4 * 4 + (part) * 16));          \
        low[i] = vdotq_lane_s32(low[i], words, of_low, part);                                                          \
        high[i] = vdotq_lane_s32(high[i], words, of_high, part);                                                       \
    }

/* (count, 16) sums of the rows of `count` blocks, a constant, that are `pitch` words apart. */
static GRU_FIXED_INLINE void gru_fixed_sums(const size_t count, const uint32_t *w, size_t pitch, gru_operand x, size_t K,
                                            int32_t *sums) {
    int32x4_t low[4 * GRU_FIXED_BLOCKS], high[4 * GRU_FIXED_BLOCKS];
    const int8_t *bytes = x.bytes;
    size_t i, k;
    GRU_FIXED_UNROLL
    for (i = 0; i < 4 * count; ++i) {
        low[i] = vnegq_s32(vreinterpretq_s32_u32(vld1q_u32(w + i / 4 * pitch + i % 4 * 4)));
        high[i] = vdupq_n_s32(0);
    }
    w += GRU_FIXED_ROWS;
    for (k = 0; k + 4 < K; k += 8, bytes += 16, w += 32) {
        const int8x8_t of_low = vld1_s8(bytes), of_high = vld1_s8(bytes + 8);
        GRU_FIXED_FOUR(0)
        GRU_FIXED_FOUR(1)
    }
    if (k < K) {
        const int8x8_t of_low = vld1_s8(bytes), of_high = vld1_s8(bytes + 8);
        GRU_FIXED_FOUR(0)
    }
    GRU_FIXED_UNROLL
    for (i = 0; i < 4 * count; ++i) vst1q_s32(sums + i * 4, vaddq_s32(low[i], vshlq_n_s32(high[i], 8)));
}

#else
#define GRU_FIXED_LAYOUT GRU_FIXED_PAIRS
#define GRU_FIXED_BLOCKS 1

/* What rows are multiplied with. */
typedef struct {
    const int16_t *x;
    int32_t excess; /* 128 times its sum */
} gru_operand;

static gru_operand gru_fixed_operand(const int16_t *x, size_t K, int16_t *split) {
    int32x4_t sum = vdupq_n_s32(0);
    gru_operand operand;
    size_t k;
    (void)split;
    for (k = 0; k < K; k += 4) sum = vmlal_n_s16(sum, vld1_s16(x + k), 128);
    operand.x = x;
    operand.excess = vaddvq_s32(sum);
    return operand;
}

/* The sums of the 16 rows of a block. */
static GRU_FIXED_INLINE void gru_fixed_sums(const size_t count, const uint32_t *w, size_t pitch, gru_operand x, size_t K,
                                            int32_t *sums) {
    int32x4_t both[4], high[4]; /* of four columns the first two words of each; the rows' parts of a pair side by side */
    size_t i, k;
    (void)count;
    (void)pitch;
    GRU_FIXED_UNROLL
    for (i = 0; i < 4; ++i) both[i] = high[i] = vdupq_n_s32(0);
    for (k = 0; k < K; k += 2, w += 8) {
        const int16x4_t one = vld1_dup_s16(x.x + k), other = vld1_dup_s16(x.x + k + 1);
        const int16x4_t pair = vzip1_s16(one, other);
        GRU_FIXED_UNROLL
        for (i = 0; i < 2; ++i) {
            const int16x8_t words = vreinterpretq_s16_u32(vld1q_u32(w + 4 * i)), bytes = vshrq_n_s16(words, 8);
            both[2 * i] = vmlal_s16(both[2 * i], vget_low_s16(words), pair);
            both[2 * i + 1] = vmlal_high_s16(both[2 * i + 1], words, vcombine_s16(pair, pair));
            high[2 * i] = vmlal_s16(high[2 * i], vget_low_s16(bytes), pair);
            high[2 * i + 1] = vmlal_high_s16(high[2 * i + 1], bytes, vcombine_s16(pair, pair));
        }
    }
    GRU_FIXED_UNROLL
    for (i = 0; i < 2; ++i) {
        const int32x4_t of_high = vpaddq_s32(high[2 * i], high[2 * i + 1]);
        const int32x4_t of_both = vpaddq_s32(both[2 * i], both[2 * i + 1]);
        vst1q_s32(sums + 4 * i, vsubq_s32(vsubq_s32(of_both, vshlq_n_s32(of_high, 8)), vdupq_n_s32(x.excess)));
        vst1q_s32(sums + 4 * i + 8, of_high);
    }
}

#endif

/* b of four rows, two of them even, and products. */
typedef struct {
    int64x2_t first, second;
} gru_fixed_wide;

static GRU_FIXED_INLINE gru_fixed_wide gru_fixed_bias(const int64_t *b) {
    const int64x2_t even = vld1q_s64(b), odd = vld1q_s64(b + 8);
    gru_fixed_wide wide;
    wide.first = vzip1q_s64(even, odd);
    wide.second = vzip2q_s64(even, odd);
    return wide;
}

static GRU_FIXED_INLINE gru_fixed_wide gru_fixed_more(gru_fixed_wide wide, int32x4_t a, int32x4_t b) {
    wide.first = vmlal_s32(wide.first, vget_low_s32(a), vget_low_s32(b));
    wide.second = vmlal_high_s32(wide.second, a, b);
    return wide;
}

static GRU_FIXED_INLINE int32x4_t gru_fixed_highs(gru_fixed_wide wide) {
    return vuzp2q_s32(vreinterpretq_s32_s64(wide.first), vreinterpretq_s32_s64(wide.second));
}

static GRU_FIXED_INLINE int16x4_t gru_fixed_clipped(gru_fixed_wide wide) {
    return vmax_s16(vqmovn_s32(gru_fixed_highs(wide)), vdup_n_s16(-32767));
}

/* Of 16 rows the pre-activations, from their sums over x and over h. */
static GRU_FIXED_INLINE void gru_fixed_narrow(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h,
                                              const int32_t *m_h, const int64_t *b, int16_t *pre) {
    size_t i;
    for (i = 0; i < GRU_FIXED_ROWS; i += 4) {
        const gru_fixed_wide x = gru_fixed_more(gru_fixed_bias(b + i / 2), vld1q_s32(of_x + i), vld1q_s32(m_x + i));
        vst1_s16(pre + i, gru_fixed_clipped(gru_fixed_more(x, vld1q_s32(of_h + i), vld1q_s32(m_h + i))));
    }
}

/* The same of a candidate of "after", with b_hn and the rows' r. */
static GRU_FIXED_INLINE void gru_fixed_narrow_after(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h,
                                                    const int32_t *m_h, const int64_t *b, const int64_t *b_hn,
                                                    const int16_t *r, int16_t *pre) {
    size_t i;
    for (i = 0; i < GRU_FIXED_ROWS; i += 4) {
        const gru_fixed_wide h = gru_fixed_more(gru_fixed_bias(b_hn + i / 2), vld1q_s32(of_h + i), vld1q_s32(m_h + i));
        const gru_fixed_wide x = gru_fixed_more(gru_fixed_bias(b + i / 2), vld1q_s32(of_x + i), vld1q_s32(m_x + i));
        const int32x4_t shown = vshll_n_s16(vld1_s16(r + i), 13);
        vst1_s16(pre + i, gru_fixed_clipped(gru_fixed_more(x, gru_fixed_highs(h), shown)));
    }
}

typedef int16x8_t gru_shorts;

static GRU_FIXED_INLINE gru_shorts gru_shorts_load(const int16_t *p) { return vld1q_s16(p); }
static GRU_FIXED_INLINE void gru_shorts_store(int16_t *p, gru_shorts v) { vst1q_s16(p, v); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_all(int v) { return vdupq_n_s16((int16_t)v); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_add(gru_shorts a, gru_shorts b) { return vaddq_s16(a, b); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_less(gru_shorts a, gru_shorts b) { return vsubq_s16(a, b); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_half(gru_shorts v) { return vshrq_n_s16(v, 1); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_times(gru_shorts a, gru_shorts b) { return vqrdmulhq_s16(a, b); }

/* The coefficients of one power; `bytes` are the places of both bytes of each number in the table of its power. */
static GRU_FIXED_INLINE gru_shorts gru_fixed_at(int power, uint8x16_t bytes) {
    uint8x16x2_t table;
    table.val[0] = vreinterpretq_u8_s16(vld1q_s16(gru_fixed_cubics[power]));
    table.val[1] = vreinterpretq_u8_s16(vld1q_s16(gru_fixed_cubics[power] + 8));
    return vreinterpretq_s16_u8(vqtbl2q_u8(table, bytes));
}

static GRU_FIXED_INLINE gru_shorts gru_fixed_tanh(gru_shorts u) {
    const int16x8_t size = vabsq_s16(u), t = vshlq_n_s16(vandq_s16(size, vdupq_n_s16(2047)), 4);
    const int16x8_t k = vshrq_n_s16(size, 11), places = vmlaq_n_s16(vdupq_n_s16(0x100), k, 0x202);
    const uint8x16_t bytes = vreinterpretq_u8_s16(places);
    int16x8_t p = vaddq_s16(gru_fixed_at(2, bytes), vqrdmulhq_s16(t, gru_fixed_at(3, bytes)));
    p = vaddq_s16(gru_fixed_at(1, bytes), vqrdmulhq_s16(t, p));
    p = vaddq_s16(gru_fixed_at(0, bytes), vqrdmulhq_s16(t, p));
    return vbslq_s16(vcltzq_s16(u), vnegq_s16(p), p);
}

#endif
