void gru_reset(gru_state *state) {
    size_t k, i;
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_WIDTH; ++i) state->hidden[k][i] = 0;
    for (i = 0; i < GRU_WIDTH; ++i) state->total[i] = 0;
    state->segments = 0;
}

int gru_step(gru_state *state, int token, gru_out *outputs) {
    GRU_ALIGNED gru_number x[GRU_ENTERED], top[GRU_WIDTH];
    size_t i;
    if (token < 0 || token >= GRU_TOKENS) return 0;
    gru_embed((size_t)token, x);
    gru_layers_step(state->hidden, x, top);
    if (outputs) gru_pooled(state->hidden, state->total, state->segments + 1, outputs);
    for (i = 0; i < GRU_WIDTH; ++i) state->total[i] += gru_real(state->hidden, i);
    ++state->segments;
    return 1;
}
