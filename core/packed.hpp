// A layer's weights in panels, in the order in which the forward pass reads them.
//
// A row of pre-activations has, for every panel of hidden units, one slot a gate: n, r, z, and in the "after" form
// the recurrent part of the candidate, u = W_hn h + b_hn, which r multiplies. Products add to such rows in place.
#pragma once

#include <cmath>

#include "gru.hpp"
#include "product.hpp"
#include "sequences.hpp"

namespace penstock {
namespace {

enum Slot { slot_n, slot_r, slot_z, slot_u };
enum Gate { gate_r, gate_z, gate_n };  // PyTorch's order of rows

inline uint16_t to_bfloat16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if (std::isnan(value)) return uint16_t(bits >> 16 | 0x40);
    return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);  // to nearest, ties to even
}

template <class T, class W>
struct PackedLayer {
    static constexpr int64_t width = panel_columns<T>;
    static constexpr bool scaled = sizeof(W) == 1;

    Shape shape;
    int64_t panels;  // of hidden units
    int64_t slots;
    W *input, *recurrent;
    T *bias, *input_scales, *recurrent_scales;  // rows of pre-activations

    PackedLayer(Shape of, Arena& arena)
        : shape(of), panels(ceil_div(of.H, width)), slots(of.after ? 4 : 3), input(arena.take<W>(panels * 3 * of.D * width)),
          recurrent(arena.take<W>(panels * 3 * of.H * width)), bias(arena.take<T>(row())),
          input_scales(scaled ? arena.take<T>(row()) : nullptr),
          recurrent_scales(scaled ? arena.take<T>(row()) : nullptr) {}

    int64_t row() const { return panels * slots * width; }

    // In the products of a row of pre-activations with x, and with the state.
    PackedMatrix<T, W> of_input() const { return {input, shape.D * width, input_scales}; }
    PackedMatrix<T, W> of_state() const { return {recurrent, shape.H * width, recurrent_scales + (scaled ? width : 0)}; }
    // "before": the candidate's own product comes later
    PackedMatrix<T, W> of_reset_state() const {
        return {recurrent + panels * 2 * shape.H * width, shape.H * width, recurrent_scales};
    }

    // Packs the hidden units of panels first … last − 1.
    void pack(const Weights<const T>& weights, int64_t first, int64_t last) {
        const int64_t H = shape.H;
        for (int64_t p = first; p < last; ++p) {
            const int64_t columns = std::min(width, H - p * width);
            for (int gate : {gate_r, gate_z, gate_n}) {
                const int64_t source_row = gate * H + p * width;
                const int64_t slot = gate == gate_n ? slot_n : gate + 1;
                T* scales = scaled ? input_scales + (p * slots + slot) * width : nullptr;
                pack_gate(weights.ih + source_row * shape.D, shape.D, columns, input + (p * 3 + slot) * shape.D * width,
                          scales);
                const int64_t panel = shape.after ? p * 3 + gate : gate == gate_n ? panels * 2 + p : p * 2 + gate;
                const int64_t state_slot = shape.after && gate == gate_n ? int64_t(slot_u) : slot;
                scales = scaled ? recurrent_scales + (p * slots + state_slot) * width : nullptr;
                pack_gate(weights.hh + source_row * H, H, columns, recurrent + panel * H * width, scales);

                const T* of_input = weights.bias_ih ? weights.bias_ih + source_row : nullptr;
                const T* of_state = weights.bias_hh ? weights.bias_hh + source_row : nullptr;
                T* to = bias + (p * slots + slot) * width;
                T* to_state = bias + (p * slots + state_slot) * width;
                for (int64_t j = 0; j < width; ++j) {
                    const T input_bias = of_input && j < columns ? of_input[j] : T(0);
                    const T state_bias = of_state && j < columns ? of_state[j] : T(0);
                    to[j] = to == to_state ? input_bias + state_bias : input_bias;
                    if (to != to_state) to_state[j] = state_bias;
                }
            }
        }
    }

private:
    static void pack_gate(const T* source, int64_t K, int64_t columns, W* to, T* scales) {
        if constexpr (scaled) {
            T per_weight[width];
            for (int64_t j = 0; j < width; ++j) {
                T largest = 0;
                for (int64_t k = 0; j < columns && k < K; ++k) largest = std::max(largest, std::abs(source[j * K + k]));
                scales[j] = largest / 127;
                per_weight[j] = largest > 0 ? 127 / largest : T(0);
            }
            pack_panel(K, columns, source, 1, K, to,
                       [&](T value, int64_t j) { return W(std::nearbyint(value * per_weight[j])); });
        } else if constexpr (sizeof(W) == 2) {
            pack_panel(K, columns, source, 1, K, to, [](T value, int64_t) { return to_bfloat16(value); });
        } else {
            pack_panel(K, columns, source, 1, K, to, [](T value, int64_t) { return value; });
        }
    }
};

}  // namespace
}  // namespace penstock
