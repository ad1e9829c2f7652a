// The backward pass. The reverse loop carries only the state's gradient; what it leaves behind for a stretch of steps,
// the gradients of the pre-activations, then goes into large products: of the weights, and of x. What a step computes
// is the cell's (cell.hpp).
//
// With dh the gradient of a step's state as it came to it, decayed: d decay = dh ⊙ h before it decayed, and what goes
// on backwards is dh ⊙ decay.
#pragma once

#include <optional>
#include <utility>

#include "forward.hpp"

namespace penstock {
namespace {

// Rows whose gradients the large products take at once; as many sequences go through all steps together. Gradients are
// added up in this order, so it may not depend on the threads.
constexpr int64_t rows_behind = 512;

// Rows that take the weights as they lie, each block of them once for all.
constexpr int64_t few_rows = 64;

// Where a row's step reads and writes in the backward pass: each from unit 0 on; null for zeros.
template <class T>
struct RowBack {
    const T* h;  // not decayed
    RowDecay<T> decay;
    struct {
        const T *reset, *update, *candidate, *recurrent;
    } gates, grad_gates;
    const T* grad_output;
    T *grad_state, *grad_operand, *grads;
};

// What the cell sees of a vector of units of a row.
template <class T>
struct BackwardUnit : RowBack<T> {
    int64_t H, unit, count;

    Vec<T> get(const T* from) const { return from ? load_first(from + unit, count) : Vec<T>{}; }
    Vec<T> h() const { return this->decay.of(get(RowBack<T>::h), unit, count); }
    Vec<T> grad_h() const { return load(this->grad_state + unit) + get(this->grad_output); }
    Vec<T> passed() const { return load(this->grad_state + unit); }
    void pass(Vec<T> value) const { store(this->grad_state + unit, value); }
    Vec<T> grad_operand() const { return load(RowBack<T>::grad_operand + unit); }
    void leave(int section, Vec<T> value) const { store_first(this->grads + section * H + unit, value, count); }
};

// Zeros in the gradients of x and decay where row i's sequence has ended, or passes nothing on.
template <class T>
void clear_gradients_past_end(const Backward<T>& call, const Rows& rows, int64_t i) {
    const int64_t n = rows.sequence(i), N = call.sequences.N, length = rows.length(i);
    for (int64_t t = 0; t < call.sequences.L; ++t) {
        if (call.grad_x.at && t >= length) std::fill_n(call.grad_x(t, n), call.shape.D, T(0));
        if (call.grad_decay && (t >= length || (rows.of.reverse && t == 0)))
            std::fill_n(call.grad_decay + (t * N + n) * call.shape.H, call.shape.H, T(0));
    }
}

template <class T, class Cell>
class BackwardPass {
public:
    BackwardPass(const Backward<T>& call, int members, Arena& arena)
        : call_(call), L(call.sequences.L), N(call.sequences.N), D(call.shape.D), H(call.shape.H),
          panels_(ceil_div(H, width)), input_panels_(ceil_div(D, width)), rows_{call.sequences} {
        rows_.place(arena);
        at_once_ = std::min(N, rows_behind);
        steps_ = std::clamp<int64_t>(rows_behind / std::max<int64_t>(at_once_, 1), 1, std::max<int64_t>(L, 1));
        capacity_ = steps_ * at_once_;
        direct_ = L == 1 && N <= few_rows;
        of_state_ = arena.take<T>(direct_ ? 0 : panels_ * 3 * H * width);
        of_input_ = arena.take<T>(direct_ || !call.grad_x.at ? 0 : input_panels_ * 3 * H * width);
        blocks_ = arena.take<T>(direct_ ? members * on_the_way<T> : 0);
        state_stride_ = padded<T>(panels_ * width);
        grad_state_ = arena.take<T>(at_once_ * state_stride_);
        grad_operand_ = phases > 1 ? arena.take<T>(at_once_ * state_stride_) : nullptr;
        grad_stride_ = padded<T>(Cell::sections * H);
        grads_ = arena.take<T>(capacity_ * grad_stride_ + tile_rows);
        zeros_ = arena.take<T>(H);
        x_panels_ = arena.take<T>(input_panels_ * capacity_ * width);
        h_panels_ = arena.take<T>(panels_ * capacity_ * width);
        operand_panels_ = phases > 1 ? arena.take<T>(panels_ * capacity_ * width) : nullptr;
        tail_ih_ = arena.take<T>(3 * H * width);
        tail_hh_ = arena.take<T>(3 * H * width);
        sum_bias_ = arena.take<T>(grad_stride_);
        tiles_ = arena.take<T>(members * tiles_at_once * tile_rows * depth_at_once);
        x_block_ = arena.take<T>(members * few_rows * input_panels_ * width);
        row_time_ = arena.take<int64_t>(capacity_);
        row_index_ = arena.take<int64_t>(capacity_);
        step_begin_ = arena.take<int64_t>(steps_ + 1);
        meetings_ = arena.take<Meeting>(members);
        if (recomputes()) {
            layer_.emplace(call.shape, arena);
            pre_stride_ = padded<T>(layer_->row());
            x_stride_ = padded<T>(D);
            pre_ = arena.take<T>(members * a_block * pre_stride_);
            x_ = arena.take<T>(members * a_block * x_stride_);
            h_ = arena.take<T>(members * a_block * state_stride_);
            recomputed_ = arena.take<T>(4 * capacity_ * H);
        }
    }

