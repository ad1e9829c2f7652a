/* The engine for browsers in whole numbers, w8a16: what fixed.js calls, on addresses in one memory; arguments are those of
   gru_fixed.h. `make wasm` compiles it. */
#include "../engine/gru_fixed.h"

#define CALLED(name) __attribute__((export_name(#name)))

CALLED(step)
void step(int after, size_t D, size_t H, const uint32_t *ih, const uint32_t *hh, const int32_t *m_ih,
          const int32_t *m_hh, const int64_t *b, const int16_t *x, int16_t *h, int16_t *scratch) {
    const gru_fixed_layer layer = {ih, hh, m_ih, m_hh, b};
    gru_fixed_step(after, D, H, &layer, x, h, scratch);
}

CALLED(output)
void output(size_t V, size_t H, const uint32_t *weights, const int32_t *m, const int64_t *b, const int16_t *x,
            int32_t *y, int16_t *scratch) {
    gru_fixed_output(V, H, weights, m, b, x, y, scratch);
}

CALLED(embed)
void embed(size_t D, const int8_t *row, int32_t m, int16_t *x) { gru_fixed_embed(D, row, m, x); }

CALLED(embed_tied)
void embed_tied(size_t H, const uint32_t *weights, size_t token, int32_t m, int16_t *x) {
    gru_fixed_embed_tied(H, weights, token, m, x);
}

CALLED(total)
void total(size_t m, size_t W, const int16_t *states, int16_t *x) { gru_fixed_total(m, W, states, x); }
