void gru_answers(const gru_out *outputs, float *answers) {
    size_t i;
    for (i = 0; i < GRU_OUTPUTS; ++i)
        answers[i] = (float)((double)outputs[i] * GRU_OUT_UNIT * gru_answer_spread[i] + gru_answer_center[i]);
}
