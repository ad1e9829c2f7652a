// The rows of a call in the order in which the kernels work on them: longest first, so that the sequences that are
// alive at a step are the first ones, and no work is done past an end.
#pragma once

#include <algorithm>

#include "gru.hpp"
#include "product.hpp"
#include "team.hpp"

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
    int64_t* lengths = nullptr;  // (N,) a copy, since the caller's may change meanwhile; null where all are L
    int64_t* order = nullptr;    // (N,) the sequence that row i is; null where that is i
    int64_t* alive_ = nullptr;   // (L,) rows that are alive at time t; null where all are

    void place(Arena& arena) {
        if (!of.lengths) return;
        lengths = arena.take<int64_t>(of.N);
        order = arena.take<int64_t>(of.N);
        alive_ = arena.take<int64_t>(of.L);
    }

    void fill() {
        if (!of.lengths) return;
        for (int64_t n = 0; n < of.N; ++n) {
            order[n] = n;
            lengths[n] = std::clamp<int64_t>(of.lengths[n], 0, of.L);
        }
        std::sort(order, order + of.N,
                  [this](int64_t a, int64_t b) { return lengths[a] != lengths[b] ? lengths[a] > lengths[b] : a < b; });
        for (int64_t t = 0, i = of.N; t < of.L; ++t) {
            while (i > 0 && length(i - 1) <= t) --i;
            alive_[t] = i;
        }
    }

    int64_t sequence(int64_t i) const { return order ? order[i] : i; }
    int64_t length(int64_t i) const { return order ? lengths[order[i]] : of.L; }
    int64_t alive(int64_t t) const { return alive_ ? alive_[t] : of.N; }

    // The time of the s-th step that is computed.
    int64_t time(int64_t s) const { return of.reverse ? of.L - 1 - s : s; }

    // Whose resets and decay act on what row i's state is when its step at time t begins: that step's own, or,
    // backwards in time, those of the step it comes from. −1 where there is none.
    int64_t passage(int64_t t, int64_t i) const { return !of.reverse ? t : t + 1 < length(i) ? t + 1 : -1; }

    // Whether row i's state is cleared before its step at time t. Backwards in time, an episode is entered at its last
    // step, which is the one before the next episode's start.
    bool starts(int64_t t, int64_t i) const {
        if (!of.resets) return false;
        const int64_t p = passage(t, i);
        return p >= 0 && of.resets[p * of.resets_step + sequence(i) * of.resets_row] != 0;
    }

    // Whether row i's step at time t is its first one computed, and what time the one before it has.
    bool first(int64_t t, int64_t i) const { return of.reverse ? t == length(i) - 1 : t == 0; }
    int64_t previous(int64_t t) const { return of.reverse ? t + 1 : t - 1; }
};

// The decay of row i's state before its step at time t; none where an episode starts, whatever stands there.
template <class T>
struct RowDecay {
    const T* at;  // null: none
    int64_t pitch;

    RowDecay(const Decay<T>& decay, const Rows& rows, int64_t t, int64_t i) : at(nullptr), pitch(decay.unit) {
        const int64_t p = decay.at ? rows.passage(t, i) : -1;
        if (p >= 0 && !rows.starts(t, i)) at = decay.at + p * decay.step + rows.sequence(i) * decay.row;
    }

    // h, decayed, of the first `count` units from `unit` on.
    Vec<T> of(Vec<T> h, int64_t unit, int64_t count) const {
        if (!at) return h;
        if (pitch == 1) return load_first(at + unit, count) * h;
        if (pitch == 0) return broadcast(*at) * h;
        Vec<T> factor = {};
        for (int64_t j = 0; j < std::min<int64_t>(count, lanes<T>); ++j) factor[j] = at[(unit + j) * pitch];
        return factor * h;
    }
};

// Part `index` of `parts` of a count: its begin.
inline int64_t part(int64_t count, int64_t index, int64_t parts) { return count * index / parts; }

// One thread's share of a call: of the rows from `begin` to `end`, every `row_groups`-th; of the hidden units, the
// panels first … last − 1.
struct Share {
    int member, members;
    int row_group, row_groups;
    int column_group, column_groups;
    int64_t first, last;
    int64_t begin = 0, end = 0;

    // How many of these rows, where `alive` of all are alive, are this group's; and which one its j-th is.
    int64_t count(int64_t alive) const {
        const int64_t rows = std::min(alive, end) - begin;
        return rows > row_group ? ceil_div(rows - row_group, row_groups) : 0;
    }
    int64_t row(int64_t j) const { return begin + row_group + j * row_groups; }

    // Where all share the columns of the same rows and one has left: this member's share among those who are there.
    void seat(int member_, int members_, int64_t panels) {
        member = column_group = member_;
        members = column_groups = members_;
        first = part(panels, member, members);
        last = part(panels, member + 1, members);
    }
};

// How the members of a team share N rows and `panels` panels of hidden units. Threads with rows of their own never wait
// for each other, but each reads all weights: so it is where those fit the second-level cache and rows are many.
inline Share share_of(int member, int members, int64_t N, int64_t panels, int64_t weight_bytes) {
    int columns = 1;
    while (columns < members && columns * 2 <= panels &&
           (weight_bytes / columns > second_level_cache() || N * columns < int64_t(members) * tile_rows))
        columns *= 2;
    while (members % columns) --columns;
    const int group = member % columns;
    return {member,
            members,
            member / columns,
            members / columns,
            group,
            columns,
            part(panels, group, columns),
            part(panels, group + 1, columns)};
}

}  // namespace
}  // namespace penstock
