/* gru_fixed_vector.h in plain C: a vector has one number. */
#ifndef GRU_FIXED_PLAIN_H
#define GRU_FIXED_PLAIN_H

#define GRU_FIXED_LAYOUT GRU_FIXED_PAIRS
#define GRU_FIXED_BLOCKS 1
#define GRU_FIXED_LANES 1

/* What rows are multiplied with. */
typedef struct {
    const int16_t *x;
    uint32_t excess; /* 128 times its sum */
} gru_operand;

static gru_operand gru_fixed_operand(const int16_t *x, size_t K, int16_t *split) {
    gru_operand operand;
    int32_t sum = 0;
    size_t k;
    (void)split;
    for (k = 0; k < K; ++k) sum += x[k];
    operand.x = x;
    operand.excess = (uint32_t)sum << 7;
    return operand;
}

static GRU_FIXED_INLINE void gru_fixed_sums(const size_t count, const uint32_t *w, size_t pitch, gru_operand x, size_t K,
                                            int32_t *sums) {
    size_t k, i;
    (void)count;
    (void)pitch;
    for (i = 0; i < GRU_FIXED_ROWS; ++i) sums[i] = 0;
    for (k = 0; k < K; k += 2, w += 8) {
        const int32_t one = x.x[k], other = x.x[k + 1];
        for (i = 0; i < 8; ++i) {
            const uint32_t word = w[i] ^ 0x80008000u; /* every byte is its weight + 128 */
            sums[i] += ((int32_t)(word & 255u) - 128) * one + ((int32_t)((word >> 16) & 255u) - 128) * other;
            sums[i + 8] += ((int32_t)((word >> 8) & 255u) - 128) * one + ((int32_t)(word >> 24) - 128) * other;
        }
    }
}

static inline int16_t gru_fixed_clipped(int32_t pre) {
    return (int16_t)(pre > 32767 ? 32767 : pre < -32767 ? -32767 : pre);
}

/* Of 16 rows the pre-activations, from their sums over x and over h. */
static inline void gru_fixed_narrow(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h, const int32_t *m_h,
                                    const int64_t *b, int16_t *pre) {
    size_t i;
    for (i = 0; i < GRU_FIXED_ROWS; ++i)
        pre[i] = gru_fixed_clipped(
            gru_fixed_high(b[i % 2 * 8 + i / 2] + (int64_t)of_x[i] * m_x[i] + (int64_t)of_h[i] * m_h[i]));
}

/* The same of a candidate of "after", with b_hn and the rows' r. */
static inline void gru_fixed_narrow_after(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h,
                                          const int32_t *m_h, const int64_t *b, const int64_t *b_hn, const int16_t *r,
                                          int16_t *pre) {
    size_t i;
    for (i = 0; i < GRU_FIXED_ROWS; ++i) {
        const size_t at = i % 2 * 8 + i / 2;
        const int32_t u = gru_fixed_high(b_hn[at] + (int64_t)of_h[i] * m_h[i]);
        pre[i] = gru_fixed_clipped(gru_fixed_high(b[at] + (int64_t)of_x[i] * m_x[i] + (int64_t)(r[i] * 8192) * u));
    }
}

typedef int32_t gru_shorts;

static inline gru_shorts gru_shorts_load(const int16_t *p) { return *p; }
static inline void gru_shorts_store(int16_t *p, gru_shorts v) { *p = (int16_t)v; }
static inline gru_shorts gru_shorts_all(int v) { return v; }
static inline gru_shorts gru_shorts_add(gru_shorts a, gru_shorts b) { return a + b; }
static inline gru_shorts gru_shorts_less(gru_shorts a, gru_shorts b) { return a - b; }
static inline gru_shorts gru_shorts_half(gru_shorts v) { return v >> 1; }
static inline gru_shorts gru_shorts_times(gru_shorts a, gru_shorts b) { return (a * b + (1 << 14)) >> 15; }

static gru_shorts gru_fixed_tanh(gru_shorts u) {
    const int32_t size = u < 0 ? -u : u, k = size >> 11, t = (size & 2047) << 4;
    int32_t p = gru_fixed_cubics[2][k] + gru_shorts_times(t, gru_fixed_cubics[3][k]);
    p = gru_fixed_cubics[1][k] + gru_shorts_times(t, p);
    p = gru_fixed_cubics[0][k] + gru_shorts_times(t, p);
    return u < 0 ? -p : p;
}

#endif
