/* What the layers hand on of unit i, as a real number. */
static float gru_real(gru_number hidden[GRU_LAYERS][GRU_WIDTH], size_t i) {
    int32_t sum = hidden[GRU_RESIDUAL ? 0 : GRU_LAYERS - 1][i];
    size_t k;
    for (k = 1; GRU_RESIDUAL && k < GRU_LAYERS; ++k) sum += hidden[k][i];
    return (float)sum * (1.0f / 32768.0f);
}

/* Outputs from what the layers hand on beside the mean of all of it: `total` without the last, of so many with it. */
static void gru_pooled(gru_number hidden[GRU_LAYERS][GRU_WIDTH], const float *total, uint32_t segments,
                       gru_out *outputs) {
    GRU_ALIGNED int16_t both[GRU_FIXED_PADDED(GRU_READS)] = {0};
    const float per = GRU_RESIDUAL ? (float)(32768 >> gru_fixed_halvings(GRU_LAYERS)) : 32768.0f;
    size_t i;
    for (i = 0; i < GRU_HIDDEN; ++i) {
        const float last = gru_real(hidden, i);
        both[i] = gru_fixed_whole(last, per);
        both[GRU_HIDDEN + i] = gru_fixed_whole((total[i] + last) / (float)segments, per);
    }
    gru_answer_layer(both, outputs);
}
