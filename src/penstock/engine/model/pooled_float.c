/* Outputs from the top layer's state beside the mean of all so far: `total` without it, of so many with it. */
static void gru_pooled(const float *top, const float *total, uint32_t segments, float *outputs) {
    float both[2 * GRU_HIDDEN];
    size_t i;
    for (i = 0; i < GRU_HIDDEN; ++i) {
        both[i] = top[i];
        both[GRU_HIDDEN + i] = (total[i] + top[i]) / (float)segments;
    }
    gru_answer_layer(both, outputs);
}
