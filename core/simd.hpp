// Vectors of float or double in the width of the instruction set that this file is compiled for.
//
// Everything that is compiled once per instruction set lives in an unnamed namespace: a function that the linker could
// merge would run one set's instructions on a processor that lacks them. Only the fused multiply-add and the broadcast
// need to know the set; the rest is the vector arithmetic of GCC and Clang. The compiler must not fuse a * b + c of its
// own accord (-ffp-contract=off): whether it does depends on the surroundings, and results would move by a bit.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace penstock {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64, vector_registers = 32;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32, vector_registers = 16;
#elif defined(__ARM_NEON)
constexpr int vector_bytes = 16, vector_registers = 32;
#else
constexpr int vector_bytes = 16, vector_registers = 16;
#endif

template <class T>
constexpr int lanes = vector_bytes / int(sizeof(T));

template <class T>
struct VectorOf {
    typedef T type __attribute__((vector_size(vector_bytes)));
};
template <class T>
using Vec = typename VectorOf<T>::type;

// As many elements of U as a vector of T has.
template <class U, class T>
struct NarrowOf {
    typedef U type __attribute__((vector_size(lanes<T> * sizeof(U))));
};

template <class T>
inline Vec<T> load(const T* p) {
    Vec<T> v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

template <class T>
inline void store(T* p, Vec<T> v) {
    std::memcpy(p, &v, sizeof v);
}

// The first `count` elements, zeros after them; none at all if it is not positive.
template <class T>
inline Vec<T> load_first(const T* p, int64_t count) {
    if (count >= lanes<T>) return load(p);
    Vec<T> v = {};
    if (count > 0) std::memcpy(&v, p, size_t(count) * sizeof(T));
    return v;
}

template <class T>
inline void store_first(T* p, Vec<T> v, int64_t count) {
    if (count >= lanes<T>)
        store(p, v);
    else
        std::memcpy(p, &v, size_t(count) * sizeof(T));
}

#if defined(__AVX512F__)
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm512_fmadd_pd(a, b, c); }
inline Vec<float> broadcast(float s) { return _mm512_set1_ps(s); }
inline Vec<double> broadcast(double s) { return _mm512_set1_pd(s); }
#elif defined(__AVX2__)
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm256_fmadd_pd(a, b, c); }
inline Vec<float> broadcast(float s) { return _mm256_set1_ps(s); }
inline Vec<double> broadcast(double s) { return _mm256_set1_pd(s); }
#elif defined(__ARM_NEON)
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return vfmaq_f32(c, a, b); }
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return vfmaq_f64(c, a, b); }
inline Vec<float> broadcast(float s) { return vdupq_n_f32(s); }
inline Vec<double> broadcast(double s) { return vdupq_n_f64(s); }
#else
template <class V>
inline V fma(V a, V b, V c) {
    return a * b + c;  // rounded twice
}
inline Vec<float> broadcast(float s) { return Vec<float>{s, s, s, s}; }
inline Vec<double> broadcast(double s) { return Vec<double>{s, s}; }
#endif

// Weights in their stored type, as a vector of T.
template <class T>
inline Vec<T> load_weights(const T* p) {
    return load(p);
}

// bfloat16 is the upper half of a float32.
template <class T>
inline Vec<float> load_weights(const uint16_t* p) {
#if defined(__AVX512F__)
    return Vec<float>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16));
#elif defined(__AVX2__)
    return Vec<float>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16));
#else
    typename NarrowOf<uint16_t, float>::type narrow;
    std::memcpy(&narrow, p, sizeof narrow);
    return Vec<float>(__builtin_convertvector(narrow, Vec<uint32_t>) << 16);
#endif
}

template <class T>
inline Vec<float> load_weights(const int8_t* p) {
#if defined(__AVX512F__)
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
#elif defined(__AVX2__)
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)));
#else
    typename NarrowOf<int8_t, float>::type narrow;
    std::memcpy(&narrow, p, sizeof narrow);
    return __builtin_convertvector(__builtin_convertvector(narrow, Vec<int32_t>), Vec<float>);
#endif
}

}  // namespace
}  // namespace penstock
