// exp, σ and tanh on vectors, to a few units in the last place, without tables and without a branch.
#pragma once

#include "simd.hpp"

namespace penstock {
namespace {

template <class T>
struct Format;
template <>
struct Format<float> {
    using Bits = int32_t;
    static constexpr int mantissa = 23, bias = 127, terms = 7;
    static constexpr float magic = 12582912.0f;  // 1.5 · 2^23: adding it rounds to an integer
    static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    static constexpr float limit = 87.0f;  // e^±87 are normal numbers
};
template <>
struct Format<double> {
    using Bits = int64_t;
    static constexpr int mantissa = 52, bias = 1023, terms = 13;
    static constexpr double magic = 6755399441055744.0;  // 1.5 · 2^52
    static constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    static constexpr double limit = 708.0;
};

constexpr double factorial(int k) { return k < 2 ? 1.0 : k * factorial(k - 1); }

// e^x = 2^k (1 + p): the power of two and p, for |x| clipped to the limit. NaN stays NaN.
template <class T>
inline void exp_parts(Vec<T> x, Vec<T>& power, Vec<T>& p) {
    using F = Format<T>;
    const Vec<T> limit = broadcast(F::limit), magic = broadcast(F::magic);
    x = x > limit ? limit : x;
    x = x < -limit ? -limit : x;
    const Vec<T> shifted = fma(x, broadcast(T(1.4426950408889634)), magic);
    const Vec<T> k = shifted - magic;
    Vec<T> f = fma(k, broadcast(-F::ln2_high), x);
    f = fma(k, broadcast(-F::ln2_low), f);  // |f| ≤ ln 2 / 2
    using Integers = Vec<typename F::Bits>;
    power = Vec<T>((Integers(shifted) - Integers(magic) + F::bias) << F::mantissa);
    Vec<T> q = broadcast(T(1 / factorial(F::terms)));
#pragma GCC unroll 16
    for (int i = F::terms - 1; i >= 2; --i) q = fma(q, f, broadcast(T(1 / factorial(i))));
    p = fma(f * f, q, f);  // the series of e^f − 1
}

template <class T>
inline Vec<T> sigmoid(Vec<T> a) {
    const Vec<T> one = broadcast(T(1));
    Vec<T> power, p;
    exp_parts<T>(-a, power, p);
    return one / (fma(power, p, power) + one);
}

// By e^(−2|a|) − 1, so that small values keep their relative accuracy.
template <class T>
inline Vec<T> tanh(Vec<T> a) {
    const Vec<T> one = broadcast(T(1));
    Vec<T> power, p;
    const Vec<T> minus = a < 0 ? a + a : -a - a;
    exp_parts<T>(minus, power, p);
    const Vec<T> less = fma(power, p, power - one);  // e^(−2|a|) − 1
    const Vec<T> positive = -less / (less + broadcast(T(2)));
    return a < 0 ? -positive : positive;
}

}  // namespace
}  // namespace penstock
