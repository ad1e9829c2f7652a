/* The gated recurrent unit in whole numbers, w8a16, C99: a step of a layer, and what stands around layers. Weights are
   int8, states int16 in Q15, inputs int16; penstock.fixed_point has the arithmetic, and these are its numbers, to the bit,
   whatever the processor.

   Letters: D inputs, H units, W = H rounded up to whole blocks of 16 rows. Nothing is allocated, no global is written and
   no library is called; sizes are arguments, which a compiler that knows them makes constants.

   A matrix stands in blocks of 16 rows, filled up with zeros, in words of four weights each; in which order is
   GRU_FIXED_LAYOUT's, and the data must go by it: penstock.engine.fixed_layout makes it for each. M are in the order of
   the rows. So are the numbers b, but of each block the even rows come first.

   A layer's rows are those of r, z and n, W each: 3 W of weights and of M, and 4 W of b, whose last are added to the
   candidate's recurrent part where the form is "after". */
#ifndef GRU_FIXED_H
#define GRU_FIXED_H

#include "gru_fixed_vector.h"

typedef struct {
    const uint32_t *ih, *hh;    /* (3 W, D) and (3 W, H), in words */
    const int32_t *m_ih, *m_hh; /* (3 W,) */
    const int64_t *b;           /* (4 W,) */
} gru_fixed_layer;

/* W of H. */
static inline size_t gru_fixed_width(size_t H) { return (H + GRU_FIXED_ROWS - 1) / GRU_FIXED_ROWS * GRU_FIXED_ROWS; }

/* Numbers that an operand of so many takes in memory: up to whole eights there are zeros behind the last. */
#define GRU_FIXED_PADDED(count) (((count) + 7) / 8 * 8)

/* Numbers that gru_fixed_step needs besides. */
#define GRU_FIXED_SCRATCH(D, H) (2 * (((H) + 15) / 16 * 16) + GRU_FIXED_SPLIT((((H) + 15) / 16 * 16) + GRU_FIXED_PADDED(D)))

/* Words of a block of 16 rows. */
static inline size_t gru_fixed_pitch(size_t columns) {
    return gru_fixed_columns(columns) * (GRU_FIXED_ROWS / 4) + GRU_FIXED_HEAD;
}

/* ceil(log2 m): how often the sum of m states is halved, so that it fits where one does. */
static inline int gru_fixed_halvings(size_t m) {
    int s = 0;
    while (m > (size_t)1 << s) ++s;
    return s;
}

/* Pre-activations of `count` blocks, a constant, from `block` on. Of "after"'s candidate r is its rows' reset gate. */
static GRU_FIXED_INLINE void gru_fixed_rows(const size_t count, const gru_fixed_layer *layer, size_t block, size_t D,
                                            size_t H, gru_operand x, gru_operand h, const int16_t *r, int16_t *pre) {
    int32_t of_x[GRU_FIXED_BLOCKS * GRU_FIXED_ROWS], of_h[GRU_FIXED_BLOCKS * GRU_FIXED_ROWS];
    const size_t row = block * GRU_FIXED_ROWS;
    size_t i;
    gru_fixed_sums(count, layer->ih + block * gru_fixed_pitch(D), gru_fixed_pitch(D), x, gru_fixed_columns(D), of_x);
    gru_fixed_sums(count, layer->hh + block * gru_fixed_pitch(H), gru_fixed_pitch(H), h, gru_fixed_columns(H), of_h);
    for (i = 0; i < count * GRU_FIXED_ROWS; i += GRU_FIXED_ROWS) {
        const int64_t *b = layer->b + row + i;
        const int32_t *m_ih = layer->m_ih + row + i, *m_hh = layer->m_hh + row + i;
        if (r)
            gru_fixed_narrow_after(of_x + i, m_ih, of_h + i, m_hh, b, b + gru_fixed_width(H), r + i, pre + i);
        else
            gru_fixed_narrow(of_x + i, m_ih, of_h + i, m_hh, b, pre + i);
    }
}

/* The same of as many blocks as are computed at once, at most to `end`; how many they were. */
static size_t gru_fixed_some(const gru_fixed_layer *layer, size_t block, size_t end, size_t D, size_t H, gru_operand x,
                             gru_operand h, const int16_t *r, int16_t *pre) {
#if GRU_FIXED_BLOCKS > 1
    if (end - block >= GRU_FIXED_BLOCKS) {
        gru_fixed_rows(GRU_FIXED_BLOCKS, layer, block, D, H, x, h, r, pre);
        return GRU_FIXED_BLOCKS;
    }
#else
    (void)end;
#endif
    gru_fixed_rows(1, layer, block, D, H, x, h, r, pre);
    return 1;
}

static inline gru_shorts gru_fixed_sigmoid(gru_shorts pre) {
    return gru_shorts_add(gru_shorts_all(1 << 14), gru_shorts_half(gru_fixed_tanh(pre)));
}

/* One step of a layer.

   x         (D,), zeros behind it up to whole eights
   h         (W,) the state, which becomes the next one; zeros behind the H units stay zeros
   scratch   (GRU_FIXED_SCRATCH(D, H),) */
