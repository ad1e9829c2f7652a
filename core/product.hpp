// The one matrix product of the core: C += A · B, with B packed in panels.
//
// Every element of C is one chain of fused multiply-adds, in the order of k, that begins with what C held:
//
//     c ← fma(a[0], b[0], c);  c ← fma(a[1], b[1], c);  …
//
// How the product is cut into tiles, blocks of k and threads changes who computes an element and when, never the
// chain; so results do not depend on it, to the last bit. (int8 weights: the chain begins with 0, and the sum times the
// column's scale is added to C at its end.)
//
// A panel holds `panel_columns` columns of B, k by k. A tile of M rows and P panels keeps its part of C in registers:
// many rows read a panel once for all of them; few rows take several panels, so that enough chains are in flight.
#pragma once

#include <algorithm>
#include <utility>

#include "simd.hpp"

namespace penstock {
namespace {

constexpr int panel_vectors = 2;
template <class T>
constexpr int panel_columns = panel_vectors * lanes<T>;

constexpr int accumulators = vector_registers == 32 ? 24 : 12;
constexpr int tile_rows = accumulators / panel_vectors;

// Panels that a tile of M rows takes.
constexpr int tile_panels(int M) { return std::clamp(accumulators / panel_vectors / M, 1, 6); }

// Elements of k for which a panel stays in the first-level cache.
template <class T>
constexpr int64_t k_block = 1024 / sizeof(T);

template <class T>
constexpr int64_t cache_line = 64 / sizeof(T);

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// Where panel q of B adds to C: `group` neighbouring panels, then a jump of `jump` elements.
struct Columns {
    int64_t group, jump;

    template <class T>
    int64_t at(int64_t q) const {
        // by constants: a division by a variable takes as long as a short tile
        const int64_t groups = group == 1 ? q : group == 2 ? q / 2 : group == 3 ? q / 3 : q / group;
        return groups * jump + (q - groups * group) * panel_columns<T>;
    }
};

// B: panel q begins at panels + q * panel_stride, and its row k is k * pitch further on. `scales`, of int8 weights, has
// C's columns.
template <class T, class W>
struct Panels {
    const W* panels;
    int64_t panel_stride;
    int64_t pitch = panel_columns<T>;
    const T* scales = nullptr;
};

// C: row m begins at `at` + m * pitch. `fresh`: it holds nothing yet, and chains begin with 0.
template <class T>
struct Target {
    T* at;
    int64_t pitch;
    Columns columns;
    bool fresh = false;
};

// A (M, K): element (m, k) is a[m * rs + k], or a[m + k * tile_rows] if Packed.
template <class T, class W, bool Packed, int M, int P>
void tile(int64_t K, const T* __restrict a, int64_t rs, const W* __restrict b, const Panels<T, W>& B,
          const Target<T>& C, int64_t first_row, int64_t q) {
    constexpr int V = P * panel_vectors;
    constexpr bool scaled = sizeof(W) == 1;
    const int64_t panel = B.panel_stride, pitch = B.pitch, ldc = C.pitch;
    T* __restrict const c = C.at + first_row * ldc;
    const bool fresh = scaled || C.fresh;
    Vec<T> sum[M][V];
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) {
            const T* at = c + m * ldc + C.columns.template at<T>(q + v / panel_vectors) + v % panel_vectors * lanes<T>;
            sum[m][v] = fresh ? Vec<T>{} : load(at);
        }
    for (int64_t k = 0; k < K; ++k) {
        if constexpr (M < V) {
            Vec<T> s[M];
#pragma GCC unroll 16
            for (int m = 0; m < M; ++m) s[m] = broadcast(Packed ? a[m] : a[m * rs]);
#pragma GCC unroll 16
            for (int v = 0; v < V; ++v) {
                const Vec<T> w = load_weights<T>(b + v / panel_vectors * panel + v % panel_vectors * lanes<T>);
#pragma GCC unroll 16
                for (int m = 0; m < M; ++m) sum[m][v] = fma(s[m], w, sum[m][v]);
            }
        } else {
            Vec<T> w[V];
#pragma GCC unroll 16
            for (int v = 0; v < V; ++v)
                w[v] = load_weights<T>(b + v / panel_vectors * panel + v % panel_vectors * lanes<T>);
#pragma GCC unroll 16
            for (int m = 0; m < M; ++m) {
                const Vec<T> s = broadcast(Packed ? a[m] : a[m * rs]);
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) sum[m][v] = fma(s, w[v], sum[m][v]);
            }
        }
        a += Packed ? tile_rows : 1;
        b += pitch;
    }
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) {
            const int64_t column = C.columns.template at<T>(q + v / panel_vectors) + v % panel_vectors * lanes<T>;
            T* at = c + m * ldc + column;
            if constexpr (scaled) sum[m][v] = fma(sum[m][v], load(B.scales + column), load(at));
            store(at, sum[m][v]);
        }
}

template <class T, class W, bool Packed>
using Tile = void (*)(int64_t, const T*, int64_t, const W*, const Panels<T, W>&, const Target<T>&, int64_t, int64_t);

