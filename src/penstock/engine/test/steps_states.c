int main(void) {
    static gru_state state;
    static gru_out out[GRU_OUTPUTS];
    int step;
    gru_reset(&state);
    set_state(&state);
    for (step = 0; step < STEPS; ++step) {
        gru_step(&state, rows[step], out);
        compare_outputs(out, outputs[step], GRU_OUTPUTS);
    }
    compare_rest(&state, out);
