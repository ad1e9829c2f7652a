static void gru_embed(size_t token, int16_t *x) {
    gru_fixed_embed(GRU_INPUTS, gru_embedding[token], gru_embedding_m[token], x);
}
