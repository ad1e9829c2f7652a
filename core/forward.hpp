// The forward pass: products of x for a stretch of steps at once, then the recurrence over them. What a step computes
// is the cell's (cell.hpp); here is where its rows lie, which thread computes which, and when they meet.
#pragma once

#include <iterator>

#include "packed.hpp"
#include "team.hpp"

namespace penstock {
namespace {

// Rows of pre-activations that are computed ahead of the recurrence: enough for the product of x to run at full speed,
// few enough to stay in the caches.
constexpr int64_t rows_ahead = 128;

// Sequences that a group of threads takes through all steps at once; so many, again, that the caches hold them.
constexpr int64_t rows_at_once = 256;

template <class T>
constexpr int64_t padded(int64_t size) {
    return round_up(size, panel_columns<T>) + 64 / int64_t(sizeof(T));  // a power of two would alias in the cache
}

// Calls f(phase) for each phase, as constants, forwards or backwards.
template <int phases, class F>
inline void each_phase(F f) {
    f(std::integral_constant<int, 0>());
    if constexpr (phases > 1) f(std::integral_constant<int, 1>());
    static_assert(phases <= 2);
}
template <int phases, class F>
inline void each_phase_back(F f) {
    if constexpr (phases > 1) f(std::integral_constant<int, 1>());
    f(std::integral_constant<int, 0>());
}

// Where a row's step reads and writes: each from unit 0 on.
template <class T>
struct RowStep {
    const T* h;  // decayed, or cleared
    T *next_h, *operand, *output;
    T *reset, *update, *candidate, *recurrent;  // null where not wanted
    bool cleared;                               // the next step starts an episode,
    RowDecay<T> decay;                          // or decays what it finds
};

// What the cell sees of a vector of units of a row.
template <class T>
struct ForwardUnit {
    const RowStep<T>& to;
    const T* slots;
    int64_t unit, count;

    Vec<T> pre(int slot) const { return load(slots + slot * panel_columns<T>); }
    Vec<T> h() const { return load(to.h + unit); }
    void hand_on(Vec<T> value) const { store(to.operand + unit, value); }
    void keep(Vec<T> value, T* gate) const {
        if (gate) store_first(gate + unit, value, count);
    }
    void becomes(Vec<T> h_new) const {
        store_first(to.output + unit, h_new, count);
        store(to.next_h + unit, to.cleared ? Vec<T>{} : to.decay.of(h_new, unit, count));
    }
};

// Zeros where row i's sequence has ended.
template <class T>
void clear_past_end(const Forward<T>& call, const Rows& rows, int64_t i) {
    const int64_t n = rows.sequence(i), N = call.sequences.N, H = call.shape.H;
    for (int64_t t = rows.length(i); t < call.sequences.L; ++t) {
        std::fill_n(call.output(t, n), H, T(0));
        for (T* gate : {call.gates.reset, call.gates.update, call.gates.candidate, call.gates.recurrent})
            if (gate) std::fill_n(gate + (t * N + n) * H, H, T(0));
    }
}

template <class T, class W, class Cell>
class ForwardPass {
public:
    // Takes its memory from the arena; a layer that is packed already stands in `packed`. A single step, and very few
    // rows, read weights where they lie: packing costs as much as some steps.
    ForwardPass(const Forward<T>& call, int members, Arena& arena, Arena& packed)
        : call_(call), L(call.sequences.L), N(call.sequences.N), H(call.shape.H), rows_{call.sequences},
          unpacked_(call.weights.hh != nullptr), direct_(unpacked_ && (L == 1 || L * N <= 4)),
          layer_(call.shape, unpacked_ ? arena : packed, !direct_) {
        rows_.place(arena);
        capacity_ = std::min(N, rows_at_once * members);
        steps_ahead_ = std::clamp<int64_t>(rows_ahead / std::max<int64_t>(capacity_, 1), 1, std::max<int64_t>(L, 1));
        state_stride_ = padded<T>(layer_.panels * width);
        x_stride_ = padded<T>(call.shape.D);
        pre_stride_ = padded<T>(layer_.row());
        state_ = arena.take<T>(2 * capacity_ * state_stride_);
        operand_ = phases > 1 ? arena.take<T>(capacity_ * state_stride_) : nullptr;
        x_ = arena.take<T>((capacity_ + members) * steps_ahead_ * x_stride_);
        pre_ = arena.take<T>((capacity_ + members) * steps_ahead_ * pre_stride_);
        blocks_ = direct_ ? arena.take<T>(members * on_the_way<T>) : nullptr;
        meetings_ = arena.take<Meeting>(members);
    }

    // What one thread does alone before the others come.
    void prepare(int members) {
        rows_.fill();
        for (int g = 0; g < members; ++g) {
            new (meetings_ + g) Meeting;
            if (members > 1) meetings_[g].begin();
        }
    }

