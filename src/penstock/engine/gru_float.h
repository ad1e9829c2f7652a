/* The gated recurrent unit in float32, C99: one step of a layer, and an output layer.

   r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
   z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
   n  = tanh(W_in x + b_in + W_hn (r h) + b_hn)      "before": Cho et al. 2014, the textbook's form
   n  = tanh(W_in x + b_in + r (W_hn h + b_hn))      "after": cuDNN, torch.nn.GRU
   h <- z h + (1 - z) n

   Letters: D inputs, H units, W = H rounded up to whole blocks of 16 rows. Nothing is allocated, no global is written and
   no library is called; sizes are arguments, which a compiler that knows them makes constants.

   Weights stand in blocks of 16 rows, filled up with zeros, a block column by column: w[(block K + k) 16 + row]. A
   layer's array holds, one after the other:

   "before"   r, z: 2 W/16 blocks of K = D + H columns, x's first; 2 W biases, ih + hh
              n:      W/16 blocks of K = D + H columns;              W biases, ih + hh
   "after"    r, z: as above
              n:      W/16 blocks of K = D columns;                  W biases, ih
                      W/16 blocks of K = H columns;                  W biases, hh

   Every row is one chain of multiply-adds, its bias first and its columns in their order: the same on every path but for
   the rounding of a product where there is no fused multiply-add. Do not compile this with -ffast-math. */
#ifndef GRU_FLOAT_H
#define GRU_FLOAT_H

#include <stddef.h>
#include <stdint.h>

#include "gru_float_vector.h"

#define GRU_ROWS 16 /* of a block */

/* W of H */
static inline size_t gru_float_width(size_t H) { return (H + GRU_ROWS - 1) / GRU_ROWS * GRU_ROWS; }

/* e^x = p + 1 times a power of two, x between -87 and 87: the power, and p by a polynomial of degree 6. */
static inline gru_floats gru_exp_parts(gru_floats x, gru_floats *p) {
    const gru_floats scaled = gru_fma(x, gru_all(1.44269504f), gru_all(127.5f));
    const gru_ints exponent = gru_to_ints(scaled); /* rounded to nearest, plus the bias of an exponent */
    const gru_floats k = gru_to_floats(exponent) - gru_all(127.0f);
    const gru_floats f = gru_fma(k, gru_all(-1.42860677e-06f), gru_fma(k, gru_all(-0.693145752f), x));
    gru_floats q = gru_all(1.38144669e-03f);
    q = gru_fma(q, f, gru_all(8.36878042e-03f));
    q = gru_fma(q, f, gru_all(4.16683942e-02f));
    q = gru_fma(q, f, gru_all(1.66665201e-01f));
    q = gru_fma(q, f, gru_all(4.99999934e-01f));
    *p = gru_fma(f * f, q, f);
    return gru_from_bits(exponent << 23);
}

static inline gru_floats gru_sigmoid(gru_floats a) {
    gru_floats p;
    const gru_floats power = gru_exp_parts(-gru_clip(a, 87.0f), &p);
    return gru_all(1.0f) / (gru_fma(power, p, power) + gru_all(1.0f));
}

/* By e^(-2a) - 1, so that small values keep their relative accuracy. */
static inline gru_floats gru_tanh(gru_floats a) {
    gru_floats p;
    const gru_floats power = gru_exp_parts(gru_clip(a, 43.5f) * gru_all(-2.0f), &p);
    const gru_floats less = gru_fma(power, p, power - gru_all(1.0f));
    return -less / (less + gru_all(2.0f));
}

enum { gru_across = GRU_ROWS / GRU_LANES }; /* vectors in a column of a block */

/* Adds K columns times x to the sums of `count` blocks, a constant, that are `pitch` apart. */
static GRU_INLINE void gru_add(const size_t count, gru_floats *sums, const float *w, size_t pitch, const float *x,
                               size_t K) {
    size_t k, i;
    for (k = 0; k < K; ++k, w += GRU_ROWS) {
        const gru_floats value = gru_all(x[k]);
        GRU_UNROLL
        for (i = 0; i < count * gru_across; ++i)
            sums[i] = gru_fma(gru_load(w + i / gru_across * pitch + i % gru_across * GRU_LANES), value, sums[i]);
    }
}

