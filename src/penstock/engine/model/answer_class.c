void gru_answers(const gru_out *outputs, float *answers) {
    float total = 0, largest = (float)outputs[0];
    size_t i;
    for (i = 1; i < GRU_OUTPUTS; ++i)
        if ((float)outputs[i] > largest) largest = (float)outputs[i];
    for (i = 0; i < GRU_OUTPUTS; ++i) total += answers[i] = gru_exp(((float)outputs[i] - largest) * GRU_OUT_UNIT);
    for (i = 0; i < GRU_OUTPUTS; ++i) answers[i] /= total;
}
