/* gru_fixed_vector.h in WebAssembly with vectors of 128 bits. */
#ifndef GRU_FIXED_WASM_H
#define GRU_FIXED_WASM_H

#include <wasm_simd128.h>

#define GRU_FIXED_LAYOUT GRU_FIXED_PAIRS
#define GRU_FIXED_BLOCKS 2
#define GRU_FIXED_LANES 8

/* What rows are multiplied with. */
typedef struct {
    const int16_t *x;
    int32_t excess; /* 128 times its sum */
} gru_operand;

static gru_operand gru_fixed_operand(const int16_t *x, size_t K, int16_t *split) {
    v128_t sum = wasm_i32x4_splat(0);
    gru_operand operand;
    size_t k;
    (void)split;
    for (k = 0; k < K; k += 4) sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load64_zero(x + k), wasm_i16x8_splat(128)));
    operand.x = x;
    operand.excess = wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1);
    return operand;
}

/* (count, 16) sums of the rows of `count` blocks, a constant, that are `pitch` words apart. */
static GRU_FIXED_INLINE void gru_fixed_sums(const size_t count, const uint32_t *w, size_t pitch, gru_operand x, size_t K,
                                            int32_t *sums) {
    v128_t both[2 * GRU_FIXED_BLOCKS], high[2 * GRU_FIXED_BLOCKS];
    size_t i, k;
    GRU_FIXED_UNROLL
    for (i = 0; i < 2 * count; ++i) both[i] = high[i] = wasm_i32x4_splat(0);
    for (k = 0; k < K; k += 2, w += 8) {
        const v128_t pair = wasm_v128_load32_splat(x.x + k);
        GRU_FIXED_UNROLL
        for (i = 0; i < 2 * count; ++i) {
            const v128_t words = wasm_v128_load(w + i / 2 * pitch + i % 2 * 4);
            both[i] = wasm_i32x4_add(both[i], wasm_i32x4_dot_i16x8(words, pair));
            high[i] = wasm_i32x4_add(high[i], wasm_i32x4_dot_i16x8(wasm_i16x8_shr(words, 8), pair));
        }
    }
    GRU_FIXED_UNROLL
    for (i = 0; i < 2 * count; ++i) {
        int32_t *const to = sums + i / 2 * GRU_FIXED_ROWS + i % 2 * 4;
        const v128_t low = wasm_i32x4_sub(both[i], wasm_i32x4_shl(high[i], 8));
        wasm_v128_store(to, wasm_i32x4_sub(low, wasm_i32x4_splat(x.excess)));
        wasm_v128_store(to + 8, high[i]);
    }
}

/* Sums of two even and of two odd rows. */
typedef struct {
    v128_t even, odd;
} gru_fixed_wide;

/* Adds products of four rows. */
static GRU_FIXED_INLINE gru_fixed_wide gru_fixed_more(gru_fixed_wide wide, v128_t a, v128_t b) {
    a = wasm_i32x4_shuffle(a, a, 0, 2, 1, 3);
    b = wasm_i32x4_shuffle(b, b, 0, 2, 1, 3);
    wide.even = wasm_i64x2_add(wide.even, wasm_i64x2_extmul_low_i32x4(a, b));
    wide.odd = wasm_i64x2_add(wide.odd, wasm_i64x2_extmul_high_i32x4(a, b));
    return wide;
}

static GRU_FIXED_INLINE gru_fixed_wide gru_fixed_bias(const int64_t *b) {
    gru_fixed_wide wide;
    wide.even = wasm_v128_load(b);
    wide.odd = wasm_v128_load(b + 8);
    return wide;
}

/* The high words of four rows. */
static GRU_FIXED_INLINE v128_t gru_fixed_highs(gru_fixed_wide wide) {
    return wasm_i32x4_shuffle(wide.even, wide.odd, 1, 5, 3, 7);
}

static GRU_FIXED_INLINE void gru_fixed_clipped(v128_t first, v128_t second, int16_t *pre) {
    wasm_v128_store(pre, wasm_i16x8_max(wasm_i16x8_narrow_i32x4(first, second), wasm_i16x8_splat(-32767)));
}