    void prepare(int members) {
        rows_.fill();
        for (int g = 0; g < members; ++g) {
            new (meetings_ + g) Meeting;
            if (members > 1) meetings_[g].begin();
        }
        std::fill(zeros_, zeros_ + H, T(0));
    }

    void run(int member, int members) {
        const Arithmetic arithmetic;
        Share share = share_of(member, members, std::min(N, rows_behind), panels_, 3 * H * H * int64_t(sizeof(T)));
        pack_weights(share);
        std::fill(sum_bias_ + part(grad_stride_, member, members), sum_bias_ + part(grad_stride_, member + 1, members),
                  T(0));
        if (!meet_all(share)) return;
        bool fresh = true;
        for (int64_t first = 0; first < N; first += rows_behind) {
            share.begin = first;
            share.end = std::min(first + rows_behind, N);
            if (!run_rows(share, fresh)) return;
        }
        write_weight_gradients(share, fresh);
    }

private:
    static constexpr int64_t width = panel_columns<T>;
    static constexpr int64_t tiles_at_once = 32, depth_at_once = 512, a_block = 4 * tile_rows;
    // Rows of weights, each in a page of its own perhaps, that are read side by side: few enough for the processor to
    // know where they all are.
    static constexpr int64_t some_pages = 32;
    static constexpr int phases = std::size(Cell::phases);

    bool recomputes() const { return !call_.gates.reset; }

    // All steps of the share's rows, backwards. False: this thread was late, and the others go on without it. `fresh`:
    // nothing was added to the gradients of the weights yet.
    bool run_rows(Share& share, bool& fresh) {
        prepare_rows(share);
        if (!meet_all(share)) return false;
        for (int64_t end = L; end > 0;) {
            const int64_t begin = std::max<int64_t>(end - steps_, 0);
            if (share.member == 0) list_rows(share, begin, end);
            if (!meet_all(share)) return false;
            const int64_t rows = step_begin_[end - begin];
            pack_inputs(share, rows);
            if (recomputes()) {
                if (!meet_all(share)) return false;
                recompute(share, rows);
                if (!meet_all(share)) return false;
            }
            if constexpr (phases > 1) pack_operands(share, rows);
            for (int64_t s = end - 1; s >= begin; --s)
                if (!step(share, s, step_begin_[s - begin])) return false;
            if (!meet_all(share)) return false;
            add_weight_gradients(share, rows, fresh);
            if (call_.grad_x.at) write_grad_x(share, rows);
            end = begin;
            if (!meet_all(share)) return false;
            fresh = fresh && rows == 0;
        }
        write_grad_h_0(share);
        return true;
    }

