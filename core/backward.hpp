// The backward pass. The reverse loop carries only the state's gradient; what it leaves behind for a stretch of steps,
// the gradients of the pre-activations, then goes into large products: of the weights, and of x.
//
// With g the gradient of h_t, and a• the pre-activations:
//
//     dn = g ⊙ (1 − z)          da_n = dn ⊙ (1 − n²)
//     dz = g ⊙ (h_{t−1} − n)    da_z = dz ⊙ z ⊙ (1 − z)
//     "after":   dr = da_n ⊙ u,  du = da_n ⊙ r,   da_r = dr ⊙ r ⊙ (1 − r)
//                dh = g ⊙ z + [da_r da_z du] · W_h
//     "before":  p = da_n · W_hn,  dr = p ⊙ h_{t−1},  da_r = dr ⊙ r ⊙ (1 − r)
//                dh = g ⊙ z + p ⊙ r + [da_r da_z] · W_h
#pragma once

#include <optional>

#include "forward.hpp"

namespace penstock {
namespace {

// Rows whose gradients the large products take at once.
constexpr int64_t rows_behind = 512;

template <class T>
class BackwardPass {
public:
    BackwardPass(const Backward<T>& call, int members, Arena& arena)
        : call_(call), L(call.sequences.L), N(call.sequences.N), D(call.shape.D), H(call.shape.H),
          after(call.shape.after), panels_(ceil_div(H, width)), input_panels_(ceil_div(D, width)), Hp(panels_ * width),
          rows_{call.sequences} {
        rows_.place(arena);
        steps_ = std::clamp<int64_t>(rows_behind / std::max<int64_t>(N, 1), 1, std::max<int64_t>(L, 1));
        capacity_ = steps_ * N;
        of_state_ = arena.take<T>(panels_ * 3 * Hp * width);
        of_input_ = arena.take<T>(call.grad_x.at ? input_panels_ * 3 * Hp * width : 0);
        state_stride_ = padded<T>(Hp);
        grad_state_ = arena.take<T>(N * state_stride_);
        grad_reset_state_ = after ? nullptr : arena.take<T>(N * state_stride_);
        grad_stride_ = padded<T>((after ? 4 : 3) * Hp);
        grads_ = arena.take<T>(capacity_ * grad_stride_);
        zeros_ = arena.take<T>(Hp);
        x_panels_ = arena.take<T>(input_panels_ * capacity_ * width);
        h_panels_ = arena.take<T>(panels_ * capacity_ * width);
        reset_h_panels_ = after ? nullptr : arena.take<T>(panels_ * capacity_ * width);
        sum_ih_ = arena.take<T>(3 * Hp * input_panels_ * width);
        sum_hh_ = arena.take<T>(3 * Hp * panels_ * width);
        sum_bias_ = arena.take<T>(grad_stride_);
        tiles_ = arena.take<T>(members * tiles_at_once * tile_rows * depth_at_once);
        x_block_ = arena.take<T>(members * rows_at_once * input_panels_ * width);
        row_time_ = arena.take<int64_t>(capacity_);
        row_index_ = arena.take<int64_t>(capacity_);
        step_begin_ = arena.take<int64_t>(steps_ + 1);
        barriers_ = arena.take<Barrier>(members);
        if (recomputes()) {
            layer_.emplace(call.shape, arena);
            pre_stride_ = padded<T>(layer_->row());
            x_stride_ = padded<T>(D);
            pre_ = arena.take<T>(members * rows_at_once * pre_stride_);
            x_ = arena.take<T>(members * rows_at_once * x_stride_);
            h_ = arena.take<T>(members * rows_at_once * state_stride_);
            recomputed_ = arena.take<T>(4 * capacity_ * H);
        }
    }

    void prepare(int members) {
        rows_.fill();
        for (int g = 0; g < members; ++g) new (barriers_ + g) Barrier;
        std::fill(zeros_, zeros_ + Hp, T(0));
    }

    void run(int member, int members) {
        const DefaultRounding environment;
        const Share share = share_of(member, members, N, panels_, 3 * H * H * int64_t(sizeof(T)));
        pack_weights(share);
        prepare_rows(share);
        all_.wait(members);
        for (int64_t end = L; end > 0;) {
            const int64_t begin = std::max<int64_t>(end - steps_, 0);
            if (member == 0) list_rows(begin, end);
            all_.wait(members);
            const int64_t rows = step_begin_[end - begin];
            pack_inputs(share, rows);
            if (recomputes()) {
                recompute(share, rows);
                all_.wait(members);
            }
            if (!after) pack_reset_states(share, rows);
            for (int64_t s = end - 1; s >= begin; --s) step(share, s, step_begin_[s - begin]);
            all_.wait(members);
            add_weight_gradients(share, rows);
            if (call_.grad_x.at) write_grad_x(share, rows);
            end = begin;
            all_.wait(members);
        }
        write_gradients(share);
    }

private:
    static constexpr int64_t width = panel_columns<T>;
    static constexpr int64_t tiles_at_once = 32, depth_at_once = 512, rows_at_once = 4 * tile_rows;

