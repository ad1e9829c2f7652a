static void set_state(gru_state *state) {
    int k, i;
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_WIDTH; ++i) state->hidden[k][i] = before[k][i];
}

static void compare_rest(const gru_state *state, const gru_out *out) {
    static float answered[GRU_OUTPUTS];
    int k;
    for (k = 0; k < GRU_LAYERS; ++k) compare_states(state->hidden[k], after[k], GRU_WIDTH);
    gru_answers(out, answered);
    compare("answer", answered, answers, GRU_OUTPUTS);
}
