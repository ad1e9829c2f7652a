// The forward pass: products of x for a stretch of steps at once, then the recurrence over them.
#pragma once

#include <cfenv>

#include "activations.hpp"
#include "packed.hpp"
#include "team.hpp"

namespace penstock {
namespace {

// Rows of pre-activations that are computed ahead of the recurrence: enough for the product of x to run at full speed,
// few enough to stay in the caches.
constexpr int64_t rows_ahead = 128;

// The environment of a kernel: no flushing of subnormal numbers on one thread and not on another.
class DefaultRounding {
public:
    DefaultRounding() {
        std::fegetenv(&before_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~DefaultRounding() { std::fesetenv(&before_); }

private:
    std::fenv_t before_;
};

template <class T>
constexpr int64_t padded(int64_t size) {
    return round_up(size, panel_columns<T>) + 64 / int64_t(sizeof(T));  // a power of two would alias in the cache
}

// n, r, z and u of one vector of hidden units, from a row of pre-activations; the new state.
template <class T>
struct Cell {
    Vec<T> r, z, n, u, h;
};

// z ⊙ h + (1 − z) ⊙ n as it is written: z = 1 is h and z = 0 is n to the last bit, which n + z ⊙ (h − n) is not.
template <class T>
inline Vec<T> mixed(Vec<T> z, Vec<T> h, Vec<T> n) {
    return fma(z, h, (broadcast(T(1)) - z) * n);
}

template <class T>
inline Cell<T> cell_after(const T* pre, Vec<T> h) {
    constexpr int width = panel_columns<T>;
    Cell<T> c;
    c.r = sigmoid<T>(load(pre + slot_r * width));
    c.z = sigmoid<T>(load(pre + slot_z * width));
    c.u = load(pre + slot_u * width);
    c.n = tanh<T>(fma(c.r, c.u, load(pre + slot_n * width)));
    c.h = mixed<T>(c.z, h, c.n);
    return c;
}

template <class T, class W>
class ForwardPass {
public:
    // Takes its memory from the arena; a layer that is packed already stands in `packed`.
    ForwardPass(const Forward<T>& call, int members, Arena& arena, Arena& packed)
        : call_(call), L(call.sequences.L), N(call.sequences.N), H(call.shape.H), rows_{call.sequences},
          layer_(call.shape, call.weights.ih ? arena : packed) {
        rows_.place(arena);
        steps_ahead_ = std::clamp<int64_t>(rows_ahead / std::max<int64_t>(N, 1), 1, std::max<int64_t>(L, 1));
        state_stride_ = padded<T>(layer_.panels * width);
        x_stride_ = padded<T>(call.shape.D);
        pre_stride_ = padded<T>(layer_.row());
        state_ = arena.take<T>(2 * N * state_stride_);
        reset_state_ = call.shape.after ? nullptr : arena.take<T>(N * state_stride_);
        x_ = arena.take<T>((N + members) * steps_ahead_ * x_stride_);
        pre_ = arena.take<T>((N + members) * steps_ahead_ * pre_stride_);
        barriers_ = arena.take<Barrier>(members);
    }

    // What one thread does alone before the others come.
    void prepare(int members) {
        rows_.fill();
        for (int g = 0; g < members; ++g) new (barriers_ + g) Barrier;
    }

    // What every member of the team does.
    void run(int member, int members) {
        const DefaultRounding environment;
        const Share share = share_of(member, members, N, layer_.panels, 3 * H * H * int64_t(sizeof(W)));
        if (call_.weights.ih) {
            layer_.pack(call_.weights, part(layer_.panels, member, members), part(layer_.panels, member + 1, members));
            all_.wait(members);
        }
        prepare_rows(share);
        Barrier& group = barriers_[share.row_group];
        const int64_t group_rows = ceil_div(N, share.row_groups) * steps_ahead_;
        T* const x = x_ + share.row_group * group_rows * x_stride_;
        T* const pre_begin = pre_ + share.row_group * group_rows * pre_stride_;
        for (int64_t s = 0; s < L; s += steps_ahead_) {
            const int64_t end = std::min(s + steps_ahead_, L);
            const int64_t rows = copy_x(share, s, end, x);
            group.wait(share.column_groups);
            product_of_x(share, rows, x, pre_begin);
            T* pre = pre_begin;
            for (int64_t k = s; k < end; ++k) {
                const int64_t alive = share.count(rows_.alive(rows_.time(k)));
                if (call_.shape.after)
                    step_after(share, k, alive, pre);
                else
                    step_before(share, k, alive, pre, group);
                group.wait(share.column_groups);
                pre += alive * pre_stride_;
            }
        }
        write_h_n(share);
    }

private:
    static constexpr int64_t width = panel_columns<T>;

    T* state(int64_t step, int64_t row) const { return state_ + ((step & 1) * N + row) * state_stride_; }

    // The first state, and zeros past each sequence's end.
    void prepare_rows(const Share& share) {
        for (int64_t j = share.column_group; j < share.count(N); j += share.column_groups) {
            const int64_t i = share.row(j), n = rows_.sequence(i), length = rows_.length(i);
            const bool cleared = !rows_.of.reverse && length > 0 && rows_.starts(0, i);
            for (int64_t which : {0, 1}) {
                T* h = state(which, i);
                std::fill(h, h + state_stride_, T(0));
                if (!cleared) std::copy(call_.h_0 + n * H, call_.h_0 + (n + 1) * H, h);
            }
            if (reset_state_) std::fill(reset_state_ + i * state_stride_, reset_state_ + (i + 1) * state_stride_, T(0));
            for (int64_t t = length; t < L; ++t) {
                T* output = call_.output(t, n);
                std::fill(output, output + H, T(0));
                for (T* gate : {call_.gates.reset, call_.gates.update, call_.gates.candidate, call_.gates.recurrent})
                    if (gate) std::fill(gate + (t * N + n) * H, gate + (t * N + n + 1) * H, T(0));
            }
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

    void product_of_x(const Share& share, int64_t rows, const T* x, T* pre) {
        const int64_t slots = layer_.slots * width, begin = share.first * slots, end = share.last * slots;
        for (int64_t row = 0; row < rows; ++row)
            std::copy(layer_.bias + begin, layer_.bias + end, pre + row * pre_stride_ + begin);
        product<T, W>(rows, call_.shape.D, x, x_stride_, layer_.of_input(), share.first * 3, share.last * 3, pre,
                      pre_stride_, Columns{3, slots});
    }

    // Few rows take all panels at once, many one panel of hidden units at a time, whose gates then follow from the
    // cache.
    template <class Product, class Rest>
    void by_panels(const Share& share, int64_t rows, Product product_of, Rest rest) {
        const int64_t at_once = rows <= 3 ? share.last - share.first : 1;
        for (int64_t p = share.first; p < share.last; p += at_once) {
            product_of(p, p + at_once);
            for (int64_t q = p; q < p + at_once; ++q) rest(q);
        }
    }

    void step_after(const Share& share, int64_t s, int64_t alive, T* pre) {
        const int64_t pitch = share.row_groups * state_stride_;
        by_panels(
            share, alive,
            [&](int64_t first, int64_t last) {
                product<T, W>(alive, H, state(s, share.row_group), pitch, layer_.of_state(), first * 3,
                              last * 3, pre + width, pre_stride_, Columns{3, layer_.slots * width});
            },
            [&](int64_t p) {
                each_vector(share, s, alive, pre, p, [&](const Output& to, const T* slots, int64_t unit, int64_t count) {
                    const Cell<T> c = cell_after(slots, load(to.h + unit));
                    to.write_state(unit, count, c.h);
                    to.write(to.r, unit, count, c.r);
                    to.write(to.z, unit, count, c.z);
                    to.write(to.n, unit, count, c.n);
                    to.write(to.u, unit, count, c.u);
                });
            });
    }

    void step_before(const Share& share, int64_t s, int64_t alive, T* pre, Barrier& group) {
        const int64_t pitch = share.row_groups * state_stride_, jump = layer_.slots * width;
        by_panels(
            share, alive,
            [&](int64_t first, int64_t last) {
                product<T, W>(alive, H, state(s, share.row_group), pitch, layer_.of_state(), first * 2,
                              last * 2, pre + width, pre_stride_, Columns{2, jump});
            },
            [&](int64_t p) {
                each_vector(share, s, alive, pre, p, [&](const Output& to, T* slots, int64_t unit, int64_t count) {
                    const Vec<T> r = sigmoid<T>(load(slots + slot_r * width));
                    store(to.reset_h + unit, r * load(to.h + unit));
                    to.write(to.r, unit, count, r);
                });
            });
        group.wait(share.column_groups);
        by_panels(
            share, alive,
            [&](int64_t first, int64_t last) {
                product<T, W>(alive, H, reset_state_ + share.row_group * state_stride_, pitch,
                              layer_.of_reset_state(), first, last, pre, pre_stride_, Columns{1, jump});
            },
            [&](int64_t p) {
                each_vector(share, s, alive, pre, p, [&](const Output& to, const T* slots, int64_t unit, int64_t count) {
                    const Vec<T> z = sigmoid<T>(load(slots + slot_z * width)), n = tanh<T>(load(slots + slot_n * width));
                    const Vec<T> h = load(to.h + unit);
                    to.write_state(unit, count, mixed<T>(z, h, n));
                    to.write(to.z, unit, count, z);
                    to.write(to.n, unit, count, n);
                });
            });
    }

    // Where a row's step goes.
    struct Output {
        const T* h;
        T *next_h, *reset_h, *output, *r, *z, *n, *u;
        bool cleared;  // the next step starts an episode

        void write_state(int64_t unit, int64_t count, Vec<T> h_new) const {
            store(next_h + unit, cleared ? Vec<T>{} : h_new);
            store_first(output + unit, h_new, count);
        }
        void write(T* gate, int64_t unit, int64_t count, Vec<T> value) const {
            if (gate) store_first(gate + unit, value, count);
        }
    };

    template <class F>
    void each_vector(const Share& share, int64_t s, int64_t alive, T* pre, int64_t p, F f) {
        const int64_t t = rows_.time(s), next = s + 1 < L ? rows_.time(s + 1) : L;
        const auto& gates = call_.gates;
        for (int64_t j = 0; j < alive; ++j) {
            const int64_t i = share.row(j), n = rows_.sequence(i), at = (t * N + n) * H;
            const auto of = [at](T* gate) { return gate ? gate + at : nullptr; };
            const Output to = {state(s, i),
                               state(s + 1, i),
                               reset_state_ ? reset_state_ + i * state_stride_ : nullptr,
                               call_.output(t, n),
                               of(gates.reset),
                               of(gates.update),
                               of(gates.candidate),
                               of(gates.recurrent),
                               next < rows_.length(i) && rows_.starts(next, i)};
            T* slots = pre + j * pre_stride_ + p * layer_.slots * width;
            for (int64_t v = 0; v < width; v += lanes<T>) {
                const int64_t unit = p * width + v;
                if (unit < H) f(to, slots + v, unit, H - unit);
            }
        }
    }

    void write_h_n(const Share& share) {
        for (int64_t j = share.column_group; j < share.count(N); j += share.column_groups) {
            const int64_t i = share.row(j), n = rows_.sequence(i), length = rows_.length(i);
            const T* h = length == 0 ? call_.h_0 + n * H : call_.output(rows_.of.reverse ? 0 : length - 1, n);
            std::copy(h, h + H, call_.h_n + n * H);
        }
    }

    const Forward<T>& call_;
    const int64_t L, N, H;
    Rows rows_;
    PackedLayer<T, W> layer_;
    int64_t steps_ahead_, state_stride_, x_stride_, pre_stride_;
    T *state_, *reset_state_, *x_, *pre_;
    Barrier* barriers_;
    Barrier all_;
};

}  // namespace
}  // namespace penstock
