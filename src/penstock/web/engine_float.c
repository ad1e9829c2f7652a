/* The engine for browsers in float32: what float.js calls, on addresses in one memory. `make wasm` compiles it.

   Letters: D inputs, H units, W = H rounded up to whole blocks of 16 rows, as weights, gates and states are here; see
   gru_float.h for the blocks. Numbers behind the H units are zeros and stay so. */
#include "../engine/gru_float.h"

#define CALLED(name) __attribute__((export_name(#name), noinline))

/* y = w x + bias: w (blocks, columns, 16), bias and y (16 blocks,). */
CALLED(product)
void product(size_t blocks, size_t columns, const float *w, const float *bias, const float *x, float *y) {
    gru_product(blocks, w, bias, x, columns, x, 0, y);
}

/* What is held of a gate takes the place of what was computed; NaN leaves it. */
static gru_floats hold(gru_floats computed, const float *held) {
    const gru_floats value = gru_load(held);
    const gru_ints is = (gru_ints)(value == value);
    return gru_from_bits(((gru_ints)value & is) | ((gru_ints)computed & ~is));
}

/* One step of a layer, by the chains of gru_float_step.

   w        (3 W/16, H, 16) of the state: rows r, z, n
   bias     (W,) b_hn, which the form "after" alone adds here
   input    (3 W,) W_i x and all other biases
   h        (W,) the state, which becomes the next one
   gates    (4 W,) r, z and n of this step are written here; the rest is scratch
   held     (3 W,) what takes the place of r, z and n, NaN where nothing does; or NULL */
CALLED(step)
void step(int after, size_t H, const float *w, const float *bias, const float *input, float *h, float *gates,
          const float *held) {
    const size_t W = gru_float_width(H), blocks = W / GRU_ROWS;
    float *r = gates, *z = gates + W, *n = gates + 2 * W, *past = gates + 3 * W;
    size_t i;
    product(2 * blocks, H, w, input, h, r);
    for (i = 0; i < W; i += GRU_LANES) {
        gru_floats shown = gru_sigmoid(gru_load(r + i)), kept = gru_sigmoid(gru_load(z + i));
        if (held) {
            shown = hold(shown, held + i);
            kept = hold(kept, held + W + i);
        }
        gru_store(r + i, shown);
        gru_store(z + i, kept);
        gru_store(past + i, shown * gru_load(h + i));
    }
    w += 2 * W * H;
    input += 2 * W;
    if (after) {
        product(blocks, H, w, bias, h, past);
        for (i = 0; i < W; i += GRU_LANES)
            gru_store(n + i, gru_fma(gru_load(r + i), gru_load(past + i), gru_load(input + i)));
    } else {
        product(blocks, H, w, input, past, n);
    }
    for (i = 0; i < W; i += GRU_LANES) {
        gru_floats candidate = gru_tanh(gru_load(n + i));
        if (held) candidate = hold(candidate, held + 2 * W + i);
        gru_store(n + i, candidate);
        gru_store(h + i, gru_fma(gru_load(z + i), gru_load(h + i) - candidate, candidate));
    }
}