    // What every member of the team does.
    void run(int member, int members) {
        const Arithmetic arithmetic;
        Share share = share_of(member, members, N, layer_.panels, 3 * H * H * int64_t(sizeof(W)));
        if (unpacked_) {
            const int64_t first = part(layer_.panels, member, members), last = part(layer_.panels, member + 1, members);
            direct_ ? layer_.pack_biases(call_.weights, first, last) : layer_.pack(call_.weights, first, last);
            Meeting::Seat all{member, members};
            all_.wait(all);
        }
        const int64_t at_once = rows_at_once * share.row_groups;
        for (int64_t begin = 0; begin < N; begin += at_once) {
            share.begin = begin;
            share.end = std::min(begin + at_once, N);
            if (!run_rows(share)) return;
        }
    }

private:
    static constexpr int64_t width = panel_columns<T>;
    static constexpr int phases = PackedLayer<T, W, Cell>::phases;

    // All steps of the share's rows. False: this thread was late, and the others go on without it.
    bool run_rows(Share& share) {
        prepare_rows(share);
        const int64_t group_rows = ceil_div(capacity_, share.row_groups) * steps_ahead_;
        T* const x = x_ + share.row_group * group_rows * x_stride_;
        T* const pre_begin = pre_ + share.row_group * group_rows * pre_stride_;
        for (int64_t s = 0; s < L; s += steps_ahead_) {
            const int64_t end = std::min(s + steps_ahead_, L);
            const int64_t rows = copy_x(share, s, end, x);
            if (!meet(share)) return false;
            product_of_x(share, rows, x, pre_begin);
            T* pre = pre_begin;
            for (int64_t k = s; k < end; ++k) {
                const int64_t alive = share.count(rows_.alive(rows_.time(k)));
                bool stays = true;
                each_phase<phases>([&](auto phase) {
                    if (!stays) return;
                    step<phase>(share, k, alive, pre);
                    stays = meet(share);
                });
                if (!stays) return false;
                pre += alive * pre_stride_;
            }
        }
        write_h_n(share);
        return true;
    }

    bool meet(Share& share) {
        if (share.column_groups == 1) return true;
        Meeting::Seat seat{share.column_group, share.column_groups};
        const bool alone = share.row_groups == 1;  // no other group waits for this one's members
        if (!meetings_[share.row_group].wait(seat, alone)) return false;
        if (seat.members < share.column_groups || seat.member != share.column_group)
            share.seat(seat.member, seat.members, layer_.panels);
        return true;
    }

    // Of row i, which is one of the share's: these stand side by side, whatever rows come before.
    int64_t place(const Share& share, int64_t i) const { return i - share.begin; }
    T* state(const Share& share, int64_t step, int64_t i) const {
        return state_ + ((step & 1) * capacity_ + place(share, i)) * state_stride_;
    }
    T* operand(const Share& share, int64_t i) const {
        return operand_ ? operand_ + place(share, i) * state_stride_ : nullptr;
    }

    // The first state, and zeros past each sequence's end.
    void prepare_rows(const Share& share) {
        for (int64_t j = share.column_group; j < share.count(N); j += share.column_groups) {
            const int64_t i = share.row(j), n = rows_.sequence(i), length = rows_.length(i);
            const bool begins = !rows_.of.reverse && length > 0;
            T* const h = state(share, 0, i);
            const bool cleared = begins && rows_.starts(0, i);
            std::fill(h + (cleared ? 0 : H), h + state_stride_, T(0));
            if (!cleared) {
                std::copy(call_.h_0 + n * H, call_.h_0 + (n + 1) * H, h);
                if (const RowDecay<T> decay(begins ? call_.decay : Decay<T>{}, rows_, 0, i); decay.at)
                    for (int64_t unit = 0; unit < H; unit += lanes<T>)
                        store(h + unit, decay.of(load(h + unit), unit, H - unit));
            }
            std::copy(h, h + state_stride_, state(share, 1, i));
            if (T* to = operand(share, i)) std::fill(to, to + state_stride_, T(0));
            clear_past_end(call_, rows_, i);
        }
    }

    // x of the group's rows, side by side; how many there are.
    int64_t copy_x(const Share& share, int64_t s, int64_t end, T* to) {
        int64_t rows = 0;
        for (; s < end; ++s) {
            const int64_t t = rows_.time(s), alive = share.count(rows_.alive(t));
            for (int64_t j = share.column_group; j < alive; j += share.column_groups) {
                const T* x = call_.x(t, rows_.sequence(share.row(j)));
                std::copy(x, x + call_.shape.D, to + (rows + j) * x_stride_);
            }
            rows += alive;
        }
        return rows;
    }

    // Where this thread packs weights on the way.
    T* block(const Share& share) const { return blocks_ + share.member * on_the_way<T>; }