    // Where every thread comes, and where those of a group do.
    bool meet_all(Share& share) {
        if (share.row_groups == 1) return meet(share);
        Meeting::Seat seat{share.member, share.members};
        return all_.wait(seat);
    }
    bool meet(Share& share) {
        if (share.column_groups == 1) return true;
        Meeting::Seat seat{share.column_group, share.column_groups};
        if (!meetings_[share.row_group].wait(seat, share.row_groups == 1)) return false;
        if (seat.members < share.column_groups || seat.member != share.column_group)
            share.seat(seat.member, seat.members, panels_);
        return true;
    }

    T* grads(int64_t row) const { return grads_ + row * grad_stride_; }
    T* grad_state(const Share& share, int64_t i) const { return grad_state_ + (i - share.begin) * state_stride_; }
    T* grad_operand(const Share& share, int64_t i) const {
        return grad_operand_ ? grad_operand_ + (i - share.begin) * state_stride_ : nullptr;
    }

    // Rows k … k + K − 1 of a weight (3H, size), the columns of a panel.
    static void pack_block(const T* weight, int64_t k, int64_t K, int64_t size, int64_t panel, T* to) {
        pack_panel(K, size - panel * width, weight + k * size + panel * width, size, 1, to,
                   [](T value, int64_t) { return value; });
    }

    // W_hh and W_ih with the rows of the gates as k.
    void pack_weights(const Share& share) {
        if (!direct_) {
            const int64_t count = panels_ + (call_.grad_x.at ? input_panels_ : 0);
            for (int64_t k = 0; k < 3 * H; k += some_pages)
                for (int64_t q = share.member; q < count; q += share.members) {
                    const bool state = q < panels_;
                    const int64_t panel = state ? q : q - panels_, size = state ? H : D;
                    const T* weight = state ? call_.weights.hh : call_.weights.ih;
                    pack_block(weight, k, std::min(some_pages, 3 * H - k), size, panel,
                               (state ? of_state_ : of_input_) + (panel * 3 * H + k) * width);
                }
        }
        if (layer_)
            layer_->pack(call_.weights, part(panels_, share.member, share.members),
                         part(panels_, share.member + 1, share.members));
    }

    void prepare_rows(const Share& share) {
        const int64_t count = share.end - share.begin;
        for (int64_t j = share.member; j < count; j += share.members) {
            const int64_t i = share.begin + j, n = rows_.sequence(i);
            T* g = grad_state(share, i);
            std::fill(g, g + state_stride_, T(0));
            if (call_.grad_h_n) std::copy(call_.grad_h_n + n * H, call_.grad_h_n + (n + 1) * H, g);
            clear_gradients_past_end(call_, rows_, i);
        }
    }

    // The rows of steps begin … end − 1, one after the other.
    void list_rows(const Share& share, int64_t begin, int64_t end) {
        int64_t row = 0;
        for (int64_t s = begin; s < end; ++s) {
            step_begin_[s - begin] = row;
            const int64_t t = rows_.time(s);
            for (int64_t i = share.begin; i < std::min(rows_.alive(t), share.end); ++i, ++row) {
                row_time_[row] = t;
                row_index_[row] = i;
            }
        }
        step_begin_[end - begin] = row;
    }

    // The state that row i's step at time t found, (H,): cleared where it starts an episode, but not decayed.
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
        return {g.reset + at, g.update + at, g.candidate + at, g.recurrent ? g.recurrent + at : nullptr};
    }

