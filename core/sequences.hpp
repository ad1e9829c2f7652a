// The rows of a call in the order in which the kernels work on them: longest first, so that the sequences that are
// alive at a step are the first ones, and no work is done past an end.
#pragma once

#include <algorithm>

#include "gru.hpp"
#include "product.hpp"

namespace penstock {
namespace {

// Hands out 64-byte aligned pieces of one block of memory; with a null block it only counts.
class Arena {
public:
    explicit Arena(void* block) : block_(static_cast<char*>(block)) {}

    template <class T>
    T* take(int64_t count) {
        char* at = block_ ? block_ + used_ : nullptr;
        used_ += (size_t(count) * sizeof(T) + 63) / 64 * 64;
        return reinterpret_cast<T*>(at);
    }

    size_t used() const { return used_; }

private:
    char* block_;
    size_t used_ = 0;
};

struct Rows {
    Sequences of;
    int64_t* order = nullptr;  // (N,) the sequence that row i is; null where that is i
    int64_t* alive_ = nullptr;  // (L,) rows that are alive at time t; null where all are

    void place(Arena& arena) {
        if (!of.lengths) return;
        order = arena.take<int64_t>(of.N);
        alive_ = arena.take<int64_t>(of.L);
    }

    void fill() {
        if (!of.lengths) return;
        for (int64_t i = 0; i < of.N; ++i) order[i] = i;
        std::sort(order, order + of.N, [this](int64_t a, int64_t b) {
            return of.lengths[a] != of.lengths[b] ? of.lengths[a] > of.lengths[b] : a < b;
        });
        for (int64_t t = 0, i = of.N; t < of.L; ++t) {
            while (i > 0 && length(i - 1) <= t) --i;
            alive_[t] = i;
        }
    }

    int64_t sequence(int64_t i) const { return order ? order[i] : i; }
    int64_t length(int64_t i) const { return of.lengths ? of.lengths[order[i]] : of.L; }
    int64_t alive(int64_t t) const { return alive_ ? alive_[t] : of.N; }

    // The time of the s-th step that is computed.
    int64_t time(int64_t s) const { return of.reverse ? of.L - 1 - s : s; }

    bool resets(int64_t t, int64_t i) const {
        return of.resets[t * of.resets_step + sequence(i) * of.resets_row] != 0;
    }

    // Whether row i's state is cleared before its step at time t. Backwards in time, an episode is entered at its last
    // step, which is the one before the next episode's start.
    bool starts(int64_t t, int64_t i) const {
        if (!of.resets) return false;
        if (!of.reverse) return resets(t, i);
        return t + 1 < length(i) && resets(t + 1, i);
    }

    // Whether row i's step at time t is its first one computed, and what time the one before it has.
    bool first(int64_t t, int64_t i) const { return of.reverse ? t == length(i) - 1 : t == 0; }
    int64_t previous(int64_t t) const { return of.reverse ? t + 1 : t - 1; }
};

// One thread's share of a call: of the rows, every `row_groups`-th; of the hidden units, the panels first … last − 1.
struct Share {
    int member, members;
    int row_group, row_groups;
    int column_group, column_groups;
    int64_t first, last;

    // How many of the first `rows` rows are this group's, and which one its j-th is.
    int64_t count(int64_t rows) const { return rows > row_group ? ceil_div(rows - row_group, row_groups) : 0; }
    int64_t row(int64_t j) const { return row_group + j * row_groups; }
};

// Part `index` of `parts` of a count: its begin.
inline int64_t part(int64_t count, int64_t index, int64_t parts) { return count * index / parts; }

// How the members of a team share N rows and `panels` panels of hidden units. Threads with rows of their own never wait
// for each other, but each reads all weights: so it is where those fit the second-level cache and rows are many.
inline Share share_of(int member, int members, int64_t N, int64_t panels, int64_t weight_bytes) {
    constexpr int64_t cache = 512 << 10;
    int columns = 1;
    while (columns < members && columns * 2 <= panels &&
           (weight_bytes / columns > cache || N * columns < int64_t(members) * tile_rows))
        columns *= 2;
    while (members % columns) --columns;
    const int group = member % columns;
    return {member, members,
            member / columns, members / columns,
            group, columns,
            part(panels, group, columns), part(panels, group + 1, columns)};
}

}  // namespace
}  // namespace penstock
