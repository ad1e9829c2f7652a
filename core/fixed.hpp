// Networks in whole numbers, w8a16: see src/penstock/engine/gru_fixed.h for the arithmetic, penstock.fixed_point for what
// it is. Here they read and give float32: inputs, states (K, N, H), which are whole numbers of 2^-15, and answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace penstock {

struct FixedKernels;

// A layer's constants, in the layout of its kernels.
struct FixedLayer {
    int64_t D;
    float per;  // whole numbers in 1 of its input
    std::vector<uint32_t> ih, hh;
    std::vector<int32_t> m_ih, m_hh;
    std::vector<int64_t> b;
};

struct FixedOutput {
    int64_t V, reads;
    float per;  // whole numbers in 1 of what it reads
    std::vector<uint32_t> weights;
    std::vector<int32_t> m;
    std::vector<int64_t> b;
};

struct FixedNetwork {
    const FixedKernels* kernels;
    int64_t H;
    bool after, residual;  // residual: later layers hand on the sum of what they read and their state
    std::vector<std::shared_ptr<const FixedLayer>> layers;
    std::shared_ptr<const FixedOutput> output;  // null: the answer is what the last layer hands on

    int64_t answers() const { return output ? output->V : H; }
};

// A layer over a part of the rows: x (L, N, D), state (N, H), out (L, N, H), lengths (N,) or null, decay (L, N, H) or
// null, what is left of the state at each step.
struct FixedSequences {
    int64_t L, N, first, last;
    const float *x, *decay;
    const int64_t* lengths;
    float *state, *out;
};

// What one instruction set provides; fixed_kernels.cpp is compiled once for each. None of it allocates or throws.
struct FixedKernels {
    int layout;                               // GRU_FIXED_LAYOUT
    int64_t (*block_words)(int64_t columns);  // of a matrix's 16 rows
    size_t (*memory)(const FixedNetwork&);    // bytes, 64-byte aligned
    // One step of one stream: x (D,) of the first layer; state (K, pitch), which becomes the next one; answers.
    void (*step)(const FixedNetwork&, const float* x, float* state, int64_t pitch, bool log_probabilities, float* out,
                 void* memory);
    void (*read)(const FixedNetwork&, int64_t layer, const FixedSequences&, void* memory);
    // What an output layer reads, to its answers or their log-probabilities (V,).
    void (*answer)(const FixedNetwork&, const float* x, bool log_probabilities, float* out, void* memory);
};

// For an instruction set of the table, by its name; of those that have more than one, the best this processor runs.
const FixedKernels& fixed_kernels(const char* set);

}  // namespace penstock