/* Of 16 rows the pre-activations, from their sums over x and over h. */
static inline void gru_fixed_narrow(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h, const int32_t *m_h,
                                    const int64_t *b, int16_t *pre) {
    v128_t four[4];
    size_t i;
    GRU_FIXED_UNROLL
    for (i = 0; i < 4; ++i) {
        const size_t at = 4 * i;
        gru_fixed_wide wide = gru_fixed_bias(b + 2 * i);
        wide = gru_fixed_more(wide, wasm_v128_load(of_x + at), wasm_v128_load(m_x + at));
        four[i] = gru_fixed_highs(gru_fixed_more(wide, wasm_v128_load(of_h + at), wasm_v128_load(m_h + at)));
    }
    gru_fixed_clipped(four[0], four[1], pre);
    gru_fixed_clipped(four[2], four[3], pre + 8);
}

/* The same of a candidate of "after", with b_hn and the rows' r. */
static inline void gru_fixed_narrow_after(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h,
                                          const int32_t *m_h, const int64_t *b, const int64_t *b_hn, const int16_t *r,
                                          int16_t *pre) {
    v128_t four[4];
    size_t i;
    GRU_FIXED_UNROLL
    for (i = 0; i < 4; ++i) {
        const size_t at = 4 * i;
        const v128_t shown = wasm_i32x4_shl(wasm_i32x4_load16x4(r + at), 13);
        const gru_fixed_wide h =
            gru_fixed_more(gru_fixed_bias(b_hn + 2 * i), wasm_v128_load(of_h + at), wasm_v128_load(m_h + at));
        const gru_fixed_wide wide =
            gru_fixed_more(gru_fixed_bias(b + 2 * i), wasm_v128_load(of_x + at), wasm_v128_load(m_x + at));
        four[i] = gru_fixed_highs(gru_fixed_more(wide, gru_fixed_highs(h), shown));
    }
    gru_fixed_clipped(four[0], four[1], pre);
    gru_fixed_clipped(four[2], four[3], pre + 8);
}

typedef v128_t gru_shorts;

static GRU_FIXED_INLINE gru_shorts gru_shorts_load(const int16_t *p) { return wasm_v128_load(p); }
static GRU_FIXED_INLINE void gru_shorts_store(int16_t *p, gru_shorts v) { wasm_v128_store(p, v); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_all(int v) { return wasm_i16x8_splat((int16_t)v); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_add(gru_shorts a, gru_shorts b) { return wasm_i16x8_add(a, b); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_less(gru_shorts a, gru_shorts b) { return wasm_i16x8_sub(a, b); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_half(gru_shorts v) { return wasm_i16x8_shr(v, 1); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_times(gru_shorts a, gru_shorts b) { return wasm_i16x8_q15mulr_sat(a, b); }

/* The coefficients of one power; `first` and `second` are their bytes' places in the halves of its table, or beyond. */
static GRU_FIXED_INLINE v128_t gru_fixed_at(int power, v128_t first, v128_t second) {
    const v128_t low = wasm_v128_load(gru_fixed_cubics[power]), high = wasm_v128_load(gru_fixed_cubics[power] + 8);
    return wasm_v128_or(wasm_i8x16_swizzle(low, first), wasm_i8x16_swizzle(high, second));
}

static gru_shorts gru_fixed_tanh(gru_shorts u) {
    const v128_t size = wasm_i16x8_abs(u), k = wasm_u16x8_shr(size, 11), sign = wasm_i16x8_shr(u, 15);
    const v128_t t = wasm_i16x8_shl(wasm_v128_and(size, wasm_i16x8_splat(2047)), 4);
    const v128_t first = wasm_i16x8_add(wasm_i16x8_mul(k, wasm_i16x8_splat(0x202)), wasm_i16x8_splat(0x100));
    const v128_t second = wasm_i8x16_sub(first, wasm_i8x16_splat(16));
    v128_t p = wasm_i16x8_add(gru_fixed_at(2, first, second), wasm_i16x8_q15mulr_sat(t, gru_fixed_at(3, first, second)));
    p = wasm_i16x8_add(gru_fixed_at(1, first, second), wasm_i16x8_q15mulr_sat(t, p));
    p = wasm_i16x8_add(gru_fixed_at(0, first, second), wasm_i16x8_q15mulr_sat(t, p));
    return wasm_i16x8_sub(wasm_v128_xor(p, sign), sign);
}

#endif
