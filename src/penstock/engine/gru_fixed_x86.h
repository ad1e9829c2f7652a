/* gru_fixed_vector.h with AVX2, and with the products of bytes of AVX-512 where they are. */
#ifndef GRU_FIXED_X86_H
#define GRU_FIXED_X86_H

#include <immintrin.h>

#define GRU_FIXED_LANES 16

/* Four bytes of an operand. */
typedef int32_t gru_fixed_bytes __attribute__((may_alias, aligned(1)));

#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define GRU_FIXED_LAYOUT GRU_FIXED_QUADS
#define GRU_FIXED_BLOCKS 4

/* What rows are multiplied with: for each four columns their low bytes, then their high bytes + 128. */
typedef struct {
    const uint8_t *bytes;
} gru_operand;

static gru_operand gru_fixed_operand(const int16_t *x, size_t K, int16_t *split) {
    const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    const __m128i excess = _mm_set1_epi64x((long long)0x8080808000000000u);
    gru_operand operand;
    size_t k;
    for (k = 0; k < K; k += 8) {
        const __m128i eight = _mm_loadu_si128((const __m128i *)(const void *)(x + k));
        _mm_storeu_si128((__m128i *)(void *)(split + k), _mm_xor_si128(_mm_shuffle_epi8(eight, order), excess));
    }
    operand.bytes = (const uint8_t *)split;
    return operand;
}

/* Adds four columns of `count` blocks, a constant, to the sums of low bytes and of high ones. */
static GRU_FIXED_INLINE void gru_fixed_four(const size_t count, const uint32_t *w, size_t pitch, const uint8_t *bytes,
                                            __m512i *low, __m512i *high) {
    const __m512i of_low = _mm512_set1_epi32(*(const gru_fixed_bytes *)bytes);
    const __m512i of_high = _mm512_set1_epi32(*(const gru_fixed_bytes *)(bytes + 4));
    size_t i;
    GRU_FIXED_UNROLL
    for (i = 0; i < count; ++i) {
        const __m512i words = _mm512_loadu_si512(w + i * pitch);
        low[i] = _mm512_dpbusd_epi32(low[i], of_low, words);
        high[i] = _mm512_dpbusd_epi32(high[i], of_high, words);
    }
}

/* (count, 16) sums of the rows of `count` blocks that are `pitch` words apart: two of each, which do not wait for each
   other. */
static GRU_FIXED_INLINE void gru_fixed_sums(const size_t count, const uint32_t *w, size_t pitch, gru_operand x, size_t K,
                                            int32_t *sums) {
    __m512i low[2][GRU_FIXED_BLOCKS], high[2][GRU_FIXED_BLOCKS];
    const uint8_t *bytes = x.bytes, *const end = bytes + 2 * K;
    size_t i;
    GRU_FIXED_UNROLL
    for (i = 0; i < count; ++i) {
        low[0][i] = low[1][i] = high[1][i] = _mm512_setzero_si512();
        high[0][i] = _mm512_loadu_si512(w + i * pitch);
    }
    for (w += GRU_FIXED_ROWS; end - bytes >= 16; bytes += 16, w += 32) {
        gru_fixed_four(count, w, pitch, bytes, low[0], high[0]);
        gru_fixed_four(count, w + 16, pitch, bytes + 8, low[1], high[1]);
    }
    if (bytes != end) gru_fixed_four(count, w, pitch, bytes, low[0], high[0]);
    GRU_FIXED_UNROLL
    for (i = 0; i < count; ++i) {
        const __m512i of_low = _mm512_add_epi32(low[0][i], low[1][i]);
        const __m512i of_high = _mm512_add_epi32(high[0][i], high[1][i]);
        _mm512_storeu_si512(sums + i * GRU_FIXED_ROWS, _mm512_add_epi32(of_low, _mm512_slli_epi32(of_high, 8)));
    }
}

#else
#define GRU_FIXED_LAYOUT GRU_FIXED_PAIRS
#define GRU_FIXED_BLOCKS 2

/* What rows are multiplied with. */
typedef struct {
    const int16_t *x;
    int32_t excess; /* 128 times its sum */
} gru_operand;

static gru_operand gru_fixed_operand(const int16_t *x, size_t K, int16_t *split) {
    __m128i sum = _mm_setzero_si128();
    gru_operand operand;
    size_t k;
    (void)split;
    for (k = 0; k < K; k += 4) {
        const __m128i four = _mm_loadl_epi64((const __m128i *)(const void *)(x + k));
        sum = _mm_add_epi32(sum, _mm_madd_epi16(four, _mm_set1_epi16(128)));
    }
    operand.x = x;
    operand.excess = _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_srli_epi64(sum, 32)));
    return operand;
}

