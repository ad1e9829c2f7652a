// Compiled once per instruction set, with PENSTOCK_INSTRUCTION_SET naming it and the compiler's flags choosing it.
#include "kernels.hpp"

#define PENSTOCK_CONCATENATE(a, b) a##b
#define PENSTOCK_TABLE(name) PENSTOCK_CONCATENATE(kernels_, name)

namespace penstock {
namespace {

constexpr int float_lanes =
#if defined(__AVX512F__)
    16;
#elif defined(__AVX2__)
    8;
#elif defined(__ARM_NEON)
    4;
#else
    1;
#endif

constexpr bool fused_multiply_add =
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    true;
#else
    false;
#endif

}  // namespace

const Kernels PENSTOCK_TABLE(PENSTOCK_INSTRUCTION_SET) = {float_lanes, fused_multiply_add};

}  // namespace penstock
