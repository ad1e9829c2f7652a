/* What the first layer reads of features: themselves. */
static void gru_enter(const float *features, float *x) {
    size_t i;
    for (i = 0; i < GRU_INPUTS; ++i) x[i] = features[i];
}