/* (count, 16) sums of the rows of `count` blocks, a constant, that are `pitch` words apart. */
static GRU_FIXED_INLINE void gru_fixed_sums(const size_t count, const uint32_t *w, size_t pitch, gru_operand x, size_t K,
                                            int32_t *sums) {
    __m256i both[GRU_FIXED_BLOCKS], high[GRU_FIXED_BLOCKS];
    const int16_t *pair = x.x, *const end = pair + K;
    size_t i;
    GRU_FIXED_UNROLL
    for (i = 0; i < count; ++i) both[i] = high[i] = _mm256_setzero_si256();
    for (; pair != end; pair += 4, w += 16) {
        const __m256i first = _mm256_set1_epi32(*(const gru_fixed_bytes *)(const void *)pair);
        const __m256i second = _mm256_set1_epi32(*(const gru_fixed_bytes *)(const void *)(pair + 2));
        GRU_FIXED_UNROLL
        for (i = 0; i < count; ++i) {
            const __m256i words = _mm256_loadu_si256((const __m256i *)(const void *)(w + i * pitch));
            const __m256i next = _mm256_loadu_si256((const __m256i *)(const void *)(w + i * pitch + 8));
            const __m256i bytes = _mm256_srai_epi16(words, 8), next_bytes = _mm256_srai_epi16(next, 8);
            both[i] = _mm256_add_epi32(
                both[i], _mm256_add_epi32(_mm256_madd_epi16(words, first), _mm256_madd_epi16(next, second)));
            high[i] = _mm256_add_epi32(
                high[i], _mm256_add_epi32(_mm256_madd_epi16(bytes, first), _mm256_madd_epi16(next_bytes, second)));
        }
    }
    GRU_FIXED_UNROLL
    for (i = 0; i < count; ++i) {
        const __m256i low = _mm256_sub_epi32(_mm256_sub_epi32(both[i], _mm256_slli_epi32(high[i], 8)),
                                             _mm256_set1_epi32(x.excess));
        _mm256_storeu_si256((__m256i *)(void *)(sums + i * GRU_FIXED_ROWS), low);
        _mm256_storeu_si256((__m256i *)(void *)(sums + i * GRU_FIXED_ROWS + 8), high[i]);
    }
}

#endif

static GRU_FIXED_INLINE __m256i gru_fixed_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* Products of the odd ones of eight numbers, as of the even ones _mm256_mul_epi32. */
static GRU_FIXED_INLINE __m256i gru_fixed_odd(__m256i a, __m256i b) {
    return _mm256_mul_epi32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
}

/* The high words of eight sums, the even ones' and the odd ones'. */
static GRU_FIXED_INLINE __m256i gru_fixed_highs(__m256i even, __m256i odd) {
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
}

/* Eight sums within their limits, in 16 bits, 16 rows from two of them. */
static GRU_FIXED_INLINE void gru_fixed_clipped(__m256i first, __m256i second, int16_t *pre) {
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8);
    _mm256_storeu_si256((__m256i *)(void *)pre, _mm256_max_epi16(both, _mm256_set1_epi16(-32767)));
}

/* Of 16 rows the pre-activations, from their sums over x and over h. */
static GRU_FIXED_INLINE void gru_fixed_narrow(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h,
                                              const int32_t *m_h, const int64_t *b, int16_t *pre) {
    __m256i eight[2];
    size_t i;
    GRU_FIXED_UNROLL
    for (i = 0; i < 2; ++i) {
        const __m256i x = gru_fixed_load(of_x + 8 * i), h = gru_fixed_load(of_h + 8 * i);
        const __m256i by_x = gru_fixed_load(m_x + 8 * i), by_h = gru_fixed_load(m_h + 8 * i);
        const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, by_x), _mm256_mul_epi32(h, by_h));
        const __m256i odd = _mm256_add_epi64(gru_fixed_odd(x, by_x), gru_fixed_odd(h, by_h));
        eight[i] = gru_fixed_highs(_mm256_add_epi64(even, gru_fixed_load(b + 4 * i)),
                                   _mm256_add_epi64(odd, gru_fixed_load(b + 8 + 4 * i)));
    }
    gru_fixed_clipped(eight[0], eight[1], pre);
}