    // Rows of B, cut into their panels: x, and the state as the step took it.
    void pack_inputs(const Share& share, int64_t rows) {
        const auto each = [&](int64_t row, int64_t size, T* panels, auto value) {
            for (int64_t begin = 0; begin < size; begin += width, panels += capacity_ * width)
                for (int64_t v = 0; v < width; v += lanes<T>)
                    store(panels + row * width + v, value(begin + v, size - begin - v));
        };
        for (int64_t row = share.member; row < rows; row += share.members) {
            const int64_t t = row_time_[row], i = row_index_[row];
            const T *x = call_.x(t, rows_.sequence(i)), *h = state_before(t, i);
            const RowDecay<T> decay(call_.decay, rows_, t, i);
            each(row, D, x_panels_, [&](int64_t at, int64_t left) { return load_first(x + at, left); });
            each(row, H, h_panels_, [&](int64_t at, int64_t left) {
                return left > 0 ? decay.of(load_first(h + at, left), at, left) : Vec<T>{};
            });
        }
    }

    // The operand of the second phase.
    void pack_operands(const Share& share, int64_t rows) {
        for (int64_t row = share.member; row < rows; row += share.members) {
            const T* r = gates_of(row).r;
            for (int64_t unit = 0; unit < panels_ * width; unit += lanes<T>) {
                const int64_t at = (unit / width * capacity_ + row) * width + unit % width;
                store(operand_panels_ + at, Cell::operand(load_first(r + unit, H - unit), load(h_panels_ + at)));
            }
        }
    }

    // What the cell sees where gates are computed again: the state as it was packed, and no step that follows.
    struct Again {
        const T* slots;
        T* row_h;
        int64_t unit, count;
        struct {
            T *reset, *update, *candidate, *recurrent;
        } to;

        Vec<T> pre(int slot) const { return load(slots + slot * width); }
        Vec<T> h() const { return load(row_h + unit); }
        void hand_on(Vec<T> value) const { store(row_h + unit, value); }
        void keep(Vec<T> value, T* gate) const { store_first(gate + unit, value, count); }
        void becomes(Vec<T>) const {}
    };

    // The gates once more, all rows at once: every state is known now. The same chains as in the forward pass.
    void recompute(const Share& share, int64_t rows) {
        T* pre = pre_ + share.member * a_block * pre_stride_;
        T* x = x_ + share.member * a_block * x_stride_;
        T* h = h_ + share.member * a_block * state_stride_;
        const int64_t stop = part(rows, share.member + 1, share.members);
        for (int64_t row = part(rows, share.member, share.members); row < stop; row += a_block) {
            const int64_t count = std::min(a_block, stop - row);
            for (int64_t j = 0; j < count; ++j) {
                const T* from = call_.x(row_time_[row + j], rows_.sequence(row_index_[row + j]));
                std::copy(from, from + D, x + j * x_stride_);
                for (int64_t p = 0; p < panels_; ++p)
                    std::copy_n(h_panels_ + (p * capacity_ + row + j) * width, width,
                                h + j * state_stride_ + p * width);
                std::copy(layer_->bias, layer_->bias + layer_->row(), pre + j * pre_stride_);
            }
            product<T, T>(count, D, x, x_stride_, layer_->of_input(), 0, panels_ * 3,
                          {pre, pre_stride_, layer_->input_columns()});
            each_phase<phases>([&](auto phase) {
                constexpr Phase of = Cell::phases[phase];
                product<T, T>(count, H, h, state_stride_, layer_->of_phase(phase), 0, panels_ * of.count,
                              {pre + of.slot * width, pre_stride_, layer_->columns_of(phase)});
                for (int64_t j = 0; j < count; ++j) {
                    T* to = recomputed_ + (row + j) * 4 * H;
                    for (int64_t unit = 0; unit < H; unit += lanes<T>)
                        Cell::template forward<phase>(
                            Again{pre + j * pre_stride_ + unit / width * layer_->row_of_panel + unit % width,
                                  h + j * state_stride_,
                                  unit,
                                  H - unit,
                                  {to, to + H, to + 2 * H, to + 3 * H}});
                }
            });
        }
    }

