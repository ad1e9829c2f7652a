// Steps of a few streams, and drawing; compiled once per instruction set, as kernels.cpp.
#include "cell_after.hpp"
#include "cell_before.hpp"
#include "kernels.hpp"
#include "network_step.hpp"
#include "sampling.hpp"

#define PENSTOCK_CONCATENATE(a, b) a##b
#define PENSTOCK_TABLE(name) PENSTOCK_CONCATENATE(steps_, name)

namespace penstock {
namespace {

template <class T>
size_t memory(const NetworkStep<T>& call) {
    Arena arena(nullptr);
    NetworkPass<T> pass(call, arena);
    return arena.used();
}

template <class T>
void step(const NetworkStep<T>& call, bool backwards) {
    Arena arena(call.memory);
    NetworkPass<T>(call, arena).run(backwards);
}

size_t sampling_memory(int64_t V) {
    Arena arena(nullptr);
    Drawing drawing(V, arena);
    return arena.used();
}

int64_t sample(const float* logits, int64_t V, const Sampling& how, double random, void* memory) {
    const Arithmetic arithmetic;
    Arena arena(memory);
    return Drawing(V, arena).run(logits, how, random);
}

}  // namespace

const StepKernels PENSTOCK_TABLE(PENSTOCK_INSTRUCTION_SET) = {
    &memory<float>, &memory<double>, &step<float>, &step<double>, sampling_memory, sample,
};

}  // namespace penstock
