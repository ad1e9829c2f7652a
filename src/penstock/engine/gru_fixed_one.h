/* Pre-activations one by one, by the multiply-adds to 64 bits that 32-bit Arm has. */
#ifndef GRU_FIXED_ONE_H
#define GRU_FIXED_ONE_H

/* The high word of a sum, in 16 bits; what is below -32767 tanh takes for it. */
static inline int16_t gru_fixed_clipped(int64_t wide) {
    int32_t pre;
    __asm__("ssat %0, #16, %1" : "=r"(pre) : "r"(gru_fixed_high(wide)));
    return (int16_t)pre;
}

static inline int64_t gru_fixed_more(int64_t sum, int32_t a, int32_t b) {
    __asm__("smlal %Q0, %R0, %1, %2" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* Of 16 rows the pre-activations, from their sums over x and over h. */
static inline void gru_fixed_narrow(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h, const int32_t *m_h,
                                    const int64_t *b, int16_t *pre) {
    size_t i;
    GRU_FIXED_UNROLL
    for (i = 0; i < GRU_FIXED_ROWS; i += 2, ++b) {
        pre[i] = gru_fixed_clipped(gru_fixed_more(gru_fixed_more(b[0], of_x[i], m_x[i]), of_h[i], m_h[i]));
        pre[i + 1] =
            gru_fixed_clipped(gru_fixed_more(gru_fixed_more(b[8], of_x[i + 1], m_x[i + 1]), of_h[i + 1], m_h[i + 1]));
    }
}

/* The same of a candidate of "after", with b_hn and the rows' r. */
static inline void gru_fixed_narrow_after(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h,
                                          const int32_t *m_h, const int64_t *b, const int64_t *b_hn, const int16_t *r,
                                          int16_t *pre) {
    size_t i;
    GRU_FIXED_UNROLL
    for (i = 0; i < GRU_FIXED_ROWS; i += 2, ++b, ++b_hn) {
        const int32_t even = gru_fixed_high(gru_fixed_more(b_hn[0], of_h[i], m_h[i]));
        const int32_t odd = gru_fixed_high(gru_fixed_more(b_hn[8], of_h[i + 1], m_h[i + 1]));
        pre[i] = gru_fixed_clipped(gru_fixed_more(gru_fixed_more(b[0], of_x[i], m_x[i]), even, r[i] * 8192));
        pre[i + 1] =
            gru_fixed_clipped(gru_fixed_more(gru_fixed_more(b[8], of_x[i + 1], m_x[i + 1]), odd, r[i + 1] * 8192));
    }
}

#endif