template <class T, class W, bool Packed, int M, int P>
constexpr Tile<T, W, Packed> tile_if_used() {
    if constexpr (P <= tile_panels(M))
        return &tile<T, W, Packed, M, P>;
    else
        return nullptr;
}

template <class T, class W, bool Packed, int M>
struct TilesOf {
    static constexpr Tile<T, W, Packed> of_panels[6] = {
        tile_if_used<T, W, Packed, M, 1>(), tile_if_used<T, W, Packed, M, 2>(), tile_if_used<T, W, Packed, M, 3>(),
        tile_if_used<T, W, Packed, M, 4>(), tile_if_used<T, W, Packed, M, 5>(), tile_if_used<T, W, Packed, M, 6>()};
};

template <class T, class W, bool Packed, class Rows>
struct TileTable;
template <class T, class W, bool Packed, int... m>
struct TileTable<T, W, Packed, std::integer_sequence<int, m...>> {
    static constexpr const Tile<T, W, Packed>* rows[] = {TilesOf<T, W, Packed, m + 1>::of_panels...};
};

// C[m, columns of panels first … last − 1] += A[m, :K] · B.
// Packed: A stands in tiles of tile_rows rows, `rs` elements apart. `backwards`: the last panels first, so that what is
// read step after step is begun where the step before left it, in the cache.
template <class T, class W, bool Packed = false>
void product(int64_t M, int64_t K, const T* a, int64_t rs, const Panels<T, W>& B, int64_t first, int64_t last,
             Target<T> C, bool backwards = false) {
    if (M <= 0 || first >= last) return;
    constexpr auto& table = TileTable<T, W, Packed, std::make_integer_sequence<int, tile_rows>>::rows;
    const int64_t tiles = ceil_div(M, tile_rows);
    // Rows are dealt out evenly; packed ones stand as they were packed.
    const int64_t base = Packed ? tile_rows : M / tiles, more = Packed ? 0 : M % tiles;
    const int64_t block = sizeof(W) == 1 || Packed || tiles == 1 ? K : k_block<T>;
    const int64_t at_once = tile_panels(int(base + (more > 0))), groups = ceil_div(last - first, at_once);
    for (int64_t k = 0; k == 0 || k < K; k += block) {  // once for K = 0, as C may be fresh
        const int64_t depth = std::min(block, K - k);
        for (int64_t g = 0; g < groups; ++g) {
            const int64_t q = first + (backwards ? groups - 1 - g : g) * at_once, P = std::min(at_once, last - q);
            const W* b = B.panels + q * B.panel_stride + k * B.pitch;
            int64_t m = 0;
            for (int64_t i = 0; i < tiles; ++i) {
                const int64_t rows = Packed ? std::min<int64_t>(tile_rows, M - m) : base + (i < more);
                const T* from = Packed ? a + i * rs + k * tile_rows : a + m * rs + k;
                table[rows - 1][P - 1](depth, from, rs, b, B, C, m, q);
                m += rows;
            }
        }
        C.fresh = false;
        if (block <= 0) break;
    }
}

// Packs one panel: `columns` columns of a matrix B (K, …), and zeros beside them; B(k, j) = source[k * ks + j * js].
template <class T, class W, class Convert>
void pack_panel(int64_t K, int64_t columns, const T* source, int64_t ks, int64_t js, W* to, Convert convert) {
    constexpr int width = panel_columns<T>;
    columns = std::clamp<int64_t>(columns, 0, width);
    for (int64_t k = 0; k < K; ++k, to += width, source += ks) {
        for (int64_t j = 0; j < columns; ++j) to[j] = convert(source[j * js], j);
        for (int64_t j = columns; j < width; ++j) to[j] = W(0);
    }
}

// The same of columns that are rows in memory, `pitch` apart, as weights are: squares are turned in registers. A few
// rows at once, each to the end of a cache line: rows that are a power of two apart share a set of the cache.
template <class T>
void pack_rows(int64_t K, int64_t columns, const T* source, int64_t pitch, T* to) {
    constexpr int width = panel_columns<T>, side = square<T>;
    for (int64_t begin = 0; begin < K; begin += cache_line<T>) {
        const int64_t end = std::min(begin + cache_line<T>, K), whole = begin + (end - begin) / lanes<T> * lanes<T>;
        for (int64_t column = 0; column < width; column += side) {
            const int64_t count = std::min<int64_t>(columns - column, side);
            const T* from = source + column * pitch;
            T* at = to + column;
            int64_t k = begin;
            if (count == side)
                for (; k < whole; k += lanes<T>) {
                    Vec<T> rows[side];
#pragma GCC unroll 4
                    for (int i = 0; i < side; ++i) rows[i] = load(from + i * pitch + k);
                    turn_squares<T>(rows);
#pragma GCC unroll 4
                    for (int i = 0; i < side; ++i) store_pieces(at + (k + i) * width, side * width, rows[i]);
                }
            for (; k < end; ++k)
                for (int i = 0; i < side; ++i) at[k * width + i] = i < count ? from[i * pitch + k] : T(0);
        }
    }
}

