// Which kernels of fixed_kernels.cpp a processor runs.
#include "fixed.hpp"

#include <cstring>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace penstock {

extern const FixedKernels fixed_portable, fixed_avx2, fixed_avx512, fixed_avx512vnni, fixed_neon, fixed_dotprod;

namespace {

struct Row {
    const char* set;
    bool supported;
    const FixedKernels* kernels;
};

#if defined(PENSTOCK_HAS_avx512vnni)
bool has_avx512vnni() { return __builtin_cpu_supports("avx512vnni"); }
#endif
#if defined(PENSTOCK_HAS_dotprod)
bool has_dotprod() {
#if defined(__linux__)
    return getauxval(AT_HWCAP) & (1ul << 20);  // ASIMDDP
#elif defined(__APPLE__)
    return true;  // every 64-bit one of theirs that has macOS
#else
    return false;
#endif
}
#endif

}  // namespace

const FixedKernels& fixed_kernels(const char* set) {
    const Row rows[] = {
#if defined(PENSTOCK_HAS_avx512vnni)
        {"avx512", has_avx512vnni(), &fixed_avx512vnni},
#endif
#if defined(PENSTOCK_HAS_avx512)
        {"avx512", true, &fixed_avx512},
#endif
#if defined(PENSTOCK_HAS_avx2)
        {"avx2", true, &fixed_avx2},
#endif
#if defined(PENSTOCK_HAS_dotprod)
        {"neon", has_dotprod(), &fixed_dotprod},
#endif
#if defined(PENSTOCK_HAS_neon)
        {"neon", true, &fixed_neon},
#endif
        {"portable", true, &fixed_portable},
    };
    for (const Row& row : rows)
        if (row.supported && std::strcmp(row.set, set) == 0) return *row.kernels;
    return fixed_portable;
}

}  // namespace penstock
