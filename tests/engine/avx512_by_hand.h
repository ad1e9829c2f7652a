/* The instructions of AVX-512 that gru_fixed_x86.h uses and AVX2 lacks, number by number: its path on any x86-64. */
#ifndef AVX512_BY_HAND_H
#define AVX512_BY_HAND_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    int32_t lane[16];
} by_hand;

static inline by_hand all_by_hand(int32_t value) {
    by_hand v;
    int i;
    for (i = 0; i < 16; ++i) v.lane[i] = value;
    return v;
}

static inline by_hand load_by_hand(const void *from) {
    by_hand v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store_by_hand(void *to, by_hand v) { memcpy(to, &v, sizeof v); }

static inline by_hand add_by_hand(by_hand a, by_hand b) {
    int i;
    for (i = 0; i < 16; ++i) a.lane[i] = (int32_t)((uint32_t)a.lane[i] + (uint32_t)b.lane[i]);
    return a;
}

static inline by_hand shift_by_hand(by_hand v, int by) {
    int i;
    for (i = 0; i < 16; ++i) v.lane[i] = (int32_t)((uint32_t)v.lane[i] << by);
    return v;
}

/* VPDPBUSD: to each lane the four products of a's bytes, without sign, and b's, with it. */
static inline by_hand dot_by_hand(by_hand sum, by_hand a, by_hand b) {
    int i, k;
    for (i = 0; i < 16; ++i)
        for (k = 0; k < 4; ++k) {
            const int32_t of_a = (int32_t)(((uint32_t)a.lane[i] >> (8 * k)) & 255u);
            const int32_t of_b = (int32_t)((((uint32_t)b.lane[i] >> (8 * k)) & 255u) ^ 128u) - 128;
            sum.lane[i] = (int32_t)((uint32_t)sum.lane[i] + (uint32_t)(of_a * of_b));
        }
    return sum;
}

/* VPERMW of 16 numbers. */
static inline __m256i permute_by_hand(__m256i places, __m256i table) {
    uint16_t at[16], from[16], to[16];
    int i;
    _mm256_storeu_si256((__m256i *)(void *)at, places);
    _mm256_storeu_si256((__m256i *)(void *)from, table);
    for (i = 0; i < 16; ++i) to[i] = from[at[i] & 15];
    return _mm256_loadu_si256((const __m256i *)(const void *)to);
}

#define __m512i by_hand
#define _mm512_setzero_si512() all_by_hand(0)
#define _mm512_set1_epi32(value) all_by_hand(value)
#define _mm512_loadu_si512(from) load_by_hand(from)
#define _mm512_storeu_si512(to, v) store_by_hand(to, v)
#define _mm512_add_epi32(a, b) add_by_hand(a, b)
#define _mm512_slli_epi32(v, by) shift_by_hand(v, by)
#define _mm512_dpbusd_epi32(sum, a, b) dot_by_hand(sum, a, b)
#define _mm256_permutexvar_epi16(places, table) permute_by_hand(places, table)
#define __AVX512VNNI__ 1
#define __AVX512BW__ 1
#define __AVX512VL__ 1

#endif