    bool recomputes() const { return !call_.gates.reset; }

    // Sections of a row of gradients. "after": da_r, da_z, du, da_n; "before": da_r, da_z, da_n.
    T* grads(int64_t row) const { return grads_ + row * grad_stride_; }
    int64_t section_n() const { return (after ? 3 : 2) * Hp; }

    T* grad_state(int64_t i) const { return grad_state_ + i * state_stride_; }
    T* grad_reset_state(int64_t i) const { return grad_reset_state_ + i * state_stride_; }

    // W_hh and W_ih with the rows of the gates as k.
    void pack_weights(const Share& share) {
        for (int64_t q = share.member; q < panels_ + (of_input_count()); q += share.members) {
            const bool state = q < panels_;
            const int64_t panel = state ? q : q - panels_, size = state ? H : D;
            const T* source = (state ? call_.weights.hh : call_.weights.ih) + panel * width;
            T* to = (state ? of_state_ : of_input_) + panel * 3 * Hp * width;
            for (int64_t gate = 0; gate < 3; ++gate) {
                T* at = to + gate * Hp * width;
                pack_panel(H, size - panel * width, source + gate * H * size, size, 1, at,
                           [](T value, int64_t) { return value; });
                std::fill(at + H * width, at + Hp * width, T(0));
            }
        }
        if (layer_) layer_->pack(call_.weights, part(panels_, share.member, share.members), part(panels_, share.member + 1, share.members));
    }

    int64_t of_input_count() const { return call_.grad_x.at ? input_panels_ : 0; }

    void prepare_rows(const Share& share) {
        for (int64_t i = share.member; i < N; i += share.members) {
            const int64_t n = rows_.sequence(i);
            T* g = grad_state(i);
            std::fill(g, g + state_stride_, T(0));
            if (call_.grad_h_n) std::copy(call_.grad_h_n + n * H, call_.grad_h_n + (n + 1) * H, g);
            for (int64_t t = rows_.length(i); call_.grad_x.at && t < L; ++t)
                std::fill(call_.grad_x(t, n), call_.grad_x(t, n) + D, T(0));
        }
        const auto clear = [&](T* sums, int64_t count) {
            std::fill(sums + part(count, share.member, share.members), sums + part(count, share.member + 1, share.members), T(0));
        };
        clear(sum_ih_, 3 * Hp * input_panels_ * width);
        clear(sum_hh_, 3 * Hp * panels_ * width);
        clear(sum_bias_, grad_stride_);
    }

    // The rows of steps begin … end − 1, one after the other.
    void list_rows(int64_t begin, int64_t end) {
        int64_t row = 0;
        for (int64_t s = begin; s < end; ++s) {
            step_begin_[s - begin] = row;
            const int64_t t = rows_.time(s);
            for (int64_t i = 0; i < rows_.alive(t); ++i, ++row) {
                row_time_[row] = t;
                row_index_[row] = i;
            }
        }
        step_begin_[end - begin] = row;
    }

    // The state that row i's step at time t began with, (H,).
    const T* state_before(int64_t t, int64_t i) const {
        if (rows_.starts(t, i)) return zeros_;
        const int64_t n = rows_.sequence(i);
        return rows_.first(t, i) ? call_.h_0 + n * H : call_.output(rows_.previous(t), n);
    }

    struct SavedGates {
        const T *r, *z, *n, *u;
    };
    SavedGates gates_of(int64_t row) const {
        if (recomputes()) {
            const T* at = recomputed_ + row * 4 * H;
            return {at, at + H, at + 2 * H, at + 3 * H};
        }
        const int64_t at = (row_time_[row] * N + rows_.sequence(row_index_[row])) * H;
        const auto& g = call_.gates;
        return {g.reset + at, g.update + at, g.candidate + at, after ? g.recurrent + at : nullptr};
    }

    // A row of B, cut into its panels.
    void pack_row(const T* source, int64_t size, T* panels, int64_t row) {
        for (int64_t begin = 0; begin < size; begin += width, panels += capacity_ * width)
            for (int64_t v = 0; v < width; v += lanes<T>)
                store(panels + row * width + v, load_first(source + begin + v, size - begin - v));
    }

