// One step of a few streams: layer after layer on one thread, with nothing made, cleared or met for it. Every element is
// the chain of multiply-adds that it is in a sequence (product.hpp).
#pragma once

#include "output_layer.hpp"

namespace penstock {
namespace {

// What a layer's step works in.
template <class T>
struct StepMemory {
    int64_t h_pitch = 0, pre_pitch = 0;
    T *h, *operand, *pre;
};

// What the cell sees of a vector of units of a row.
template <class T>
struct StepUnit {
    static constexpr GateArrays<T> to = {};  // no gates are kept
    const T *h_before, *slots;
    T *operand, *after;
    int64_t unit, count;

    Vec<T> pre(int slot) const { return load(slots + slot * panel_columns<T>); }
    Vec<T> h() const { return load(h_before + unit); }
    void hand_on(Vec<T> value) const { store(operand + unit, value); }
    void keep(Vec<T>, T*) const {}
    void becomes(Vec<T> value) const { store_first(after + unit, value, count); }
};

// From x (N, D) and a state (N, H), which becomes the next one. `backwards`: the last panels first.
template <class T, class W, class Cell>
void step_layer(const PackedLayer<T, W, Cell>& layer, int64_t N, const T* x, T* state, const StepMemory<T>& memory,
                bool backwards) {
    constexpr int64_t width = panel_columns<T>;
    constexpr int phases = std::size(Cell::phases);
    const int64_t D = layer.D, H = layer.H, pitch = memory.pre_pitch;
    for (int64_t n = 0; n < N; ++n) {
        T* const h = memory.h + n * memory.h_pitch;
        std::copy_n(state + n * H, H, h);
        std::fill(h + H, h + round_up(H, lanes<T>), T(0));
        std::copy_n(layer.bias, layer.row(), memory.pre + n * pitch);
    }
    // With one phase a tile's worth of panels is finished before the next is begun, so that the whole may go either way.
    const int64_t at_once = phases == 1 ? std::max(tile_panels(int(std::min<int64_t>(N, tile_rows))) / 3, 1) : layer.panels;
    const int64_t groups = ceil_div(layer.panels, at_once);
    for (int64_t g = 0; g < groups; ++g) {
        const int64_t first = (backwards ? groups - 1 - g : g) * at_once,
                      last = std::min(first + at_once, layer.panels);
        product<T, W>(N, D, x, D, layer.of_input(), first * 3, last * 3, {memory.pre, pitch, layer.input_columns()},
                      backwards);
        each_phase<phases>([&](auto phase) {
            constexpr Phase of = Cell::phases[phase];
            product<T, W>(N, H, phase == 0 ? memory.h : memory.operand, memory.h_pitch, layer.of_phase(phase),
                          first * of.count, last * of.count,
                          {memory.pre + of.slot * width, pitch, layer.columns_of(phase)}, backwards);
            for (int64_t n = 0; n < N; ++n)
                for (int64_t p = first; p < last; ++p)
                    for (int64_t v = 0; v < width; v += lanes<T>)
                        if (const int64_t unit = p * width + v; unit < H)
                            Cell::template forward<phase>(
                                StepUnit<T>{memory.h + n * memory.h_pitch,
                                            memory.pre + n * pitch + p * layer.row_of_panel + v,
                                            memory.operand + n * memory.h_pitch, state + n * H, unit, H - unit});
        });
    }
}

// Calls f with a layer as it was packed.
template <class T, class F>
void with_layer(const NetworkLayer& of, F f) {
    Arena packed(const_cast<void*>(of.packed));
    const auto with_cell = [&]<class W>(W) {
        if (of.shape.after)
            f(PackedLayer<T, W, CellAfter<T>>(of.shape, packed));
        else
            f(PackedLayer<T, W, CellBefore<T>>(of.shape, packed));
    };
    if constexpr (std::is_same_v<T, double>)
        with_cell(double());
    else if (of.precision == Precision::bfloat16)
        with_cell(uint16_t());
    else if (of.precision == Precision::int8)
        with_cell(int8_t());
    else
        with_cell(float());
}

template <class T>
class NetworkPass {
public:
    // Takes its memory from the arena.
    NetworkPass(const NetworkStep<T>& call, Arena& arena) : call_(call), H(call.layers[0].shape.H) {
        const int64_t panels = ceil_div(H, panel_columns<T>), N = call.N;
        memory_.h_pitch = padded<T>(panels * panel_columns<T>);
        memory_.pre_pitch = padded<T>(panels * 4 * panel_columns<T>);  // no cell has more slots
        memory_.h = arena.take<T>(N * memory_.h_pitch);
        memory_.operand = arena.take<T>(N * memory_.h_pitch);
        memory_.pre = arena.take<T>(N * memory_.pre_pitch);
        if (!call.packed_output) return;
        const PackedOutput counted = output(nullptr);
        stride_ = padded<float>(counted.row);
        logits_ = arena.take<float>(N * stride_);
    }

    void run(bool backwards) {
        const Arithmetic arithmetic;
        const int64_t rows = call_.N * H;
        const T* x = call_.x;
        for (int64_t k = 0; k < call_.K; ++k) {
            T* const state = call_.state + k * rows;
            with_layer<T>(call_.layers[k], [&](const auto& layer) {
                step_layer(layer, call_.N, x, state, memory_, backwards);
            });
            if (k > 0 && call_.residual) {
                for (int64_t j = 0; j < rows; ++j) call_.top[j] = x[j] + state[j];
                x = call_.top;
            } else {
                x = state;
            }
        }
        if (x != call_.top) std::copy_n(x, rows, call_.top);
        if constexpr (std::is_same_v<T, float>)
            if (call_.packed_output) run_output();
    }

private:
    PackedOutput output(const void* packed) const {
        Arena arena(const_cast<void*>(packed));
        return PackedOutput(call_.output, arena);
    }

    void run_output() {
        const PackedOutput layer = output(call_.packed_output);
        for (int64_t n = 0; n < call_.N; ++n) std::copy_n(layer.bias, layer.row, logits_ + n * stride_);
        product<float, float>(call_.N, layer.H, call_.top, layer.H, {layer.weights, layer.H * layer.width}, 0,
                              layer.panels, {logits_, stride_, Columns{1, layer.width}});
        for (int64_t n = 0; n < call_.N; ++n) {
            const float* const logits = logits_ + n * stride_;
            if (call_.logits) std::copy_n(logits, layer.V, call_.logits + n * layer.V);
            if (call_.log_probabilities) layer.log_probabilities(logits, call_.log_probabilities + n * layer.V);
        }
    }

    const NetworkStep<T>& call_;
    const int64_t H;
    StepMemory<T> memory_ = {};
    int64_t stride_ = 0;
    float* logits_ = nullptr;
};

}  // namespace
}  // namespace penstock
