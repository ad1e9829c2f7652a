/* What the layers hand on of unit i. */
static float gru_real(gru_number hidden[GRU_LAYERS][GRU_WIDTH], size_t i) {
    float sum = hidden[GRU_RESIDUAL ? 0 : GRU_LAYERS - 1][i];
    size_t k;
    for (k = 1; GRU_RESIDUAL && k < GRU_LAYERS; ++k) sum += hidden[k][i];
    return sum;
}

/* Outputs from what the layers hand on beside the mean of all of it: `total` without the last, of so many with it. */
static void gru_pooled(gru_number hidden[GRU_LAYERS][GRU_WIDTH], const float *total, uint32_t segments,
                       gru_out *outputs) {
    float both[GRU_READS];
    size_t i;
    for (i = 0; i < GRU_HIDDEN; ++i) {
        both[i] = gru_real(hidden, i);
        both[GRU_HIDDEN + i] = (total[i] + both[i]) / (float)segments;
    }
    gru_answer_layer(both, outputs);
}