    void pack_inputs(const Share& share, int64_t rows) {
        for (int64_t row = share.member; row < rows; row += share.members) {
            const int64_t t = row_time_[row], i = row_index_[row];
            pack_row(call_.x(t, rows_.sequence(i)), D, x_panels_, row);
            pack_row(state_before(t, i), H, h_panels_, row);
        }
    }

    // r ⊙ h of rows that this member's own pack_inputs took.
    void pack_reset_states(const Share& share, int64_t rows) {
        for (int64_t row = share.member; row < rows; row += share.members) {
            const T* r = gates_of(row).r;
            for (int64_t unit = 0; unit < Hp; unit += lanes<T>) {
                const int64_t at = (unit / width * capacity_ + row) * width + unit % width;
                store(reset_h_panels_ + at, load_first(r + unit, H - unit) * load(h_panels_ + at));
            }
        }
    }

    // The gates once more, all rows at once: every state is known now. The same chains as in the forward pass.
    void recompute(const Share& share, int64_t rows) {
        T* pre = pre_ + share.member * rows_at_once * pre_stride_;
        T* x = x_ + share.member * rows_at_once * x_stride_;
        T* h = h_ + share.member * rows_at_once * state_stride_;
        const int64_t jump = layer_->slots * width, stop = part(rows, share.member + 1, share.members);
        for (int64_t row = part(rows, share.member, share.members); row < stop; row += rows_at_once) {
            const int64_t count = std::min(rows_at_once, stop - row);
            for (int64_t j = 0; j < count; ++j) {
                const int64_t t = row_time_[row + j], i = row_index_[row + j];
                const T *from = call_.x(t, rows_.sequence(i)), *state = state_before(t, i);
                std::copy(from, from + D, x + j * x_stride_);
                std::copy(state, state + H, h + j * state_stride_);
                std::fill(h + j * state_stride_ + H, h + (j + 1) * state_stride_, T(0));
                std::copy(layer_->bias, layer_->bias + layer_->row(), pre + j * pre_stride_);
            }
            product<T, T>(count, D, x, x_stride_, layer_->of_input(), 0, panels_ * 3, pre, pre_stride_, Columns{3, jump});
            const int64_t gates = after ? 3 : 2;
            product<T, T>(count, H, h, state_stride_, layer_->of_state(), 0, panels_ * gates, pre + width, pre_stride_,
                          Columns{gates, jump});
            const auto each = [&](auto f) {
                for (int64_t j = 0; j < count; ++j)
                    for (int64_t unit = 0; unit < H; unit += lanes<T>)
                        f(pre + j * pre_stride_ + unit / width * jump + unit % width, h + j * state_stride_ + unit,
                          recomputed_ + (row + j) * 4 * H + unit, H - unit);
            };
            if (after) {
                each([&](const T* slots, const T* h_old, T* to, int64_t left) {
                    const Cell<T> c = cell_after(slots, load(h_old));
                    store_first(to, c.r, left);
                    store_first(to + H, c.z, left);
                    store_first(to + 2 * H, c.n, left);
                    store_first(to + 3 * H, c.u, left);
                });
                continue;
            }
            each([&](const T* slots, T* h_old, T* to, int64_t left) {
                const Vec<T> r = sigmoid<T>(load(slots + slot_r * width));
                store_first(to, r, left);
                store_first(to + H, sigmoid<T>(load(slots + slot_z * width)), left);
                store(h_old, r * load(h_old));
            });
            product<T, T>(count, H, h, state_stride_, layer_->of_reset_state(), 0, panels_, pre, pre_stride_,
                          Columns{1, jump});
            each([&](const T* slots, T*, T* to, int64_t left) {
                store_first(to + 2 * H, tanh<T>(load(slots + slot_n * width)), left);
            });
        }
    }

    // Calls f for every vector of this share's hidden units, row by row.
    template <class F>
    void each_vector(const Share& share, int64_t s, int64_t begin, F f) {
        const int64_t t = rows_.time(s), alive = share.count(rows_.alive(t));
        for (int64_t j = 0; j < alive; ++j) {
            const int64_t i = share.row(j), n = rows_.sequence(i), at = (t * N + n) * H;
            const auto of = [at](const T* gate) { return gate ? gate + at : nullptr; };
            const auto& d = call_.grad_gates;
            const RowOf row = {gates_of(begin + i), state_before(t, i),
                               call_.grad_output.at ? call_.grad_output(t, n) : nullptr,
                               {of(d.reset), of(d.update), of(d.candidate), nullptr},
                               grad_state(i), grad_reset_state_ ? grad_reset_state(i) : nullptr, grads(begin + i)};
            for (int64_t unit = share.first * width; unit < share.last * width; unit += lanes<T>) f(row, unit, H - unit);
        }
    }

