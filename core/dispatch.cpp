#include "dispatch.hpp"

#include <iterator>

namespace penstock {
namespace {

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
bool has_avx2() { return false; }
bool has_avx512() { return false; }
#endif

#if defined(__aarch64__)
bool has_neon() { return true; }
#else
bool has_neon() { return false; }
#endif

#if defined(PENSTOCK_HAS_avx512)
constexpr const Kernels* avx512 = &kernels_avx512;
#else
constexpr const Kernels* avx512 = nullptr;
#endif
#if defined(PENSTOCK_HAS_avx2)
constexpr const Kernels* avx2 = &kernels_avx2;
#else
constexpr const Kernels* avx2 = nullptr;
#endif
#if defined(PENSTOCK_HAS_neon)
constexpr const Kernels* neon = &kernels_neon;
#else
constexpr const Kernels* neon = nullptr;
#endif

InstructionSet row(const char* name, const char* needs, bool supported, const Kernels* kernels) {
    return {{name, needs, kernels != nullptr, supported, kernels ? kernels->float_lanes : 0}, kernels};
}

}  // namespace

const InstructionSet* instruction_set(int k) {
    static const InstructionSet sets[] = {
        row("avx512", "x86-64 with AVX-512 F, BW, DQ and VL", has_avx512(), avx512),
        row("avx2", "x86-64 with AVX2 and FMA", has_avx2(), avx2),
        row("neon", "64-bit Arm", has_neon(), neon),
        row("portable", "any processor", true, &kernels_portable),
    };
    return k >= 0 && k < int(std::size(sets)) ? &sets[k] : nullptr;
}

const InstructionSet& best_set() {
    int k = 0;
    while (!instruction_set(k)->usable()) ++k;
    return *instruction_set(k);
}

}  // namespace penstock