/* y = bias + w [x h] of `count` blocks. */
static GRU_INLINE void gru_blocks(const size_t count, const float *w, const float *bias, const float *x, size_t D,
                                  const float *h, size_t H, float *y) {
    const size_t pitch = (D + H) * GRU_ROWS;
    gru_floats sums[GRU_BLOCKS * gru_across];
    size_t i;
    GRU_UNROLL
    for (i = 0; i < count * gru_across; ++i) sums[i] = gru_load(bias + i * GRU_LANES);
    gru_add(count, sums, w, pitch, x, D);
    gru_add(count, sums, w + D * GRU_ROWS, pitch, h, H);
    GRU_UNROLL
    for (i = 0; i < count * gru_across; ++i) gru_store(y + i * GRU_LANES, sums[i]);
}

/* y = bias + w [x h] of `blocks` blocks: w (blocks, D + H, 16), y (16 blocks,). */
static inline void gru_product(size_t blocks, const float *w, const float *bias, const float *x, size_t D,
                               const float *h, size_t H, float *y) {
    const size_t size = (D + H) * GRU_ROWS;
    for (; blocks >= GRU_BLOCKS; blocks -= GRU_BLOCKS) {
        gru_blocks(GRU_BLOCKS, w, bias, x, D, h, H, y);
        w += GRU_BLOCKS * size;
        bias += GRU_BLOCKS * GRU_ROWS;
        y += GRU_BLOCKS * GRU_ROWS;
    }
    for (; blocks; --blocks) {
        gru_blocks(1, w, bias, x, D, h, H, y);
        w += size;
        bias += GRU_ROWS;
        y += GRU_ROWS;
    }
}

/* One step of a layer.

   weights   as above
   x         (D,)
   h         (W,) the state, which becomes the next one; zeros behind the H units stay zeros
   scratch   (4 W,) */
static inline void gru_float_step(int after, size_t D, size_t H, const float *weights, const float *x, float *h,
                                  float *scratch) {
    const size_t W = gru_float_width(H), blocks = W / GRU_ROWS;
    float *r = scratch, *z = scratch + W, *n = scratch + 2 * W, *u = scratch + 3 * W;
    size_t i;
    gru_product(2 * blocks, weights, weights + 2 * W * (D + H), x, D, h, H, r);
    weights += 2 * W * (D + H + 1);
    if (after) {
        gru_product(blocks, weights, weights + W * D, x, D, h, 0, n);
        weights += W * (D + 1);
        gru_product(blocks, weights, weights + W * H, x, 0, h, H, u);
        for (i = 0; i < W; i += GRU_LANES)
            gru_store(n + i, gru_fma(gru_sigmoid(gru_load(r + i)), gru_load(u + i), gru_load(n + i)));
    } else {
        for (i = 0; i < W; i += GRU_LANES) gru_store(u + i, gru_sigmoid(gru_load(r + i)) * gru_load(h + i));
        gru_product(blocks, weights, weights + W * (D + H), x, D, u, H, n);
    }
    for (i = 0; i < W; i += GRU_LANES) {
        const gru_floats candidate = gru_tanh(gru_load(n + i)), kept = gru_sigmoid(gru_load(z + i));
        gru_store(h + i, gru_fma(kept, gru_load(h + i) - candidate, candidate));
    }
}

/* y = W h + b: V outputs from a state (H,), weights W/16 blocks of K = H columns, then the biases. */
static inline void gru_float_output(size_t V, size_t H, const float *weights, const float *h, float *y) {
    const size_t blocks = V / GRU_ROWS, whole = blocks * GRU_ROWS;
    const float *bias = weights + gru_float_width(V) * H;
    gru_product(blocks, weights, bias, h, 0, h, H, y);
    if (whole < V) {
        float last[GRU_ROWS];
        size_t i;
        gru_product(1, weights + whole * H, bias + whole, h, 0, h, H, last);
        for (i = whole; i < V; ++i) y[i] = last[i - whole];
    }
}

#endif
