// Compiled once per instruction set, with PENSTOCK_INSTRUCTION_SET naming it and the compiler's flags choosing it.
#include "kernels.hpp"

#include "backward.hpp"
#include "cell_after.hpp"
#include "cell_before.hpp"
#include "few_units.hpp"
#include "forward.hpp"
#include "output_layer.hpp"
#include "roofline.hpp"

#define PENSTOCK_CONCATENATE(a, b) a##b
#define PENSTOCK_TABLE(name) PENSTOCK_CONCATENATE(kernels_, name)

namespace penstock {
namespace {

// Calls f with the cell of a form.
template <class T, class F>
auto with_cell(bool after, F f) {
    return after ? f(CellAfter<T>()) : f(CellBefore<T>());
}

// Calls f with the types that values and weights of a precision have.
template <class F>
auto with_types(Precision precision, F f) {
    switch (precision) {
        case Precision::float64:
            return f(double(), double());
        case Precision::bfloat16:
            return f(float(), uint16_t());
        case Precision::int8:
            return f(float(), int8_t());
        default:
            return f(float(), float());
    }
}

size_t packed_size(Shape shape, Precision precision) {
    return with_types(precision, [&]<class T, class W>(T, W) {
        return with_cell<T>(shape.after, [&]<class Cell>(Cell) {
            Arena arena(nullptr);
            PackedLayer<T, W, Cell> layer(shape, arena);
            return arena.used();
        });
    });
}

template <class T>
void pack(Shape shape, Precision precision, const Weights<const T>& weights, void* to) {
    with_types(precision, [&]<class Of, class W>(Of, W) {
        if constexpr (std::is_same_v<Of, T>)
            with_cell<T>(shape.after, [&]<class Cell>(Cell) {
                Arena arena(to);
                PackedLayer<T, W, Cell> layer(shape, arena);
                layer.pack(weights, 0, layer.panels);
            });
    });
}

size_t packed_output_size(OutputShape shape) {
    Arena arena(nullptr);
    PackedOutput layer(shape, arena);
    return arena.used();
}

void pack_output(OutputShape shape, const float* weight, const float* bias, void* to) {
    Arena arena(to);
    PackedOutput(shape, arena).pack(weight, bias);
}

// Runs a pass on a team. `make(arena)` constructs it in memory that the arena hands out.
template <class Make>
void run_pass(int threads, Make make) {
    Arena counted(nullptr);
    [[maybe_unused]] const auto counting = make(counted);
    const Scratch scratch(counted.used());
    Arena arena(scratch.memory());
    auto pass = make(arena);
    pass.prepare(threads);
    run_together(
        threads, [](void* data, int member, int members) { static_cast<decltype(pass)*>(data)->run(member, members); },
        &pass);
}

template <class T>
void forward(const Forward<T>& call, int threads) {
    with_types(call.precision, [&]<class Of, class W>(Of, W) {
        if constexpr (std::is_same_v<Of, T>)
            with_cell<T>(call.shape.after, [&]<class Cell>(Cell) {
                if (call.weights.hh && few_units<T>(call.shape, call.sequences))
                    return run_pass(threads,
                                    [&](Arena& arena) { return FewUnitsForward<T, Cell>(call, threads, arena); });
                run_pass(threads, [&](Arena& arena) {
                    Arena packed(const_cast<void*>(call.packed));
                    return ForwardPass<T, W, Cell>(call, threads, arena, packed);
                });
            });
    });
}

template <class T>
void backward(const Backward<T>& call, int threads) {
    with_cell<T>(call.shape.after, [&]<class Cell>(Cell) {
        run_pass(threads, [&](Arena& arena) { return BackwardPass<T, Cell>(call, threads, arena); });
    });
}

void score(const Scoring& call, int threads) {
    run_pass(threads, [&](Arena& arena) {
        Arena packed(const_cast<void*>(call.packed));
        return ScoringPass(call, threads, arena, packed);
    });
}

}  // namespace

const Kernels PENSTOCK_TABLE(PENSTOCK_INSTRUCTION_SET) = {
    lanes<float>, packed_size,     &pack<float>,     &pack<double>,    packed_output_size,
    pack_output,  &forward<float>, &forward<double>, &backward<float>, &backward<double>,
    score,        &peak<float>,    &peak<double>,    read_bandwidth,   barrier_wait,
};

}  // namespace penstock