    // Of the rows of a step, which are listed from `begin` on: row i's.
    RowBack<T> row_of(const Share& share, int64_t t, int64_t i, int64_t begin) const {
        const int64_t row = begin + i - share.begin, n = rows_.sequence(i), at = (t * N + n) * H;
        const auto& g = call_.grad_gates;
        const auto of = [at](const T* gate) { return gate ? gate + at : nullptr; };
        const auto [r, z, candidate, u] = gates_of(row);
        return {state_before(t, i),
                RowDecay<T>(call_.decay, rows_, t, i),
                {r, z, candidate, u},
                {of(g.reset), of(g.update), of(g.candidate), nullptr},
                call_.grad_output.at ? call_.grad_output(t, n) : nullptr,
                grad_state(share, i),
                grad_operand(share, i),
                grads(row)};
    }

    // C[:, panels first … last − 1] += A · rows k … k + K − 1 of W (3H, size), which was packed or is read where it
    // lies.
    void product_of_rows(const Share& share, int64_t M, int64_t k, int64_t K, const T* a, int64_t rs, const T* weight,
                         const T* packed, int64_t size, int64_t first, int64_t last, const Target<T>& C) {
        if (!direct_) return product<T, T>(M, K, a, rs, {packed + k * width, 3 * H * width}, first, last, C);
        const int64_t whole = M <= tile_rows ? std::clamp(size / width, first, last) : first;  // to be read as they lie
        T* block = blocks_ + share.member * on_the_way<T>;
        Target<T> target = C;
        for (int64_t begin = 0; begin < K; begin += some_pages, target.fresh = false) {
            const int64_t here = std::min(some_pages, K - begin);
            product<T, T>(M, here, a + begin, rs, {weight + (k + begin) * size, width, size}, first, whole, target);
            for (int64_t q = whole; q < last; ++q) {
                pack_block(weight, k + begin, here, size, q, block);
                product<T, T>(M, here, a + begin, rs, {block - q * here * width, here * width}, q, q + 1, target);
            }
        }
    }

    // One step backwards, from the last phase to the first. False: this thread was late, and the others go on without
    // it.
    bool step(Share& share, int64_t s, int64_t begin) {
        const int64_t t = rows_.time(s), alive = share.count(rows_.alive(t));
        bool stays = true;
        each_phase_back<phases>([&](auto phase) {
            if (!stays) return;
            constexpr Phase of = Cell::phases[phase];
            for (int64_t j = 0; j < alive; ++j) {
                BackwardUnit<T> unit{row_of(share, t, share.row(j), begin), H, 0, 0};
                for (unit.unit = share.first * width; unit.unit < std::min(H, share.last * width);
                     unit.unit += lanes<T>) {
                    unit.count = H - unit.unit;
                    Cell::template backward<phase>(std::as_const(unit));
                }
            }
            if (!(stays = meet(share)) || alive <= 0) return;
            const int64_t i = share.row(0), k = of.gates[0] * H;
            T* to = phase == 0 ? grad_state(share, i) : grad_operand(share, i);
            product_of_rows(share, alive, k, of.count * H, grads(begin + i - share.begin) + k,
                            share.row_groups * grad_stride_, call_.weights.hh, of_state_, H, share.first, share.last,
                            {to, share.row_groups * state_stride_, Columns{1, width}, phase != 0});
        });
        if (!stays) return false;
        if (call_.decay.at || rows_.of.resets)
            for (int64_t j = 0; j < alive; ++j) leave_step(share, t, share.row(j));
        return true;
    }

