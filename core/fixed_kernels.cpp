// Networks in whole numbers, compiled once per instruction set: PENSTOCK_INSTRUCTION_SET is its name.
#include "../src/penstock/engine/gru_fixed.h"

#include <algorithm>
#include <cmath>

#include "fixed.hpp"

#define PENSTOCK_CONCATENATE(a, b) a##b
#define PENSTOCK_TABLE(name) PENSTOCK_CONCATENATE(fixed_, name)

namespace penstock {
namespace {

// Where a stream's step works.
struct Place {
    int16_t *x, *h, *scratch;
    int32_t* answer;
    float* top;

    Place(const FixedNetwork& network, void* memory) {
        size_t widest = size_t(network.H);
        for (const auto& layer : network.layers) widest = std::max(widest, size_t(layer->D));
        if (network.output) widest = std::max(widest, size_t(network.output->reads));
        const size_t W = gru_fixed_width(size_t(network.H)), operand = gru_fixed_width(widest);
        auto* at = static_cast<char*>(memory);
        const auto take = [&]<class T>(T*& array, size_t count) {
            array = reinterpret_cast<T*>(at);
            at += (count * sizeof(T) + 63) / 64 * 64;
        };
        take(x, operand);
        take(h, W);
        take(scratch, GRU_FIXED_SCRATCH(widest, widest));
        take(answer, network.output ? size_t(network.output->V) : 0);
        take(top, W);
        bytes = size_t(at - static_cast<char*>(memory));
    }

    size_t bytes;
};

size_t memory(const FixedNetwork& network) { return Place(network, nullptr).bytes; }

int64_t block_words(int64_t columns) { return int64_t(gru_fixed_pitch(size_t(columns))); }

// Whole numbers, and zeros behind them up to whole blocks.
void to_whole(int64_t count, const float* from, float per, int16_t* to) {
    for (int64_t k = 0; k < count; ++k) to[k] = gru_fixed_whole(from[k], per);
    std::fill(to + count, to + gru_fixed_width(size_t(count)), int16_t(0));
}

constexpr float one = 32768.0f;  // in a state's whole numbers

// The next state (H,), in place, from what is in place.x.
void layer_step(const FixedNetwork& network, const FixedLayer& layer, float* state, const Place& place) {
    const gru_fixed_layer of = {layer.ih.data(), layer.hh.data(), layer.m_ih.data(), layer.m_hh.data(), layer.b.data()};
    to_whole(network.H, state, one, place.h);
    gru_fixed_step(network.after, size_t(layer.D), size_t(network.H), &of, place.x, place.h, place.scratch);
    for (int64_t i = 0; i < network.H; ++i) state[i] = float(place.h[i]) * (1 / one);
}

void answer(const FixedNetwork& network, const float* x, bool log_probabilities, float* out, void* memory) {
    const Place place(network, memory);
    const FixedOutput& layer = *network.output;
    to_whole(layer.reads, x, layer.per, place.x);
    gru_fixed_output(size_t(layer.V), size_t(layer.reads), layer.weights.data(), layer.m.data(), layer.b.data(),
                     place.x, place.answer, place.scratch);
    for (int64_t k = 0; k < layer.V; ++k) out[k] = float(place.answer[k]) * (1 / 65536.0f);
    if (!log_probabilities) return;
    const float largest = *std::max_element(out, out + layer.V);
    double sum = 0;
    for (int64_t k = 0; k < layer.V; ++k) sum += double(std::exp(out[k] - largest));
    const double log = std::log(sum) + double(largest);
    for (int64_t k = 0; k < layer.V; ++k) out[k] = float(double(out[k]) - log);
}

void step(const FixedNetwork& network, const float* x, float* state, int64_t pitch, bool log_probabilities, float* out,
          void* memory) {
    const Place place(network, memory);
    const auto K = int64_t(network.layers.size());
    for (int64_t k = 0; k < K; ++k) {
        const FixedLayer& layer = *network.layers[size_t(k)];
        float* const h = state + k * pitch;
        to_whole(layer.D, k == 0 ? x : place.top, layer.per, place.x);
        layer_step(network, layer, h, place);
        if (network.residual && k > 0)
            for (int64_t i = 0; i < network.H; ++i) place.top[i] += h[i];
        else
            std::copy_n(h, network.H, place.top);
    }
    if (network.output)
        answer(network, place.top, log_probabilities, out, memory);
    else
        std::copy_n(place.top, network.H, out);
}

void read(const FixedNetwork& network, int64_t which, const FixedSequences& of, void* memory) {
    const Place place(network, memory);
    const FixedLayer& layer = *network.layers[size_t(which)];
    const int64_t H = network.H;
    for (int64_t n = of.first; n < of.last; ++n) {
        float* const h = of.state + n * H;
        const int64_t steps = of.lengths ? of.lengths[n] : of.L;
        for (int64_t t = 0; t < of.L; ++t) {
            const int64_t row = t * of.N + n;
            if (t >= steps) {
                std::fill_n(of.out + row * H, H, 0.0f);
                continue;
            }
            if (of.decay)
                for (int64_t i = 0; i < H; ++i) h[i] *= of.decay[row * H + i];
            to_whole(layer.D, of.x + row * layer.D, layer.per, place.x);
            layer_step(network, layer, h, place);
            std::copy_n(h, H, of.out + row * H);
        }
    }
}

}  // namespace

extern const FixedKernels PENSTOCK_TABLE(PENSTOCK_INSTRUCTION_SET);
const FixedKernels PENSTOCK_TABLE(PENSTOCK_INSTRUCTION_SET) = {
    GRU_FIXED_LAYOUT, &block_words, &memory, &step, &read, &answer,
};

}  // namespace penstock
