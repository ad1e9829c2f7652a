int main(void) {
    static gru_state state;
    static gru_out out[GRU_OUTPUTS];
    int step;
    gru_reset(&state);
    set_state(&state);
    if (gru_step(&state, -1, out) || gru_step(&state, GRU_TOKENS, out)) failed = 1;
    for (step = 0; step < STEPS; ++step) {
        const int at = step - (STEPS - ANSWERED);
        if (!gru_step(&state, (int)tokens[step], at >= 0 ? out : NULL)) failed = 1;
        if (at >= 0) compare_outputs(out, outputs[at], GRU_OUTPUTS);
    }
    compare_rest(&state, out);
