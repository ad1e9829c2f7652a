// Compiled once per instruction set, with PENSTOCK_INSTRUCTION_SET naming it and the compiler's flags choosing it.
#include "kernels.hpp"

#include "backward.hpp"
#include "forward.hpp"
#include "output_layer.hpp"
#include "roofline.hpp"

#define PENSTOCK_CONCATENATE(a, b) a##b
#define PENSTOCK_TABLE(name) PENSTOCK_CONCATENATE(kernels_, name)

namespace penstock {
namespace {

template <class T, class W>
size_t size_of(Shape shape) {
    Arena arena(nullptr);
    PackedLayer<T, W> layer(shape, arena);
    return arena.used();
}

size_t packed_size(Shape shape, Precision precision) {
    switch (precision) {
        case Precision::float64: return size_of<double, double>(shape);
        case Precision::bfloat16: return size_of<float, uint16_t>(shape);
        case Precision::int8: return size_of<float, int8_t>(shape);
        default: return size_of<float, float>(shape);
    }
}

template <class T, class W>
void pack_all(Shape shape, const Weights<const T>& weights, void* to) {
    Arena arena(to);
    PackedLayer<T, W> layer(shape, arena);
    layer.pack(weights, 0, layer.panels);
}

void pack_float(Shape shape, Precision precision, const Weights<const float>& weights, void* to) {
    switch (precision) {
        case Precision::bfloat16: return pack_all<float, uint16_t>(shape, weights, to);
        case Precision::int8: return pack_all<float, int8_t>(shape, weights, to);
        default: return pack_all<float, float>(shape, weights, to);
    }
}

void pack_double(Shape shape, const Weights<const double>& weights, void* to) {
    pack_all<double, double>(shape, weights, to);
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
    Arena arena(scratch(counted.used()));
    auto pass = make(arena);
    pass.prepare(threads);
    run_together(
        threads, [](void* data, int member, int members) { static_cast<decltype(pass)*>(data)->run(member, members); },
        &pass);
}

template <class T, class W>
void forward_on(const Forward<T>& call, int threads) {
    run_pass(threads, [&](Arena& arena) {
        Arena packed(const_cast<void*>(call.packed));
        return ForwardPass<T, W>(call, threads, arena, packed);
    });
}

void forward_float(const Forward<float>& call, int threads) {
    switch (call.precision) {
        case Precision::bfloat16: return forward_on<float, uint16_t>(call, threads);
        case Precision::int8: return forward_on<float, int8_t>(call, threads);
        default: return forward_on<float, float>(call, threads);
    }
}

void forward_double(const Forward<double>& call, int threads) { forward_on<double, double>(call, threads); }

template <class T>
void backward(const Backward<T>& call, int threads) {
    run_pass(threads, [&](Arena& arena) { return BackwardPass<T>(call, threads, arena); });
}

void score(const Scoring& call, int threads) {
    run_pass(threads, [&](Arena& arena) {
        Arena packed(const_cast<void*>(call.packed));
        return ScoringPass(call, threads, arena, packed);
    });
}

}  // namespace

const Kernels PENSTOCK_TABLE(PENSTOCK_INSTRUCTION_SET) = {
    lanes<float>,  packed_size,    pack_float,       pack_double,       packed_output_size, pack_output,
    forward_float, forward_double, &backward<float>, &backward<double>, score,
    &peak<float>,  &peak<double>,  read_bandwidth,   barrier_wait,
};

}  // namespace penstock
