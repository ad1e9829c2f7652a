// A layer's weights in panels, in the order in which the forward pass reads them.
//
// A row of pre-activations has, for every panel of hidden units, the cell's slots side by side. Products add to such
// rows in place.
#pragma once

#include <cmath>

#include "cell.hpp"
#include "gru.hpp"
#include "product.hpp"
#include "sequences.hpp"

namespace penstock {
namespace {

inline uint16_t to_bfloat16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if (std::isnan(value)) return uint16_t(bits >> 16 | 0x40);
    return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);  // to nearest, ties to even
}

// The columns of panel p of hidden units in the rows of a gate.
template <class T>
WeightRows<T> rows_of_gate(const T* weight, int64_t K, int64_t H, int gate, int64_t p) {
    constexpr int64_t width = panel_columns<T>;
    return {weight + (gate * H + p * width) * K, K, std::min(width, H - p * width)};
}

template <class T, class W, class Cell>
struct PackedLayer {
    static constexpr int64_t width = panel_columns<T>, row_of_panel = Cell::slots * width;
    static constexpr bool scaled = sizeof(W) == 1;
    static constexpr int phases = std::size(Cell::phases);

    int64_t D, H, panels;  // of hidden units
    W *input, *recurrent;
    T *bias, *input_scales, *recurrent_scales;  // rows of pre-activations

    // `whole`: with the weights, not only the biases.
    PackedLayer(Shape of, Arena& arena, bool whole = true)
        : D(of.D), H(of.H), panels(ceil_div(of.H, width)), input(arena.take<W>(whole ? panels * 3 * D * width : 0)),
          recurrent(arena.take<W>(whole ? panels * 3 * H * width : 0)), bias(arena.take<T>(row())),
          input_scales(scaled ? arena.take<T>(row()) : nullptr),
          recurrent_scales(scaled ? arena.take<T>(row()) : nullptr) {}

    int64_t row() const { return panels * row_of_panel; }

    // In the products of a row of pre-activations with x, and with the operand of a phase.
    Panels<T, W> of_input() const { return {input, D * width, width, input_scales}; }
    Panels<T, W> of_phase(int phase) const {
        const int slot = Cell::phases[phase].slot;
        return {of_gates(phase), H * width, width, recurrent_scales + (scaled ? slot * width : 0)};
    }

    static Columns input_columns() { return {3, row_of_panel}; }
    static Columns columns_of(int phase) { return {Cell::phases[phase].count, row_of_panel}; }

    void pack_biases(const Weights<const T>& weights, int64_t first, int64_t last) {
        for (int64_t p = first; p < last; ++p) {
            T* to = bias + p * row_of_panel;
            std::fill(to, to + row_of_panel, T(0));
            const auto add = [&](const T* values, int gate, int slot) {
                if (!values) return;
                const auto [at, one, columns] = rows_of_gate(values, 1, H, gate, p);
                for (int64_t j = 0; j < columns; ++j) to[slot * width + j] += at[j];
            };
            for (int gate : {gate_r, gate_z, gate_n}) add(weights.bias_ih, gate, input_slot(gate));
            each_gate([&](int, int gate, int slot) { add(weights.bias_hh, gate, slot); });
        }
    }

    // Packs the hidden units of panels first … last − 1.
    void pack(const Weights<const T>& weights, int64_t first, int64_t last) {
        pack_biases(weights, first, last);
        for (int64_t p = first; p < last; ++p) {
            for (int slot = 0; slot < 3; ++slot)
                pack_gate(rows_of_gate(weights.ih, D, H, gates_of_input[slot], p), D,
                          input + (p * 3 + slot) * D * width, input_scales, p, slot);
            each_gate([&](int phase, int gate, int slot) {
                const int64_t panel = p * Cell::phases[phase].count + slot - Cell::phases[phase].slot;
                pack_gate(rows_of_gate(weights.hh, H, H, gate, p), H,
                          const_cast<W*>(of_gates(phase)) + panel * H * width, recurrent_scales, p, slot);
            });
        }
    }

private:
    const W* of_gates(int phase) const {
        int64_t before = 0;
        for (int k = 0; k < phase; ++k) before += Cell::phases[k].count;
        return recurrent + panels * before * H * width;
    }

    // Of the products of the state: phase, gate and slot.
    template <class F>
    static void each_gate(F f) {
        for (int phase = 0; phase < phases; ++phase)
            for (int k = 0; k < Cell::phases[phase].count; ++k)
                f(phase, Cell::phases[phase].gates[k], Cell::phases[phase].slot + k);
    }

    void pack_gate(const WeightRows<T>& rows, int64_t K, W* to, T* scales, int64_t p, int slot) {
        const auto& [source, pitch, columns] = rows;
        if constexpr (scaled) {
            T per_weight[width];
            for (int64_t j = 0; j < width; ++j) {
                T largest = 0;
                for (int64_t k = 0; j < columns && k < K; ++k)
                    largest = std::max(largest, std::abs(source[j * pitch + k]));
                scales[p * row_of_panel + slot * width + j] = largest / 127;
                per_weight[j] = largest > 0 ? 127 / largest : T(0);
                if (!std::isfinite(per_weight[j])) per_weight[j] = 0;  // the largest is as good as zero
            }
            pack_panel(K, columns, source, 1, pitch, to,
                       [&](T value, int64_t j) { return W(std::nearbyint(value * per_weight[j])); });
        } else if constexpr (sizeof(W) == 2) {
            pack_panel(K, columns, source, 1, pitch, to, [](T value, int64_t) { return to_bfloat16(value); });
        } else {
            pack_rows(K, columns, source, pitch, to);
        }
    }
};

}  // namespace
}  // namespace penstock
