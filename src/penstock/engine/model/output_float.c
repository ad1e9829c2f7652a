/* Outputs from what they read, (GRU_READS,). */
static void gru_answer_layer(const float *top, float *outputs) {
    gru_float_output(GRU_OUTPUTS, GRU_READS, gru_output, top, outputs);
}
