// The table of kernels that one instruction set provides. kernels.cpp is compiled once per set and defines one each.
#pragma once

#include "gru.hpp"

namespace penstock {

struct Kernels {
    int float_lanes;  // float32 values in one vector register

    // Bytes that `pack` fills, 64-byte aligned. The kernels of another set cannot read them.
    size_t (*packed_size)(Shape, Precision);
    void (*pack_float)(Shape, Precision, const Weights<const float>&, void* to);
    void (*pack_double)(Shape, Precision, const Weights<const double>&, void* to);

    size_t (*packed_output_size)(OutputShape);
    void (*pack_output)(OutputShape, const float* weight, const float* bias, void* to);  // (V, H), (V,)

    // All throw std::bad_alloc, and nothing else; results do not depend on the number of threads.
    void (*forward_float)(const Forward<float>&, int threads);
    void (*forward_double)(const Forward<double>&, int threads);
    void (*backward_float)(const Backward<float>&, int threads);
    void (*backward_double)(const Backward<double>&, int threads);
    void (*score)(const Scoring&, int threads);

    // What this machine can do at best on so many threads; see roofline.hpp.
    double (*peak_float)(int threads);
    double (*peak_double)(int threads);
    double (*read_bandwidth)(int threads, size_t bytes);
    double (*barrier_wait)(int threads);
};

extern const Kernels kernels_portable, kernels_avx2, kernels_avx512, kernels_neon;

}  // namespace penstock
