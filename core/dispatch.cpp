#include "dispatch.hpp"

#include <stdexcept>

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

}  // namespace

const std::vector<InstructionSet>& instruction_sets() {
    static const std::vector<InstructionSet> sets = {
        {"avx512", avx512, has_avx512(), "x86-64 with AVX-512 F, BW, DQ and VL"},
        {"avx2", avx2, has_avx2(), "x86-64 with AVX2 and FMA"},
        {"neon", neon, has_neon(), "64-bit Arm"},
        {"portable", &kernels_portable, true, "any processor"},
    };
    return sets;
}

const InstructionSet& choose(const std::string& name) {
    std::string usable;
    for (const InstructionSet& set : instruction_sets()) {
        if (!set.kernels || !set.supported) continue;
        if (name.empty() || name == set.name) return set;
        usable += usable.empty() ? "" : ", ";
        usable += set.name;
    }
    throw std::invalid_argument("expected one of " + usable + ", got " + name);
}

}  // namespace penstock
