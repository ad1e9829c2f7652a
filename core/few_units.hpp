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

template <class T, class Cell>
class FewUnitsBackward {
public:
    FewUnitsBackward(const Backward<T>& call, int members, Arena& arena)
        : call_(call), L(call.sequences.L), N(call.sequences.N), D(call.shape.D),
          H(std::min<int64_t>(call.shape.H, most_units<T>)), rows_{call.sequences}, layer_(call.shape, arena, false),
          parts_(ceil_div(N, rows_behind)), of_block_(D + sums()), memory_(arena.take<Vec<T>>(members * of_block_)),
          of_part_(arena.take<T>(parts_ * sums())) {
        rows_.place(arena);
    }

    void prepare(int) {
        rows_.fill();
        layer_.pack_biases(call_.weights, 0, layer_.panels);
    }

    // Gradients of the weights are added up over so many rows, then over those parts: whoever computes them.
    void run(int member, int members) {
        const Arithmetic arithmetic;
        Vec<T>*const x = memory_ + member * of_block_, *const sum = x + D;
        for (int64_t k = member; k < parts_; k += members) {
            std::fill_n(sum, sums(), Vec<T>{});
            const int64_t last = std::min((k + 1) * rows_behind, N);
            for (int64_t first = k * rows_behind; first < last; first += lanes<T>)
                run_block({rows_, first, std::min<int64_t>(lanes<T>, last - first)}, x, sum);
            for (int64_t c = 0; c < sums(); ++c) {
                T total = 0;
                for (int lane = 0; lane < lanes<T>; ++lane) total += sum[c][lane];
                of_part_[k * sums() + c] = total;
            }
        }
        Meeting::Seat seat{member, members};
        all_.wait(seat);
        if (member == 0) write_weight_gradients();
    }

private:
    // Of the weights: (sections, H, …) of x, of the state or the operand, and of 1.
    int64_t sums() const { return (3 * D + 3 * H + Cell::sections) * H; }

    struct Unit {
        struct {
            const Vec<T>*reset, *update, *candidate, *recurrent;
        } gates, grad_gates;
        const Vec<T>*entered, *grad_output;
        Vec<T>*grad_state, *grad_of_operand, (*sections)[most_units<T>];
        int64_t unit;

        Vec<T> get(const Vec<T>* from) const { return from ? from[unit] : Vec<T>{}; }
        Vec<T> h() const { return entered[unit]; }
        Vec<T> grad_h() const { return grad_state[unit] + get(grad_output); }
        Vec<T> passed() const { return grad_state[unit]; }
        void pass(Vec<T> value) const { grad_state[unit] = value; }
        Vec<T> grad_operand() const { return grad_of_operand[unit]; }
        void leave(int section, Vec<T> value) const { sections[section][unit] = value; }
    };

    void run_block(Block<T> block, Vec<T>* x, Vec<T>* sum) {
        constexpr int phases = std::size(Cell::phases);
        const int64_t all = block.alive;
        Units<T> g = {};
        if (call_.grad_h_n) block.gather(g, H, [&](int64_t n) { return call_.grad_h_n + n * H; });
        for (int64_t lane = 0; lane < all; ++lane) clear_gradients_past_end(call_, rows_, block.first + lane);
        for (int64_t s = L - 1; s >= 0; --s) {
            const int64_t t = rows_.time(s);
            block.alive = std::clamp<int64_t>(rows_.alive(t) - block.first, 0, all);
            if (block.alive == 0) continue;
            Units<T> before, entered, operand_g = {}, of_output, of_reset, of_update, of_candidate,
                                      sections[Cell::sections];
            for (int64_t lane = 0; lane < lanes<T>; ++lane) {
                const int64_t i = block.first + (lane < block.alive ? lane : 0), n = rows_.sequence(i);
                const T* from = rows_.first(t, i) ? call_.h_0 + n * H : call_.output(rows_.previous(t), n);
                for (int64_t j = 0; j < H; ++j) before[j][lane] = from[j];
            }
            std::copy_n(before, H, entered);
            enter_step(call_.decay, block, t, H, entered);
            block.gather(x, D, [&](int64_t n) { return call_.x(t, n); });
            BlockStep<T, Cell> step;
            const auto read = [&](Vec<T>* to, const T* from) -> const Vec<T>* {
                if (!from) return nullptr;
                block.gather(to, H, [&](int64_t n) { return from + (t * N + n) * H; });
                return to;
            };
            if (call_.gates.reset) {
                read(step.reset, call_.gates.reset);
                read(step.update, call_.gates.update);
                read(step.candidate, call_.gates.candidate);
                if (Cell::slots == 4) read(step.recurrent, call_.gates.recurrent);
            } else {
                step.compute(call_.shape, call_.weights, layer_.bias, x, entered);
            }
            if (phases > 1)
                for (int64_t j = 0; j < H; ++j) step.operand[j] = step.reset[j] * entered[j];
            if (call_.grad_output.at) block.gather(of_output, H, [&](int64_t n) { return call_.grad_output(t, n); });
            Units<T> g_old;
            std::copy_n(g, H, g_old);
            Unit unit{{step.reset, step.update, step.candidate, step.recurrent},
                      {read(of_reset, call_.grad_gates.reset), read(of_update, call_.grad_gates.update),
                       read(of_candidate, call_.grad_gates.candidate), nullptr},
                      entered,
                      call_.grad_output.at ? of_output : nullptr,
                      g,
                      operand_g,
                      sections,
                      0};
            each_phase_back<phases>([&](auto phase) {
                constexpr Phase of = Cell::phases[phase];
                for (unit.unit = 0; unit.unit < H; ++unit.unit) Cell::template backward<phase>(std::as_const(unit));
                Vec<T>* to = phase == 0 ? g : operand_g;
                for (int64_t k = 0; k < H; ++k) {
                    Vec<T> value = phase == 0 ? to[k] : Vec<T>{};
                    for (int gate = of.gates[0]; gate < of.gates[0] + of.count; ++gate)
                        for (int64_t j = 0; j < H; ++j)
                            value = fma(sections[gate][j], broadcast(call_.weights.hh[(gate * H + j) * H + k]), value);
                    to[k] = value;
                }
            });
            for (int section = 0; section < Cell::sections; ++section)
                for (int64_t j = 0; j < H; ++j)
                    sections[section][j] = block.where_alive(sections[section][j], Vec<T>{});
            for (int64_t j = 0; j < H; ++j) g[j] = block.where_alive(g[j], g_old[j]);
            add_up(x, entered, step.operand, sections, sum);
            write_grad_x(block, t, x, sections);
            leave_step(block, t, before, g);
        }
        block.alive = all;
        if (call_.grad_h_0) block.scatter(g, H, [&](int64_t n) { return call_.grad_h_0 + n * H; });
    }

