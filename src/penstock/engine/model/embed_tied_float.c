/* The embedding is the output layer's weight, which stands in blocks. */
static void gru_embed(size_t token, float *x) {
    const float *row = gru_output + token / GRU_ROWS * GRU_ROWS * GRU_INPUTS + token % GRU_ROWS;
    size_t i;
    for (i = 0; i < GRU_INPUTS; ++i) x[i] = row[i * GRU_ROWS];
}
