void gru_new_episode(gru_state *state) {
    size_t k, i;
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_WIDTH; ++i) state->hidden[k][i] = 0;
}

void gru_reset(gru_state *state) {
    gru_new_episode(state);
    state->rows.begun = 0;
}

void gru_step(gru_state *state, const float *row, double time, gru_out *outputs) {
    float features[GRU_FEATURES];
    GRU_ALIGNED gru_number x[GRU_ENTERED], top[GRU_WIDTH];
    gru_features(&state->rows, row, time, features);
#if GRU_DECAY
    gru_fade(state->hidden, features[GRU_FEATURES - 1]);
#endif
    gru_enter(features, x);
    gru_layers_step(state->hidden, x, top);
    if (outputs) gru_answer_layer(top, outputs);
}
