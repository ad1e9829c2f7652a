/* gru_fixed_vector.h with the products of pairs that Cortex-M4 and M7 have, and larger 32-bit Arm too: a vector has one
   number. */
#ifndef GRU_FIXED_DSP_H
#define GRU_FIXED_DSP_H

#include <arm_acle.h>

#define GRU_FIXED_LAYOUT GRU_FIXED_PAIRS
#define GRU_FIXED_BLOCKS 1
#define GRU_FIXED_LANES 1

/* Two numbers in a word. */
typedef int32_t gru_fixed_two __attribute__((may_alias, aligned(2)));

/* What rows are multiplied with. */
typedef struct {
    const int16_t *x;
    uint32_t excess; /* 128 times its sum */
} gru_operand;

static gru_operand gru_fixed_operand(const int16_t *x, size_t K, int16_t *split) {
    const gru_fixed_two *two = (const gru_fixed_two *)(const void *)x, *const end = two + K / 2;
    gru_operand operand;
    int32_t sum = 0;
    (void)split;
    for (; two != end; ++two) sum = __smlad(*two, 0x800080, sum);
    operand.x = x;
    operand.excess = (uint32_t)sum;
    return operand;
}

/* Multiplies two words of a block, w[0] and w[1], with two numbers: what their halves give is added to `both`, what the
   halves' high bytes give to `high`. One piece, so that no compiler needs more than the fourteen registers there are. */
#define GRU_FIXED_TWO_WORDS(w, next, two, both_0, high_0, both_1, high_1)                                              \
    do {                                                                                                               \
        register uint32_t word_0 __asm__("r0"), word_1 __asm__("r1");                                                  \
        __asm__("ldrd %[w0], %[w1], [%[at]], %[step]\n\t"                                                              \
                "smlad %[b0], %[w0], %[x], %[b0]\n\t"                                                                  \
                "sxtb16 %[w0], %[w0], ror #8\n\t"                                                                      \
                "smlad %[b1], %[w1], %[x], %[b1]\n\t"                                                                  \
                "sxtb16 %[w1], %[w1], ror #8\n\t"                                                                      \
                "smlad %[h0], %[w0], %[x], %[h0]\n\t"                                                                  \
                "smlad %[h1], %[w1], %[x], %[h1]"                                                                      \
                : [w0] "=&r"(word_0), [w1] "=&r"(word_1), [at] "+r"(w), [b0] "+r"(both_0), [b1] "+r"(both_1),          \
                  [h0] "+r"(high_0), [h1] "+r"(high_1)                                                                 \
                : [x] "r"(two), [step] "i"(next));                                                                     \
    } while (0)

/* The sums of rows i to i + 3 and i + 8 to i + 11 of a block. */
static __attribute__((noinline)) void gru_fixed_eight(const uint32_t *w, gru_operand x, size_t K, int32_t *sums) {
    uint32_t both_0 = 0, both_1 = 0, both_2 = 0, both_3 = 0, high_0 = 0, high_1 = 0, high_2 = 0, high_3 = 0;
    const gru_fixed_two *pair = (const gru_fixed_two *)(const void *)x.x, *const end = pair + K / 2;
    do {
        int32_t two = *pair++;
        GRU_FIXED_TWO_WORDS(w, 8, two, both_0, high_0, both_1, high_1);
        GRU_FIXED_TWO_WORDS(w, 24, two, both_2, high_2, both_3, high_3);
        two = *pair++;
        GRU_FIXED_TWO_WORDS(w, 8, two, both_0, high_0, both_1, high_1);
        GRU_FIXED_TWO_WORDS(w, 24, two, both_2, high_2, both_3, high_3);
    } while (pair != end);
    sums[0] = (int32_t)(both_0 - (high_0 << 8) - x.excess);
    sums[1] = (int32_t)(both_1 - (high_1 << 8) - x.excess);
    sums[2] = (int32_t)(both_2 - (high_2 << 8) - x.excess);
    sums[3] = (int32_t)(both_3 - (high_3 << 8) - x.excess);
    sums[8] = (int32_t)high_0;
    sums[9] = (int32_t)high_1;
    sums[10] = (int32_t)high_2;
    sums[11] = (int32_t)high_3;
}

static GRU_FIXED_INLINE void gru_fixed_sums(const size_t count, const uint32_t *w, size_t pitch, gru_operand x, size_t K,
                                            int32_t *sums) {
    size_t i;
    (void)count;
    (void)pitch;
    for (i = 0; i < 8; i += 4) gru_fixed_eight(w + i, x, K, sums + i);
}

#include "gru_fixed_one.h"

typedef int32_t gru_shorts;

static inline gru_shorts gru_shorts_load(const int16_t *p) { return *p; }
static inline void gru_shorts_store(int16_t *p, gru_shorts v) { *p = (int16_t)v; }
static inline gru_shorts gru_shorts_all(int v) { return v; }
static inline gru_shorts gru_shorts_add(gru_shorts a, gru_shorts b) { return a + b; }
static inline gru_shorts gru_shorts_less(gru_shorts a, gru_shorts b) { return a - b; }
static inline gru_shorts gru_shorts_half(gru_shorts v) { return v >> 1; }
static inline gru_shorts gru_shorts_times(gru_shorts a, gru_shorts b) { return __smlabb(a, b, 1 << 14) >> 15; }

static GRU_FIXED_INLINE gru_shorts gru_fixed_tanh(gru_shorts u) {
    const int32_t size = (int32_t)__usat(u < 0 ? -u : u, 15), t = (size & 2047) << 4;
    const int16_t *const of = gru_fixed_cubics[0] + (size >> 11);
    int32_t p = of[32] + gru_shorts_times(t, of[48]);
    p = of[16] + gru_shorts_times(t, p);
    p = of[0] + gru_shorts_times(t, p);
    return u < 0 ? -p : p;
}

#endif