    struct RowOf {
        SavedGates gates;
        const T *h, *grad_output;
        GateArrays<const T> grad_gates;
        T *grad_state, *grad_reset_state, *grads;

        static Vec<T> get(const T* from, int64_t unit, int64_t left) {
            return from ? load_first(from + unit, left) : Vec<T>{};
        }
    };

    void step(const Share& share, int64_t s, int64_t begin) {
        const int64_t t = rows_.time(s), alive = share.count(rows_.alive(t)), n_at = section_n();
        const int64_t pitch = share.row_groups * state_stride_, grad_pitch = share.row_groups * grad_stride_;
        const Vec<T> one = broadcast(T(1));
        Barrier& group = barriers_[share.row_group];
        each_vector(share, s, begin, [&](const RowOf& row, int64_t unit, int64_t left) {
            const auto get = [&](const T* from) { return RowOf::get(from, unit, left); };
            const Vec<T> z = get(row.gates.z), n = get(row.gates.n), h = get(row.h);
            const Vec<T> g = load(row.grad_state + unit) + get(row.grad_output);
            const Vec<T> dn = fma(g, one - z, get(row.grad_gates.candidate));
            const Vec<T> dz = fma(g, h - n, get(row.grad_gates.update));
            const Vec<T> da_n = dn * (one - n * n);
            store(row.grads + n_at + unit, da_n);
            store(row.grads + Hp + unit, dz * z * (one - z));
            store(row.grad_state + unit, g * z);
            if (after) {
                const Vec<T> r = get(row.gates.r);
                const Vec<T> dr = fma(da_n, get(row.gates.u), get(row.grad_gates.reset));
                store(row.grads + unit, dr * r * (one - r));
                store(row.grads + 2 * Hp + unit, da_n * r);
            } else {
                store(row.grad_reset_state + unit, Vec<T>{});
            }
        });
        group.wait(share.column_groups);
        const T* from = grads(begin + share.row_group);
        T* to = grad_state(share.row_group);
        const PackedMatrix<T, T> W = {of_state_, 3 * Hp * width};
        const Columns columns = {1, width};
        if (after) {
            product<T, T>(alive, 3 * Hp, from, grad_pitch, W, share.first, share.last, to, pitch, columns);
        } else {
            const PackedMatrix<T, T> W_n = {of_state_ + 2 * Hp * width, 3 * Hp * width};
            product<T, T>(alive, Hp, from + n_at, grad_pitch, W_n, share.first, share.last,
                          grad_reset_state(share.row_group), pitch, columns);
            each_vector(share, s, begin, [&](const RowOf& row, int64_t unit, int64_t left) {
                const auto get = [&](const T* from) { return RowOf::get(from, unit, left); };
                const Vec<T> r = get(row.gates.r), p = load(row.grad_reset_state + unit);
                const Vec<T> dr = fma(p, get(row.h), get(row.grad_gates.reset));
                store(row.grads + unit, dr * r * (one - r));
                store(row.grad_state + unit, fma(p, r, load(row.grad_state + unit)));
            });
            group.wait(share.column_groups);
            product<T, T>(alive, 2 * Hp, from, grad_pitch, W, share.first, share.last, to, pitch, columns);
        }
        for (int64_t j = 0; rows_.of.resets && j < alive; ++j)
            if (rows_.starts(t, share.row(j))) {
                T* g = grad_state(share.row(j));
                std::fill(g + share.first * width, g + share.last * width, T(0));
            }
    }

    // sums (columns, …) += grads[:, begin … begin + columns − 1]ᵀ · B, this member's part of the rows of `sums`.
    void add_products(const Share& share, int64_t rows, int64_t begin, int64_t columns, const T* B, int64_t panels,
                      T* sums) {
        const int64_t tiles = ceil_div(columns, tile_rows), stop = part(tiles, share.member + 1, share.members);
        T* packed = tiles_ + share.member * tiles_at_once * tile_rows * depth_at_once;
        for (int64_t k = 0; k < rows; k += depth_at_once) {
            const int64_t depth = std::min(depth_at_once, rows - k);
            for (int64_t tile = part(tiles, share.member, share.members); tile < stop; tile += tiles_at_once) {
                const int64_t count = std::min(tiles_at_once, stop - tile), row = tile * tile_rows;
                for (int64_t i = 0; i < count; ++i) {
                    const T* from = grads(k) + begin + row + i * tile_rows;
                    T* to = packed + i * depth * tile_rows;
                    for (int64_t j = 0; j < depth; ++j, from += grad_stride_, to += tile_rows)
                        std::memcpy(to, from, tile_rows * sizeof(T));
                }
                product<T, T, true>(std::min(count * tile_rows, columns - row), depth, packed, depth * tile_rows,
                                    {B + k * width, capacity_ * width}, 0, panels, sums + row * panels * width,
                                    panels * width, Columns{1, width});
            }
        }
    }

