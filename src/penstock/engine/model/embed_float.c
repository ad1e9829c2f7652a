static void gru_embed(size_t token, float *x) {
    size_t i;
    for (i = 0; i < GRU_INPUTS; ++i) x[i] = gru_embedding[token][i];
}