    void product_of_x(const Share& share, int64_t rows, const T* x, T* pre) {
        const int64_t of_panel = layer_.row_of_panel, begin = share.first * of_panel, end = share.last * of_panel,
                      D = call_.shape.D;
        for (int64_t row = 0; row < rows; ++row)
            std::copy(layer_.bias + begin, layer_.bias + end, pre + row * pre_stride_ + begin);
        const Target<T> C = {pre, pre_stride_, layer_.input_columns()};
        if (!direct_)
            return product<T, W>(rows, D, x, x_stride_, layer_.of_input(), share.first * 3, share.last * 3, C);
        if constexpr (std::is_same_v<T, W>)
            product_of_weights(
                rows, D, x, x_stride_,
                [&](int64_t q) { return rows_of_gate(call_.weights.ih, D, H, gates_of_input[q % 3], q / 3); },
                share.first * 3, share.last * 3, C, block(share));
    }

    template <int phase>
    void product_of_phase(const Share& share, int64_t s, int64_t alive, T* pre, int64_t first, int64_t last) {
        constexpr Phase of = Cell::phases[phase];
        const T* from = phase == 0 ? state(share, s, share.row(0)) : operand(share, share.row(0));
        const Target<T> C = {pre + of.slot * width, pre_stride_, layer_.columns_of(phase)};
        const int64_t pitch = share.row_groups * state_stride_;
        if (!direct_)
            return product<T, W>(alive, H, from, pitch, layer_.of_phase(phase), first * of.count, last * of.count, C,
                                 s & 1);
        if constexpr (std::is_same_v<T, W>)
            product_of_weights(
                alive, H, from, pitch,
                [&](int64_t q) { return rows_of_gate(call_.weights.hh, H, H, of.gates[q % of.count], q / of.count); },
                first * of.count, last * of.count, C, block(share));
    }

    // A phase of a step. Few rows take all panels at once, many one panel of hidden units at a time, whose gates then
    // follow from the cache; and every other step takes the last panel first, which is in the cache still.
    template <int phase>
    void step(const Share& share, int64_t s, int64_t alive, T* pre) {
        if (alive <= 0) return;
        const int64_t panels = share.last - share.first, at_once = alive <= 3 ? panels : 1;
        for (int64_t k = 0; k < panels; k += at_once) {
            const int64_t p = share.first + (s & 1 ? panels - at_once - k : k);
            product_of_phase<phase>(share, s, alive, pre, p, p + at_once);
            finish<phase>(share, s, alive, pre, p, p + at_once);
        }
    }

    template <int phase>
    void finish(const Share& share, int64_t s, int64_t alive, const T* pre, int64_t first, int64_t last) {
        const int64_t t = rows_.time(s), next = s + 1 < L ? rows_.time(s + 1) : L;
        const auto& gates = call_.gates;
        for (int64_t j = 0; j < alive; ++j) {
            const int64_t i = share.row(j), n = rows_.sequence(i), at = (t * N + n) * H;
            const auto of = [at](T* gate) { return gate ? gate + at : nullptr; };
            const bool goes_on = next < rows_.length(i);
            const RowStep<T> to = {state(share, s, i),
                                   state(share, s + 1, i),
                                   operand(share, i),
                                   call_.output(t, n),
                                   of(gates.reset),
                                   of(gates.update),
                                   of(gates.candidate),
                                   of(gates.recurrent),
                                   goes_on && rows_.starts(next, i),
                                   RowDecay<T>(goes_on ? call_.decay : Decay<T>{}, rows_, next, i)};
            const T* slots = pre + j * pre_stride_;
            for (int64_t p = first; p < last; ++p)
                for (int64_t v = 0; v < width; v += lanes<T>)
                    if (const int64_t unit = p * width + v; unit < H)
                        Cell::template forward<phase>(
                            ForwardUnit<T>{to, slots + p * layer_.row_of_panel + v, unit, H - unit});
        }
    }

    void write_h_n(const Share& share) {
        for (int64_t j = share.column_group; j < share.count(N); j += share.column_groups) {
            const int64_t i = share.row(j), n = rows_.sequence(i), length = rows_.length(i);
            const T* h = length == 0 ? call_.h_0 + n * H : call_.output(rows_.of.reverse ? 0 : length - 1, n);
            if (h != call_.h_n + n * H) std::copy(h, h + H, call_.h_n + n * H);
        }
    }

    const Forward<T>& call_;
    const int64_t L, N, H;
    Rows rows_;
    const bool unpacked_, direct_;
    PackedLayer<T, W, Cell> layer_;
    int64_t capacity_, steps_ahead_, state_stride_, x_stride_, pre_stride_;
    T *state_, *operand_, *x_, *pre_, *blocks_;
    Meeting* meetings_;
    Meeting all_;
};

}  // namespace
}  // namespace penstock