    // What the state's gradient becomes on its way to the step before: row i's, in this thread's panels.
    void leave_step(const Share& share, int64_t t, int64_t i) {
        const int64_t first = share.first * width, last = std::min(H, share.last * width);
        const int64_t passage = rows_.passage(t, i);
        T* g = grad_state(share, i);
        T* to = call_.grad_decay && passage >= 0 ? call_.grad_decay + (passage * N + rows_.sequence(i)) * H : nullptr;
        if (rows_.starts(t, i)) {
            std::fill(g + first, g + last, T(0));
            if (to) std::fill(to + first, to + last, T(0));
            return;
        }
        const RowDecay<T> decay(call_.decay, rows_, t, i);
        if (!decay.at) return;
        const T* h = state_before(t, i);
        for (int64_t unit = first; unit < last; unit += lanes<T>) {
            const Vec<T> dh = load(g + unit);
            if (to) store_first(to + unit, dh * load_first(h + unit, H - unit), H - unit);
            store(g + unit, decay.of(dh, unit, H - unit));
        }
    }

    // sums (columns, size) += grads[:, begin … begin + columns − 1]ᵀ · B, this member's part of the rows of `sums`. A
    // panel that a row's end cuts is added up beside it, in `tails`.
    void add_products(const Share& share, int64_t rows, int64_t begin, int64_t columns, const T* B, int64_t size,
                      T* sums, T* tails, bool fresh) {
        const int64_t tiles = ceil_div(columns, tile_rows), stop = part(tiles, share.member + 1, share.members);
        const int64_t whole = size / width;
        T* packed = tiles_ + share.member * tiles_at_once * tile_rows * depth_at_once;
        for (int64_t k = 0; k < rows; k += depth_at_once) {
            const int64_t depth = std::min(depth_at_once, rows - k);
            const bool begins = fresh && k == 0;
            // Where all of B stays in the second-level cache, the sums are written row after row.
            const int64_t at_once = depth * size * int64_t(sizeof(T)) <= second_level_cache() / 2 ? 1 : tiles_at_once;
            for (int64_t tile = part(tiles, share.member, share.members); tile < stop; tile += at_once) {
                const int64_t count = std::min(at_once, stop - tile), row = tile * tile_rows;
                for (int64_t i = 0; i < count; ++i) {
                    const T* from = grads(k) + begin + row + i * tile_rows;
                    T* to = packed + i * depth * tile_rows;
                    for (int64_t j = 0; j < depth; ++j, from += grad_stride_, to += tile_rows)
                        std::memcpy(to, from, tile_rows * sizeof(T));
                }
                const int64_t M = std::min(count * tile_rows, columns - row), rs = depth * tile_rows;
                const T* panels = B + k * width;
                product<T, T, true>(M, depth, packed, rs, {panels, capacity_ * width}, 0, whole,
                                    {sums + row * size, size, Columns{1, width}, begins});
                if (whole * width < size)
                    product<T, T, true>(M, depth, packed, rs, {panels + whole * capacity_ * width, 0}, 0, 1,
                                        {tails + row * width, width, Columns{1, width}, begins});
            }
        }
    }

    void add_weight_gradients(const Share& share, int64_t rows, bool fresh) {
        if (T* to = call_.grad_weights.ih)
            for (int gate : {gate_r, gate_z, gate_n})
                add_products(share, rows, Cell::input_section[gate] * H, H, x_panels_, D, to + gate * H * D,
                             tail_ih_ + gate * H * width, fresh);
        if (T* to = call_.grad_weights.hh)
            each_phase<phases>([&](auto phase) {
                constexpr Phase of = Cell::phases[phase];
                const int64_t k = of.gates[0] * H;
                add_products(share, rows, k, of.count * H, phase == 0 ? h_panels_ : operand_panels_, H, to + k * H,
                             tail_hh_ + k * width, fresh);
            });
        const int64_t vectors = ceil_div(Cell::sections * H, lanes<T>);
        const int64_t first = part(vectors, share.member, share.members) * lanes<T>;
        const int64_t last = part(vectors, share.member + 1, share.members) * lanes<T>;
        for (int64_t row = 0; row < rows; ++row)
            for (int64_t c = first; c < last; c += lanes<T>)
                store(sum_bias_ + c, load(sum_bias_ + c) + load(grads(row) + c));
    }

