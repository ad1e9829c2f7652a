// The tables of kernels that one instruction set provides. kernels.cpp and steps.cpp are compiled once per set and define
// one each.
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

// The same of steps.cpp: one step at a time, and drawing tokens. None of it allocates or throws.
struct StepKernels {
    size_t (*memory_float)(const NetworkStep<float>&);
    size_t (*memory_double)(const NetworkStep<double>&);
    void (*step_float)(const NetworkStep<float>&, bool backwards);
    void (*step_double)(const NetworkStep<double>&, bool backwards);

    size_t (*sampling_memory)(int64_t V);
    int64_t (*sample)(const float* logits, int64_t V, const Sampling&, double random, void* memory);
};

extern const StepKernels steps_portable, steps_avx2, steps_avx512, steps_neon;
extern const Kernels kernels_portable, kernels_avx2, kernels_avx512, kernels_neon;

}  // namespace penstock
