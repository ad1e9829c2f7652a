/* Outputs from what they read, (GRU_WIDTH,). */
static void gru_answer_layer(const int16_t *top, int32_t *outputs) {
    GRU_ALIGNED int16_t scratch[GRU_FIXED_SPLIT(GRU_READS + 8) + 1];
    gru_fixed_output(GRU_OUTPUTS, GRU_READS, gru_output, gru_output_m, gru_output_b, top, outputs, scratch);
}