    // Few rows share the columns of x among the threads, many the rows.
    void write_grad_x(const Share& share, int64_t rows) {
        const int64_t stride = input_panels_ * width;
        const bool few = rows <= few_rows;
        const auto mine = [&](int64_t count, int k) { return part(count, share.member + k, share.members); };
        const int64_t first = few ? mine(input_panels_, 0) : 0, last = few ? mine(input_panels_, 1) : input_panels_;
        const int64_t begin = few ? 0 : mine(rows, 0), stop = few ? rows : mine(rows, 1);
        const int64_t from = first * width, size = std::min(D, last * width) - from;
        if (size <= 0) return;
        T* block = x_block_ + share.member * few_rows * stride;
        const int64_t at_once = few ? rows : a_block;
        for (int64_t row = begin; row < stop; row += at_once) {
            const int64_t count = std::min(at_once, stop - row);
            Target<T> C = {block, stride, Columns{1, width}, true};
            for (int gate = 0, gates; gate < 3; gate += gates) {  // those side by side in the gradients, too, at once
                for (gates = 1;
                     gate + gates < 3 && Cell::input_section[gate + gates] == Cell::input_section[gate] + gates;)
                    ++gates;
                product_of_rows(share, count, gate * H, gates * H, grads(row) + Cell::input_section[gate] * H,
                                grad_stride_, call_.weights.ih, of_input_, D, first, last, C);
                C.fresh = false;
            }
            for (int64_t j = 0; j < count; ++j)
                std::copy_n(block + j * stride + from, size,
                            call_.grad_x(row_time_[row + j], rows_.sequence(row_index_[row + j])) + from);
        }
    }

    void write_grad_h_0(const Share& share) {
        if (!call_.grad_h_0) return;
        for (int64_t i = share.begin + share.member; i < share.end; i += share.members)
            std::copy_n(grad_state(share, i), H, call_.grad_h_0 + rows_.sequence(i) * H);
    }

    // What stands beside the gradients of the weights; and all of them, where there was no row.
    void write_weight_gradients(const Share& share, bool fresh) {
        const auto& to = call_.grad_weights;
        const auto finish = [&](T* sums, const T* tails, int64_t row, int64_t size) {
            if (!sums) return;
            const int64_t whole = size / width * width;
            if (fresh)
                std::fill_n(sums + row * size, size, T(0));
            else
                std::copy_n(tails + row * width, size - whole, sums + row * size + whole);
        };
        for (int64_t row = part(3 * H, share.member, share.members); row < part(3 * H, share.member + 1, share.members);
             ++row) {
            finish(to.ih, tail_ih_, row, D);
            finish(to.hh, tail_hh_, row, H);
            if (to.bias_hh) to.bias_hh[row] = sum_bias_[row];
            if (to.bias_ih) to.bias_ih[row] = sum_bias_[Cell::input_section[row / H] * H + row % H];
        }
    }

    const Backward<T>& call_;
    const int64_t L, N, D, H;
    const int64_t panels_, input_panels_;
    Rows rows_;
    std::optional<PackedLayer<T, T, Cell>> layer_;
    int64_t at_once_, steps_, capacity_, state_stride_, grad_stride_, pre_stride_, x_stride_;
    bool direct_;
    T *of_state_, *of_input_, *blocks_, *grad_state_, *grad_operand_, *grads_, *zeros_;
    T *x_panels_, *h_panels_, *operand_panels_, *tail_ih_, *tail_hh_, *sum_bias_, *tiles_, *x_block_;
    T *pre_, *x_, *h_, *recomputed_;
    int64_t *row_time_, *row_index_, *step_begin_;
    Meeting* meetings_;
    Meeting all_;
};

}  // namespace
}  // namespace penstock
