// The same passes for units so few that they would fill a small part of a vector: rows stand side by side in it
// instead, as many as it has lanes, and each unit is a vector. Every element is the same chain of multiply-adds.
#pragma once

#include "backward.hpp"

namespace penstock {
namespace {

template <class T>
constexpr int most_units = lanes<T> / 2;

// Whether a call is one for this file.
template <class T>
bool few_units(const Shape& shape, const Sequences& sequences) {
    return shape.H <= most_units<T> && sequences.N >= 4 * lanes<T>;
}

// A vector a unit.
template <class T>
using Units = Vec<T>[most_units<T>];

// As many rows as a vector has lanes, from row `first` on, of which the first `alive` are in a step; where no row is,
// the first one's data stand in, and nothing is written.
template <class T>
struct Block {
    const Rows& rows;
    int64_t first, alive;

    int64_t sequence(int64_t lane) const { return rows.sequence(first + (lane < alive ? lane : 0)); }

    // Element k of each row, `of(sequence)` being where a row begins.
    template <class Of>
    void gather(Vec<T>* to, int64_t count, Of of) const {
        const T* from[lanes<T>];
        for (int lane = 0; lane < lanes<T>; ++lane) from[lane] = of(sequence(lane));
        for (int64_t k = 0; k < count; ++k) to[k] = across(from, k, std::make_integer_sequence<int, lanes<T>>());
    }

    template <class Of>
    void scatter(const Vec<T>* from, int64_t count, Of of) const {
        for (int64_t lane = 0; lane < alive; ++lane) {
            T* to = of(sequence(lane));
            for (int64_t k = 0; k < count; ++k) to[k] = from[k][lane];
        }
    }

    // `value` in the rows that are alive, `other` in the rest.
    Vec<T> where_alive(Vec<T> value, Vec<T> other) const {
        if (alive == lanes<T>) return value;
        for (int64_t lane = alive; lane < lanes<T>; ++lane) value[lane] = other[lane];
        return value;
    }

private:
    template <int... lane>
    static Vec<T> across(const T* const* from, int64_t k, std::integer_sequence<int, lane...>) {
        return Vec<T>{from[lane][k]...};
    }
};

// A step of a block: what the cell makes of x and the state.
template <class T, class Cell>
struct BlockStep {
    Units<T> reset, update, candidate, recurrent, operand, h_new;

    struct Unit {
        BlockStep& to;
        const Vec<T> (*slots)[most_units<T>];
        const Vec<T>* state;
        int64_t unit;

        Vec<T> pre(int slot) const { return slots[slot][unit]; }
        Vec<T> h() const { return state[unit]; }
        void hand_on(Vec<T> value) const { to.operand[unit] = value; }
        void keep(Vec<T> value, Vec<T>* gate) const { gate[unit] = value; }
        void becomes(Vec<T> value) const { to.h_new[unit] = value; }
    };

