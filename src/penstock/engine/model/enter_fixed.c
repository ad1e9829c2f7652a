/* What the first layer reads of features. */
static void gru_enter(const float *features, int16_t *x) {
    size_t i;
    for (i = 0; i < GRU_ENTERED; ++i) x[i] = i < GRU_INPUTS ? gru_fixed_whole(features[i], GRU_PER) : (int16_t)0;
}
