/* gru_fixed.h for ctypes. */
#include "gru_fixed.h"

int layout(void) { return GRU_FIXED_LAYOUT; }

int scratch(int D, int H) { return (int)GRU_FIXED_SCRATCH((size_t)D, (size_t)H); }

void steps(int after, int D, int H, const uint32_t *ih, const uint32_t *hh, const int32_t *m_ih, const int32_t *m_hh,
           const int64_t *b, int L, const int16_t *x, int16_t *h, int16_t *room) {
    gru_fixed_layer layer;
    int t;
    layer.ih = ih;
    layer.hh = hh;
    layer.m_ih = m_ih;
    layer.m_hh = m_hh;
    layer.b = b;
    for (t = 0; t < L; ++t)
        gru_fixed_step(after, (size_t)D, (size_t)H, &layer, x + t * (int)GRU_FIXED_PADDED((size_t)D), h, room);
}

void output(int V, int H, const uint32_t *weights, const int32_t *m, const int64_t *b, const int16_t *x, int32_t *y,
            int16_t *room) {
    gru_fixed_output((size_t)V, (size_t)H, weights, m, b, x, y, room);
}

void embed(int D, const int8_t *row, int32_t m, int16_t *x) { gru_fixed_embed((size_t)D, row, m, x); }

void embed_tied(int H, const uint32_t *weights, int token, int32_t m, int16_t *x) {
    gru_fixed_embed_tied((size_t)H, weights, (size_t)token, m, x);
}

void total(int m, int W, const int16_t *states, int16_t *x) { gru_fixed_total((size_t)m, (size_t)W, states, x); }

void tanhs(int count, const int16_t *u, int16_t *y) {
    int i;
    for (i = 0; i < count; i += GRU_FIXED_LANES) gru_shorts_store(y + i, gru_fixed_tanh(gru_shorts_load(u + i)));
}