    void compute(const Shape& shape, const Weights<const T>& weights, const T* bias, const Vec<T>* x, const Vec<T>* h) {
        const int64_t D = shape.D, H = std::min<int64_t>(shape.H, most_units<T>);
        Vec<T> slots[Cell::slots][most_units<T>];
        const auto add = [&](int slot, const T* rows, int64_t K, const Vec<T>* from) {
            for (int64_t j = 0; j < H; ++j) {
                Vec<T> sum = slots[slot][j];
                for (int64_t k = 0; k < K; ++k) sum = fma(from[k], broadcast(rows[j * K + k]), sum);
                slots[slot][j] = sum;
            }
        };
        for (int slot = 0; slot < Cell::slots; ++slot)
            for (int64_t j = 0; j < H; ++j) slots[slot][j] = broadcast(bias[slot * panel_columns<T> + j]);
        for (int slot = 0; slot < 3; ++slot) add(slot, weights.ih + gates_of_input[slot] * H * D, D, x);
        each_phase<std::size(Cell::phases)>([&](auto phase) {
            constexpr Phase of = Cell::phases[phase];
            for (int k = 0; k < of.count; ++k)
                add(of.slot + k, weights.hh + of.gates[k] * H * H, H, phase == 0 ? h : operand);
            for (int64_t j = 0; j < H; ++j) Cell::template forward<phase>(Unit{*this, slots, h, j});
        });
    }
};

// Before a step at time t, what the state becomes: cleared where an episode starts, or decayed.
template <class T>
void enter_step(const Decay<T>& decay, const Block<T>& block, int64_t t, int64_t H, Vec<T>* h) {
    if (!decay.at && !block.rows.of.resets) return;
    for (int64_t lane = 0; lane < block.alive; ++lane) {
        const int64_t i = block.first + lane;
        const bool cleared = block.rows.starts(t, i);
        const RowDecay<T> of_row(decay, block.rows, t, i);
        for (int64_t j = 0; j < H; ++j)
            if (cleared)
                h[j][lane] = 0;
            else if (of_row.at)
                h[j][lane] = of_row.at[j * of_row.pitch] * h[j][lane];
    }
}

template <class T, class Cell>
class FewUnitsForward {
public:
    FewUnitsForward(const Forward<T>& call, int members, Arena& arena)
        : call_(call), L(call.sequences.L), N(call.sequences.N), D(call.shape.D),
          H(std::min<int64_t>(call.shape.H, most_units<T>)), rows_{call.sequences}, layer_(call.shape, arena, false),
          x_(arena.take<Vec<T>>(members * D)) {
        rows_.place(arena);
    }

    void prepare(int) {
        rows_.fill();
        layer_.pack_biases(call_.weights, 0, layer_.panels);
    }

    void run(int member, int members) {
        const Arithmetic arithmetic;
        for (int64_t first = member * lanes<T>; first < N; first += members * lanes<T>)
            run_block({rows_, first, std::min<int64_t>(lanes<T>, N - first)}, x_ + member * D);
    }

private:
    void run_block(Block<T> block, Vec<T>* x) {
        const auto [reset, update, candidate, recurrent] = call_.gates;
        Units<T> h, entered;
        block.gather(h, H, [&](int64_t n) { return call_.h_0 + n * H; });
        for (int64_t lane = 0; lane < block.alive; ++lane) clear_past_end(call_, rows_, block.first + lane);
        const int64_t all = block.alive;
        for (int64_t s = 0; s < L; ++s) {
            const int64_t t = rows_.time(s);
            block.alive = std::clamp<int64_t>(rows_.alive(t) - block.first, 0, all);
            if (block.alive == 0) continue;
            std::copy_n(h, H, entered);
            enter_step(call_.decay, block, t, H, entered);
            block.gather(x, D, [&](int64_t n) { return call_.x(t, n); });
            BlockStep<T, Cell> step;
            step.compute(call_.shape, call_.weights, layer_.bias, x, entered);
            const auto write = [&](const Vec<T>* values, T* to) {
                if (to) block.scatter(values, H, [&](int64_t n) { return to + (t * N + n) * H; });
            };
            block.scatter(step.h_new, H, [&](int64_t n) { return call_.output(t, n); });
            write(step.reset, reset);
            write(step.update, update);
            write(step.candidate, candidate);
            if (Cell::slots == 4) write(step.recurrent, recurrent);
            for (int64_t j = 0; j < H; ++j) h[j] = block.where_alive(step.h_new[j], h[j]);
        }
        for (int64_t lane = 0; lane < all; ++lane) {
            T* to = call_.h_n + rows_.sequence(block.first + lane) * H;
            for (int64_t j = 0; j < H; ++j) to[j] = h[j][lane];
        }
    }

    const Forward<T>& call_;
    const int64_t L, N, D, H;
    Rows rows_;
    PackedLayer<T, T, Cell> layer_;
    Vec<T>* x_;
};

}  // namespace
}  // namespace penstock