    void add_weight_gradients(const Share& share, int64_t rows) {
        const int64_t n = section_n(), ih = input_panels_ * width, hh = panels_ * width;
        if (call_.grad_weights.ih) {
            add_products(share, rows, 0, 2 * Hp, x_panels_, input_panels_, sum_ih_);
            add_products(share, rows, n, Hp, x_panels_, input_panels_, sum_ih_ + 2 * Hp * ih);
        }
        if (call_.grad_weights.hh) {
            add_products(share, rows, 0, 2 * Hp, h_panels_, panels_, sum_hh_);
            add_products(share, rows, 2 * Hp, Hp, after ? h_panels_ : reset_h_panels_, panels_, sum_hh_ + 2 * Hp * hh);
        }
        const int64_t vectors = (after ? 4 : 3) * Hp / lanes<T>;
        const int64_t first = part(vectors, share.member, share.members) * lanes<T>;
        const int64_t last = part(vectors, share.member + 1, share.members) * lanes<T>;
        for (int64_t row = 0; row < rows; ++row)
            for (int64_t c = first; c < last; c += lanes<T>) store(sum_bias_ + c, load(sum_bias_ + c) + load(grads(row) + c));
    }

    void write_grad_x(const Share& share, int64_t rows) {
        const int64_t stride = input_panels_ * width, stop = part(rows, share.member + 1, share.members);
        T* block = x_block_ + share.member * rows_at_once * stride;
        const Columns columns = {1, width};
        for (int64_t row = part(rows, share.member, share.members); row < stop; row += rows_at_once) {
            const int64_t count = std::min(rows_at_once, stop - row);
            std::fill(block, block + count * stride, T(0));
            product<T, T>(count, 2 * Hp, grads(row), grad_stride_, {of_input_, 3 * Hp * width}, 0, input_panels_, block,
                          stride, columns);
            product<T, T>(count, Hp, grads(row) + section_n(), grad_stride_, {of_input_ + 2 * Hp * width, 3 * Hp * width},
                          0, input_panels_, block, stride, columns);
            for (int64_t j = 0; j < count; ++j)
                std::copy(block + j * stride, block + j * stride + D,
                          call_.grad_x(row_time_[row + j], rows_.sequence(row_index_[row + j])));
        }
    }

    void write_gradients(const Share& share) {
        for (int64_t i = share.member; call_.grad_h_0 && i < N; i += share.members)
            std::copy(grad_state(i), grad_state(i) + H, call_.grad_h_0 + rows_.sequence(i) * H);
        const auto& to = call_.grad_weights;
        for (int64_t row = part(3 * H, share.member, share.members); row < part(3 * H, share.member + 1, share.members); ++row) {
            const int64_t gate = row / H, from = gate * Hp + row % H;
            const T *ih = sum_ih_ + from * input_panels_ * width, *hh = sum_hh_ + from * panels_ * width;
            if (to.ih) std::copy(ih, ih + D, to.ih + row * D);
            if (to.hh) std::copy(hh, hh + H, to.hh + row * H);
            if (to.bias_hh) to.bias_hh[row] = sum_bias_[from];
            if (to.bias_ih) to.bias_ih[row] = sum_bias_[gate == gate_n ? section_n() + row % H : from];
        }
    }

    const Backward<T>& call_;
    const int64_t L, N, D, H;
    const bool after;
    const int64_t panels_, input_panels_, Hp;
    Rows rows_;
    std::optional<PackedLayer<T, T>> layer_;
    int64_t steps_, capacity_, state_stride_, grad_stride_, pre_stride_, x_stride_;
    T *of_state_, *of_input_, *grad_state_, *grad_reset_state_, *grads_, *zeros_;
    T *x_panels_, *h_panels_, *reset_h_panels_, *sum_ih_, *sum_hh_, *sum_bias_, *tiles_, *x_block_;
    T *pre_, *x_, *h_, *recomputed_;
    int64_t *row_time_, *row_index_, *step_begin_;
    Barrier* barriers_;
    Barrier all_;
};

}  // namespace
}  // namespace penstock
