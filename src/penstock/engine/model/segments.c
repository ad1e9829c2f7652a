void gru_reset(gru_state *state) {
    size_t k, i;
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_WIDTH; ++i) state->hidden[k][i] = 0;
    for (i = 0; i < GRU_WIDTH; ++i) state->total[i] = 0;
    state->segments = state->filled = 0;
    state->rows.begun = 0;
}

void gru_step(gru_state *state, const float *row, double time, gru_out *outputs) {
    GRU_ALIGNED gru_number x[GRU_ENTERED], top[GRU_WIDTH], hidden[GRU_LAYERS][GRU_WIDTH];
    float features[GRU_FEATURES], *part = state->part + 2 * GRU_FEATURES * state->filled;
    size_t k, i;
    gru_features(&state->rows, row, time, features);
    for (i = 0; i < GRU_FEATURES; ++i) {
        part[i] = features[i];
        part[GRU_FEATURES + i] =
            state->segments + state->filled ? (features[i] - state->before[i]) * GRU_CHANGE : 0.0f;
        state->before[i] = features[i];
    }
    ++state->filled;
    if (!outputs && state->filled < GRU_SEGMENT) return;
    for (k = state->filled; k < GRU_SEGMENT; ++k) { /* filled up with the last row, unchanged */
        part += 2 * GRU_FEATURES;
        for (i = 0; i < GRU_FEATURES; ++i) {
            part[i] = features[i];
            part[GRU_FEATURES + i] = 0.0f;
        }
    }
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_WIDTH; ++i) hidden[k][i] = state->hidden[k][i];
#if GRU_DECAY
    gru_fade(hidden, features[GRU_FEATURES - 1]);
#endif
    gru_enter(state->part, x);
    gru_layers_step(hidden, x, top);
    if (outputs) gru_pooled(hidden, state->total, state->segments + 1, outputs);
    if (state->filled < GRU_SEGMENT) return;
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_WIDTH; ++i) state->hidden[k][i] = hidden[k][i];
    for (i = 0; i < GRU_WIDTH; ++i) state->total[i] += gru_real(state->hidden, i);
    ++state->segments;
    state->filled = 0;
}
