// What a call of the kernels is: pointers, shapes, strides and a thread count. One layer, one direction; and the layer
// from hidden units to tokens. The door (door.cpp) makes these of what penstock.h describes, once all is checked.
//
// Letters: N batch, L steps, D input features, H hidden units. Strides count elements; the last axis of everything is
// contiguous. Sizes are 64-bit throughout.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock {

// As penstock_dtype numbers them.
enum class Precision { float32, float64, bfloat16, int8 };

// The form of the unit and its sizes.
struct Shape {
    int64_t D, H;
    bool after;  // reset="after", else "before"
};

// Weights as PyTorch keeps them: rows r, z, n; contiguous. Biases may be null.
template <class T>
struct Weights {
    T* ih;       // (3H, D)
    T* hh;       // (3H, H)
    T* bias_ih;  // (3H,)
    T* bias_hh;  // (3H,)
};

// The sequences: which steps there are, and where an episode starts.
struct Sequences {
    int64_t L, N;
    const int64_t* lengths;  // (N,) each in 0 … L, or null
    const uint8_t* resets;   // (L, N) of 0 and 1, or null
    int64_t resets_step, resets_row;
    bool reverse;  // from each sequence's last step to its first
};

template <class T>
struct Strided {
    T* at;  // (L, N, …)
    int64_t step, row;

    T* operator()(int64_t t, int64_t n) const { return at + t * step + n * row; }
};

// What the state is multiplied by before a step; null where by nothing.
template <class T>
struct Decay {
    const T* at;  // (L, N, …)
    int64_t step, row, unit;
};

// Every step's gates, (L, N, H) contiguous; any of them null. `recurrent` is W_hn h + b_hn of the "after" form, which
// its backward needs.
template <class T>
struct GateArrays {
    T *reset, *update, *candidate, *recurrent;
};

template <class T>
struct Forward {
    Shape shape;
    Sequences sequences;
    Decay<T> decay;
    Weights<const T> weights;  // to be packed now, or `hh` null:
    const void* packed;        // what `pack` made of them
    Precision precision;       // of `packed`
    Strided<const T> x;        // (L, N, D)
    const T* h_0;              // (N, H) contiguous
    Strided<T> output;         // (L, N, H); zero past a sequence's end
    T* h_n;                    // (N, H) contiguous; may be h_0
    GateArrays<T> gates;       // likewise zero past the end
};

// The layer from H hidden units to the logits of V tokens.
struct OutputShape {
    int64_t H, V;
};

// One of `nats`, with its tokens, `logits` and `log_probabilities`.
struct Scoring {
    OutputShape shape;
    const void* packed;
    int64_t rows;
    const float* hidden;       // (rows, H) contiguous
    const int64_t* tokens;     // (rows,) each in 0 … V − 1
    double* nats;              // (rows,)
    float* logits;             // (rows, V) contiguous
    float* log_probabilities;  // likewise
};

// One layer of a network, as `pack` made it.
struct NetworkLayer {
    Shape shape;
    Precision precision;
    const void* packed;
};

// One step of N streams through a network's K layers, and through its output layer where logits or log-probabilities
// are wanted: on one thread, in memory that is there.
template <class T>
struct NetworkStep {
    const NetworkLayer* layers;
    int64_t K;
    bool residual;  // layers after the first hand on the sum of what they read and their state
    int64_t N;
    const T* x;     // (N, D) contiguous
    T* state;       // (K, N, H) contiguous: the one before, then the one after
    T* top;         // (N, H) contiguous: what the last layer hands on
    OutputShape output;
    const void* packed_output;               // null: none
    float *logits, *log_probabilities;       // (N, V) contiguous; one of them, or none
    void* memory;                            // 64-byte aligned; as many bytes as `step_memory` says
};

// How a token is drawn: logits are divided by the temperature, the `top_k` largest are kept, then the fewest that
// together have `top_p`. At temperature 0 the largest is taken.
struct Sampling {
    double temperature;
    int64_t top_k;  // V or more: all
    double top_p;   // 1 or more: all
    int64_t never;  // a token that is not drawn; −1: none
};

// What forward read and made, and the gradients that come and go. A null gradient is not wanted, or is zero.
template <class T>
struct Backward {
    Shape shape;
    Sequences sequences;
    Decay<T> decay;
    Weights<const T> weights;
    Strided<const T> x;
    const T* h_0;
    Strided<const T> output;
    GateArrays<const T> gates;  // all of the form's, or `reset` null: they are computed again

    Strided<const T> grad_output;
    const T* grad_h_n;               // (N, H) contiguous
    GateArrays<const T> grad_gates;  // (L, N, H) contiguous

    Strided<T> grad_x;
    T* grad_h_0;              // (N, H) contiguous
    Weights<T> grad_weights;  // biases null where there are none
    T* grad_decay;            // (L, N, H) contiguous
};

}  // namespace penstock
