void gru_reset(gru_state *state) {
    size_t k, i;
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_WIDTH; ++i) state->hidden[k][i] = 0;
}

void gru_step(gru_state *state, const gru_number *x, gru_out *outputs) {
    gru_number top[GRU_WIDTH];
    size_t i;
    gru_layers_step(state->hidden, x, top);
    if (outputs)
        for (i = 0; i < GRU_OUTPUTS; ++i) outputs[i] = top[i];
}
