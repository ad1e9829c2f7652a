void gru_answers(const gru_out *outputs, float *answers) {
    size_t i;
    for (i = 0; i < GRU_OUTPUTS; ++i) answers[i] = 1.0f / (1.0f + gru_exp(-(float)outputs[i] * GRU_OUT_UNIT));
}
