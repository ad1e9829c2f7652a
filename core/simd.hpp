// Vectors of float or double in the width of the instruction set that this file is compiled for.
//
// Everything that is compiled once per instruction set lives in an unnamed namespace: a function that the linker could
// merge would run one set's instructions on a processor that lacks them. Only the fused multiply-add and the broadcast
// need to know the set; the rest is the vector arithmetic of GCC and Clang. The compiler must not fuse a * b + c of its
// own accord (-ffp-contract=off): whether it does depends on the surroundings, and results would move by a bit.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__SSE2__)
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

// Some of a vector's elements, 0 < count < lanes: what lies behind them is neither read nor written.
#if defined(__AVX512F__)
inline Vec<float> load_part(const float* p, int64_t count) {
    return _mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), p);
}
inline Vec<double> load_part(const double* p, int64_t count) {
    return _mm512_maskz_loadu_pd(__mmask8((1u << count) - 1), p);
}
inline void store_part(float* p, Vec<float> v, int64_t count) {
    _mm512_mask_storeu_ps(p, __mmask16((1u << count) - 1), v);
}
inline void store_part(double* p, Vec<double> v, int64_t count) {
    _mm512_mask_storeu_pd(p, __mmask8((1u << count) - 1), v);
}
#elif defined(__AVX2__)
inline __m256i first_words(int64_t words) {
    alignas(32) static constexpr int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i*)(ones_then_zeros + 8 - words));
}
inline Vec<float> load_part(const float* p, int64_t count) { return _mm256_maskload_ps(p, first_words(count)); }
inline Vec<double> load_part(const double* p, int64_t count) { return _mm256_maskload_pd(p, first_words(2 * count)); }
inline void store_part(float* p, Vec<float> v, int64_t count) { _mm256_maskstore_ps(p, first_words(count), v); }
inline void store_part(double* p, Vec<double> v, int64_t count) { _mm256_maskstore_pd(p, first_words(2 * count), v); }
#else
template <class T>
inline Vec<T> load_part(const T* p, int64_t count) {
    Vec<T> v = {};
    std::memcpy(&v, p, size_t(count) * sizeof(T));
    return v;
}
template <class T>
inline void store_part(T* p, Vec<T> v, int64_t count) {
    std::memcpy(p, &v, size_t(count) * sizeof(T));
}
#endif

// The first `count` elements, zeros after them; none at all if it is not positive.
template <class T>
inline Vec<T> load_first(const T* p, int64_t count) {
    if (count >= lanes<T>) return load(p);
    return count > 0 ? load_part(p, count) : Vec<T>{};
}

