static void set_state(gru_state *state) {
    int k, i;
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_WIDTH; ++i) state->hidden[k][i] = before[k][i];
}

static void compare_rest(const gru_state *state, const gru_out *out) {
    int k;
    for (k = 0; k < GRU_LAYERS; ++k) compare_states(state->hidden[k], after[k], GRU_WIDTH);
    if (gru_next_token(out, drawing[0], drawing[1]) != drawn[0] || gru_next_token(out, 0, 0) != drawn[1]) {
        printf("next token: expected %d and %d\n", (int)drawn[0], (int)drawn[1]);
        failed = 1;
    }
}