    void add_up(const Vec<T>* x, const Vec<T>* h, const Vec<T>* operand, const Units<T>* sections, Vec<T>* sum) const {
        for (int gate : {gate_r, gate_z, gate_n})
            for (int64_t j = 0; j < H; ++j) {
                const Vec<T> da = sections[Cell::input_section[gate]][j];
                for (int64_t k = 0; k < D; ++k, ++sum) *sum = fma(da, x[k], *sum);
            }
        each_phase<std::size(Cell::phases)>([&](auto phase) {
            constexpr Phase of = Cell::phases[phase];
            for (int gate = of.gates[0]; gate < of.gates[0] + of.count; ++gate)
                for (int64_t j = 0; j < H; ++j)
                    for (int64_t k = 0; k < H; ++k, ++sum)
                        *sum = fma(sections[gate][j], phase == 0 ? h[k] : operand[k], *sum);
        });
        for (int section = 0; section < Cell::sections; ++section)
            for (int64_t j = 0; j < H; ++j, ++sum) *sum += sections[section][j];
    }

    void write_grad_x(const Block<T>& block, int64_t t, Vec<T>* x, const Units<T>* sections) const {
        if (!call_.grad_x.at) return;
        for (int64_t k = 0; k < D; ++k) {  // in x's place, which nobody reads again
            Vec<T> value = {};
            for (int gate : {gate_r, gate_z, gate_n})
                for (int64_t j = 0; j < H; ++j)
                    value = fma(sections[Cell::input_section[gate]][j],
                                broadcast(call_.weights.ih[(gate * H + j) * D + k]), value);
            x[k] = value;
        }
        block.scatter(x, D, [&](int64_t n) { return call_.grad_x(t, n); });
    }

    // What the state's gradient becomes on its way to the step before.
    void leave_step(const Block<T>& block, int64_t t, const Vec<T>* before, Vec<T>* g) const {
        if (!call_.decay.at && !rows_.of.resets) return;
        for (int64_t lane = 0; lane < block.alive; ++lane) {
            const int64_t i = block.first + lane, passage = rows_.passage(t, i);
            const bool cleared = rows_.starts(t, i);
            const RowDecay<T> decay(call_.decay, rows_, t, i);
            T* to =
                call_.grad_decay && passage >= 0 ? call_.grad_decay + (passage * N + rows_.sequence(i)) * H : nullptr;
            for (int64_t j = 0; j < H; ++j) {
                if (to) to[j] = cleared ? T(0) : g[j][lane] * before[j][lane];
                if (cleared)
                    g[j][lane] = 0;
                else if (decay.at)
                    g[j][lane] = g[j][lane] * decay.at[j * decay.pitch];
            }
        }
    }

    void write_weight_gradients() {
        T* const total = of_part_;  // the first part takes the others up
        for (int64_t k = 1; k < parts_; ++k)
            for (int64_t c = 0; c < sums(); ++c) total[c] += of_part_[k * sums() + c];
        const auto& to = call_.grad_weights;
        const T *ih = total, *hh = ih + 3 * H * D, *biases = hh + 3 * H * H;
        if (to.ih) std::copy_n(ih, 3 * H * D, to.ih);
        if (to.hh) std::copy_n(hh, 3 * H * H, to.hh);
        if (to.bias_hh) std::copy_n(biases, 3 * H, to.bias_hh);
        for (int gate = 0; to.bias_ih && gate < 3; ++gate)
            std::copy_n(biases + Cell::input_section[gate] * H, H, to.bias_ih + gate * H);
    }

    const Backward<T>& call_;
    const int64_t L, N, D, H;
    Rows rows_;
    PackedLayer<T, T, Cell> layer_;
    const int64_t parts_, of_block_;
    Vec<T>* memory_;
    T* of_part_;
    Meeting all_;
};

}  // namespace
}  // namespace penstock
