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

struct Tables {
    const Kernels* kernels;
    const StepKernels* steps;
};

#if defined(PENSTOCK_HAS_avx512)
constexpr Tables avx512 = {&kernels_avx512, &steps_avx512};
#else
constexpr Tables avx512 = {};
#endif
#if defined(PENSTOCK_HAS_avx2)
constexpr Tables avx2 = {&kernels_avx2, &steps_avx2};
#else
constexpr Tables avx2 = {};
#endif
#if defined(PENSTOCK_HAS_neon)
constexpr Tables neon = {&kernels_neon, &steps_neon};
#else
constexpr Tables neon = {};
#endif

InstructionSet row(const char* name, const char* needs, bool supported, const Tables& tables) {
    const auto [kernels, steps] = tables;
    return {{name, needs, kernels != nullptr, supported, kernels ? kernels->float_lanes : 0}, kernels, steps};
}

}  // namespace

const InstructionSet* instruction_set(int k) {
    static const InstructionSet sets[] = {
        row("avx512", "x86-64 with AVX-512 F, BW, DQ and VL", has_avx512(), avx512),
        row("avx2", "x86-64 with AVX2 and FMA", has_avx2(), avx2),
        row("neon", "64-bit Arm", has_neon(), neon),
        row("portable", "any processor", true, {&kernels_portable, &steps_portable}),
    };
    return k >= 0 && k < int(std::size(sets)) ? &sets[k] : nullptr;
}

const InstructionSet& best_set() {
    int k = 0;
    while (!instruction_set(k)->usable()) ++k;
    return *instruction_set(k);
}

}  // namespace penstock