template <class T>
inline void store_first(T* p, Vec<T> v, int64_t count) {
    if (count >= lanes<T>)
        store(p, v);
    else if (count > 0)
        store_part(p, v, count);
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

#if defined(__clang__) || __GNUC__ >= 12
template <class T, class Index, int... j>
inline Vec<T> shuffled(Vec<T> a, Vec<T> b, Index index, std::integer_sequence<int, j...>) {
    return __builtin_shufflevector(a, b, index(j)...);
}
#else
template <class T, class Index, int... j>
inline Vec<T> shuffled(Vec<T> a, Vec<T> b, Index index, std::integer_sequence<int, j...>) {
    using Lanes = decltype(a < b);
    return __builtin_shuffle(a, b, Lanes{index(j)...});
}
#endif

// Lane j becomes lane index(j) of a and b, side by side.
template <class T, class Index>
inline Vec<T> shuffle(Vec<T> a, Vec<T> b, Index index) {
    return shuffled<T>(a, b, index, std::make_integer_sequence<int, lanes<T>>());
}

// As many elements as stand in 16 bytes: a square of them is turned by shuffles that every processor has.
template <class T>
constexpr int square = 16 / int(sizeof(T));

template <class T>
struct SixteenBytes {
    typedef T type __attribute__((vector_size(16)));
};

// 16 bytes each from places that are `pitch` apart, side by side.
template <class T>
inline Vec<T> load_pieces(const T* p, [[maybe_unused]] int64_t pitch) {
    using Piece [[maybe_unused]] = typename SixteenBytes<T>::type;
#if defined(__AVX2__)
    const auto piece = [&](int k) {
        Piece value;
        std::memcpy(&value, p + k * pitch, sizeof value);
        return (__m128)value;
    };
#endif
#if defined(__AVX512F__)
    const __m512 low = _mm512_castps256_ps512(_mm256_insertf128_ps(_mm256_castps128_ps256(piece(0)), piece(1), 1));
    return (Vec<T>)_mm512_insertf32x8(low, _mm256_insertf128_ps(_mm256_castps128_ps256(piece(2)), piece(3), 1), 1);
#elif defined(__AVX2__)
    return (Vec<T>)_mm256_insertf128_ps(_mm256_castps128_ps256(piece(0)), piece(1), 1);
#else
    return load(p);
#endif
}

// The pieces of 16 bytes of a vector, to places that are `pitch` apart.
template <class T>
inline void store_pieces(T* p, int64_t pitch, Vec<T> v) {
    using Piece = typename SixteenBytes<T>::type;
    const auto piece = [&](int k, Piece value) { std::memcpy(p + k * pitch, &value, sizeof value); };
#if defined(__AVX512F__)
    piece(0, (Piece)_mm512_castps512_ps128((__m512)v));
    piece(1, (Piece)_mm512_extractf32x4_ps((__m512)v, 1));
    piece(2, (Piece)_mm512_extractf32x4_ps((__m512)v, 2));
    piece(3, (Piece)_mm512_extractf32x4_ps((__m512)v, 3));
#elif defined(__AVX2__)
    piece(0, (Piece)_mm256_castps256_ps128((__m256)v));
    piece(1, (Piece)_mm256_extractf128_ps((__m256)v, 1));
#else
    piece(0, v);
#endif
}

// Rows become columns in each square of 16 bytes.
template <class T>
inline void turn_squares(Vec<T> (&rows)[square<T>]) {
    constexpr int all = lanes<T>;
    const Vec<T> a = rows[0], b = rows[1];
    if constexpr (square<T> == 4) {
        const auto low = [](int j) constexpr { return j / 4 * 4 + j % 4 / 2 + j % 2 * all; };
        const auto high = [](int j) constexpr { return j / 4 * 4 + 2 + j % 4 / 2 + j % 2 * all; };
        const auto even = [](int j) constexpr { return j / 4 * 4 + j % 2 + j % 4 / 2 * all; };
        const auto odd = [](int j) constexpr { return j / 4 * 4 + 2 + j % 2 + j % 4 / 2 * all; };
        const Vec<T> low_ab = shuffle<T>(a, b, low), high_ab = shuffle<T>(a, b, high);
        const Vec<T> low_cd = shuffle<T>(rows[2], rows[3], low), high_cd = shuffle<T>(rows[2], rows[3], high);
        rows[0] = shuffle<T>(low_ab, low_cd, even);
        rows[1] = shuffle<T>(low_ab, low_cd, odd);
        rows[2] = shuffle<T>(high_ab, high_cd, even);
        rows[3] = shuffle<T>(high_ab, high_cd, odd);
    } else {
        rows[0] = shuffle<T>(a, b, [](int j) constexpr { return j / 2 * 2 + j % 2 * all; });
        rows[1] = shuffle<T>(a, b, [](int j) constexpr { return j / 2 * 2 + 1 + j % 2 * all; });
    }
}

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

// The arithmetic of a kernel, on every thread alike: to nearest, nothing trapped, and numbers too small to be normal
// are zero. They would be tens of times slower, and a state that fades comes among them and stays.
class Arithmetic {
public:
    Arithmetic() : before_(get()) { set(fixed); }
    ~Arithmetic() { set(before_); }
    Arithmetic(const Arithmetic&) = delete;
    Arithmetic& operator=(const Arithmetic&) = delete;

private:
#if defined(__SSE2__)
    using Control = unsigned;
    static constexpr Control fixed = 0x9fc0;  // FTZ, DAZ, every exception masked
    static Control get() { return _mm_getcsr(); }
    static void set(Control control) { _mm_setcsr(control); }
#elif defined(__aarch64__)
    using Control = uint64_t;
    static constexpr Control fixed = 1 << 24;  // FZ
    static Control get() {
        Control control;
        asm volatile("mrs %0, fpcr" : "=r"(control));
        return control;
    }
    static void set(Control control) { asm volatile("msr fpcr, %0" : : "r"(control)); }
#else
    using Control = int;
    static constexpr Control fixed = 0;
    static Control get() { return 0; }
    static void set(Control) {}
#endif
    Control before_;
};

}  // namespace
}  // namespace penstock