/* The same of a candidate of "after", with b_hn and the rows' r. */
static GRU_FIXED_INLINE void gru_fixed_narrow_after(const int32_t *of_x, const int32_t *m_x, const int32_t *of_h,
                                                    const int32_t *m_h, const int64_t *b, const int64_t *b_hn,
                                                    const int16_t *r, int16_t *pre) {
    __m256i eight[2];
    size_t i;
    GRU_FIXED_UNROLL
    for (i = 0; i < 2; ++i) {
        const __m256i x = gru_fixed_load(of_x + 8 * i), h = gru_fixed_load(of_h + 8 * i);
        const __m256i by_x = gru_fixed_load(m_x + 8 * i), by_h = gru_fixed_load(m_h + 8 * i);
        const __m256i shown = _mm256_slli_epi32(
            _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(r + 8 * i))), 13);
        const __m256i u =
            gru_fixed_highs(_mm256_add_epi64(_mm256_mul_epi32(h, by_h), gru_fixed_load(b_hn + 4 * i)),
                            _mm256_add_epi64(gru_fixed_odd(h, by_h), gru_fixed_load(b_hn + 8 + 4 * i)));
        const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, by_x), _mm256_mul_epi32(shown, u));
        const __m256i odd = _mm256_add_epi64(gru_fixed_odd(x, by_x), gru_fixed_odd(shown, u));
        eight[i] = gru_fixed_highs(_mm256_add_epi64(even, gru_fixed_load(b + 4 * i)),
                                   _mm256_add_epi64(odd, gru_fixed_load(b + 8 + 4 * i)));
    }
    gru_fixed_clipped(eight[0], eight[1], pre);
}

typedef __m256i gru_shorts;

static GRU_FIXED_INLINE gru_shorts gru_shorts_load(const int16_t *p) { return gru_fixed_load(p); }
static GRU_FIXED_INLINE void gru_shorts_store(int16_t *p, gru_shorts v) {
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}
static GRU_FIXED_INLINE gru_shorts gru_shorts_all(int v) { return _mm256_set1_epi16((short)v); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_add(gru_shorts a, gru_shorts b) { return _mm256_add_epi16(a, b); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_less(gru_shorts a, gru_shorts b) { return _mm256_sub_epi16(a, b); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_half(gru_shorts v) { return _mm256_srai_epi16(v, 1); }
static GRU_FIXED_INLINE gru_shorts gru_shorts_times(gru_shorts a, gru_shorts b) { return _mm256_mulhrs_epi16(a, b); }

/* The coefficients of one power at segments (k, k, ... as the bytes k and 0). */
static GRU_FIXED_INLINE __m256i gru_fixed_at(int power, __m256i k) {
    const __m256i table = gru_fixed_load(gru_fixed_cubics[power]);
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    return _mm256_permutexvar_epi16(k, table);
#else
    const __m256i low = _mm256_packus_epi16(_mm256_and_si256(table, _mm256_set1_epi16(255)), _mm256_setzero_si256());
    const __m256i high = _mm256_packus_epi16(_mm256_srli_epi16(table, 8), _mm256_setzero_si256());
    const __m256i lows = _mm256_permute4x64_epi64(low, 0x88), highs = _mm256_permute4x64_epi64(high, 0x88);
    const __m256i first = _mm256_or_si256(k, _mm256_set1_epi16((short)0x8000u));
    const __m256i second = _mm256_or_si256(_mm256_slli_epi16(k, 8), _mm256_set1_epi16(128));
    return _mm256_or_si256(_mm256_shuffle_epi8(lows, first), _mm256_shuffle_epi8(highs, second));
#endif
}

static GRU_FIXED_INLINE gru_shorts gru_fixed_tanh(gru_shorts u) {
    const __m256i size = _mm256_abs_epi16(u), k = _mm256_srli_epi16(size, 11);
    const __m256i t = _mm256_slli_epi16(_mm256_and_si256(size, _mm256_set1_epi16(2047)), 4);
    __m256i p = _mm256_add_epi16(gru_fixed_at(2, k), _mm256_mulhrs_epi16(t, gru_fixed_at(3, k)));
    p = _mm256_add_epi16(gru_fixed_at(1, k), _mm256_mulhrs_epi16(t, p));
    p = _mm256_add_epi16(gru_fixed_at(0, k), _mm256_mulhrs_epi16(t, p));
    return _mm256_sign_epi16(p, u);
}

#endif