// Some columns of B as weights lie in memory: the first one's elements, and how many columns there are up to a panel's.
template <class T>
struct WeightRows {
    const T* at = nullptr;
    int64_t pitch = 0, columns = 0;
};

// Asks for columns k … end − 1 of these rows, so that they come while others are worked on: a few cache lines of each of
// many rows are more than the hardware foresees.
template <class T>
void ask_for(const WeightRows<T>& rows, int64_t k, int64_t end) {
    for (; k < end; k += cache_line<T>)
        for (int64_t column = 0; column < rows.columns; ++column)
            __builtin_prefetch(rows.at + column * rows.pitch + k, 0, 2);
}

// What a panel that is packed on the way may take: a quarter of the first-level cache, through which the weights
// stream.
template <class T>
constexpr int64_t on_the_way = 8 * 1024 / sizeof(T);

// A tile of M rows and P whole panels, whose weights go from where they lie straight into the products.
template <class T, int M, int P>
void tile_of_weights(int64_t K, const T* a, int64_t rs, const WeightRows<T> (&panels)[P], const Target<T>& C,
                     int64_t q) {
    constexpr int V = P * panel_vectors, side = square<T>;
    const auto at = [&](int m, int v) {
        return C.at + m * C.pitch + C.columns.template at<T>(q + v / panel_vectors) + v % panel_vectors * lanes<T>;
    };
    Vec<T> sum[M][V];
    for (int m = 0; m < M; ++m)
        for (int v = 0; v < V; ++v) sum[m][v] = load(at(m, v));
    const T* from[V];
    for (int v = 0; v < V; ++v) from[v] = panels[v / panel_vectors].at + v % panel_vectors * lanes<T> * panels[0].pitch;
    const int64_t pitch = panels[0].pitch, whole = K / side * side;
    const auto squares = [&](int v, int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; k += side) {
            Vec<T> w[side];
#pragma GCC unroll 4
            for (int i = 0; i < side; ++i) w[i] = load_pieces<T>(from[v] + i * pitch + k, side * pitch);
            turn_squares<T>(w);
#pragma GCC unroll 4
            for (int i = 0; i < side; ++i)
#pragma GCC unroll 2
                for (int m = 0; m < M; ++m) sum[m][v] = fma(broadcast(a[m * rs + k + i]), w[i], sum[m][v]);
        }
    };
    // To the end of a cache line in a few rows, then in others, as pack_rows does.
    int64_t k = 0;
    for (; k + cache_line<T> <= whole; k += cache_line<T>)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) squares(v, k, k + cache_line<T>);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) squares(v, k, whole);
    for (k = whole; k < K; ++k)
        for (int v = 0; v < V; ++v) {
            Vec<T> w;
            for (int j = 0; j < lanes<T>; ++j) w[j] = from[v][j * pitch + k];
            for (int m = 0; m < M; ++m) sum[m][v] = fma(broadcast(a[m * rs + k]), w, sum[m][v]);
        }
    for (int m = 0; m < M; ++m)
        for (int v = 0; v < V; ++v) store(at(m, v), sum[m][v]);
}

// The product with weights as they lie in memory, `of_panel(q)` a panel's: each is read once, so that packing them
// first would be most of the work. One or two rows take them straight; more, a block at a time, packed on the way. The
// chains are those of packed ones.
template <class T, class OfPanel>
void product_of_weights(int64_t M, int64_t K, const T* a, int64_t rs, OfPanel of_panel, int64_t first, int64_t last,
                        const Target<T>& C, T* block /* (on_the_way,) */) {
    if (M <= 0) return;
    constexpr int64_t width = panel_columns<T>;
    for (int64_t q = first; q < last; ++q) {
        const WeightRows<T> rows = of_panel(q), next = q + 1 < last ? of_panel(q + 1) : WeightRows<T>{};
        if (M <= 2 && rows.columns == width) {
            if (next.columns == width) {
                (M == 1 ? tile_of_weights<T, 1, 2> : tile_of_weights<T, 2, 2>)(K, a, rs, {rows, next}, C, q++);
            } else {
                (M == 1 ? tile_of_weights<T, 1, 1> : tile_of_weights<T, 2, 1>)(K, a, rs, {rows}, C, q);
            }
            continue;
        }
        constexpr int64_t depth = on_the_way<T> / width;
        for (int64_t k = 0; k < K; k += depth) {
            const int64_t here = std::min(depth, K - k);
            pack_rows(here, rows.columns, rows.at + k, rows.pitch, block);
            const int64_t after = k + depth;
            after < K ? ask_for(rows, after, std::min(after + depth, K)) : ask_for(next, 0, std::min(depth, K));
            product<T, T>(M, here, a + k, rs, {block - q * here * width, here * width}, q, q + 1, C);
        }
    }
}

}  // namespace
}  // namespace penstock
