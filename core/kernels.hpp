// The table of kernels that one instruction set provides. kernels.cpp is compiled once per set and defines one each.
#pragma once

namespace penstock {

struct Kernels {
    int float_lanes;           // float32 values in one vector register
    bool fused_multiply_add;   // a * b + c in one instruction, rounded once
};

extern const Kernels kernels_portable, kernels_avx2, kernels_avx512, kernels_neon;

}  // namespace penstock