static void gru_fixed_step(int after, size_t D, size_t H, const gru_fixed_layer *layer, const int16_t *x, int16_t *h,
                           int16_t *scratch) {
    const size_t W = gru_fixed_width(H), blocks = W / GRU_FIXED_ROWS;
    int16_t *r = scratch, *w = scratch + W, *split = scratch + 2 * W, pre[GRU_FIXED_BLOCKS * GRU_FIXED_ROWS];
    const gru_operand of_x = gru_fixed_operand(x, gru_fixed_columns(D), split + W);
    gru_operand of_h = gru_fixed_operand(h, gru_fixed_columns(H), split);
    size_t block, count, i;
    for (block = 0; block < 2 * blocks; block += count)
        count = gru_fixed_some(layer, block, 2 * blocks, D, H, of_x, of_h, NULL, scratch + block * GRU_FIXED_ROWS);
    for (i = 0; i < W; i += GRU_FIXED_LANES) {
        const gru_shorts shown = gru_fixed_sigmoid(gru_shorts_load(r + i));
        gru_shorts_store(r + i, after ? shown : gru_shorts_times(shown, gru_shorts_load(h + i)));
        gru_shorts_store(w + i, gru_fixed_sigmoid(gru_shorts_less(gru_shorts_all(0), gru_shorts_load(w + i))));
    }
    if (!after) of_h = gru_fixed_operand(r, gru_fixed_columns(H), split);
    for (block = 0; block < blocks; block += count) {
        int16_t *new_h = w + block * GRU_FIXED_ROWS;
        const int16_t *old_h = h + block * GRU_FIXED_ROWS;
        count = gru_fixed_some(layer, 2 * blocks + block, 3 * blocks, D, H, of_x, of_h,
                               after ? r + block * GRU_FIXED_ROWS : NULL, pre);
        for (i = 0; i < count * GRU_FIXED_ROWS; i += GRU_FIXED_LANES) {
            const gru_shorts old = gru_shorts_load(old_h + i), share = gru_shorts_load(new_h + i);
            const gru_shorts written = gru_shorts_times(share, gru_fixed_tanh(gru_shorts_load(pre + i)));
            gru_shorts_store(new_h + i, gru_shorts_add(gru_shorts_less(old, gru_shorts_times(share, old)), written));
        }
    }
    for (i = 0; i < W; i += GRU_FIXED_LANES) gru_shorts_store(h + i, gru_shorts_load(w + i));
}

/* An output layer's V numbers y in Q16 of x (H,), zeros behind it up to whole eights: weights (V, H) in words, m and b in
   whole blocks; scratch (GRU_FIXED_SPLIT(H + 8),). */
static void gru_fixed_output(size_t V, size_t H, const uint32_t *weights, const int32_t *m, const int64_t *b,
                             const int16_t *x, int32_t *y, int16_t *scratch) {
    const gru_operand of_x = gru_fixed_operand(x, gru_fixed_columns(H), scratch);
    int32_t sums[GRU_FIXED_BLOCKS * GRU_FIXED_ROWS];
    size_t row, i;
    for (row = 0; row < V; row += GRU_FIXED_ROWS) {
        gru_fixed_sums(1, weights, 0, of_x, gru_fixed_columns(H), sums);
        weights += gru_fixed_pitch(H);
        for (i = 0; i < GRU_FIXED_ROWS && row + i < V; ++i)
            y[row + i] = gru_fixed_high(b[row + i % 2 * 8 + i / 2] + (int64_t)sums[i] * m[row + i]);
    }
}

/* A real number times `per`, as a whole number of 16 bits, rounded; what is no number is 0. */
static inline int16_t gru_fixed_whole(float value, float per) {
    float whole = value * per;
    whole = whole < 32767.0f ? whole : 32767.0f;
    whole = whole > -32767.0f ? whole : -32767.0f;
    return (int16_t)(value == value ? (int32_t)(whole + 32768.5f) - 32768 : 0);
}

/* x (D,), and the zeros behind it, of a token's row of an embedding. */
static inline void gru_fixed_embed(size_t D, const int8_t *row, int32_t m, int16_t *x) {
    size_t i;
    for (i = 0; i < D; ++i) x[i] = (int16_t)((row[i] * m + (1 << 15)) >> 16);
    for (; i < GRU_FIXED_PADDED(D); ++i) x[i] = 0;
}

/* The same of the row of an output layer's weights. */
static inline void gru_fixed_embed_tied(size_t H, const uint32_t *weights, size_t token, int32_t m, int16_t *x) {
    size_t i;
    weights += token / GRU_FIXED_ROWS * gru_fixed_pitch(H);
    for (i = 0; i < H; ++i)
        x[i] = (int16_t)((gru_fixed_weight(weights, gru_fixed_columns(H), token % GRU_FIXED_ROWS, i) * m + (1 << 15)) >> 16);
    for (; i < GRU_FIXED_PADDED(H); ++i) x[i] = 0;
}

/* x (W,), the sum of m layers' states (m, W), halved as often as gru_fixed_halvings says. */
static inline void gru_fixed_total(size_t m, size_t W, const int16_t *states, int16_t *x) {
    const int s = gru_fixed_halvings(m);
    size_t i, k;
    for (i = 0; i < W; ++i) {
        int32_t sum = (1 << s) >> 1;
        for (k = 0; k < m; ++k) sum += states[k * W + i];
        x[i] = (int16_t)(sum >> s);
    }
}

#endif
