/* The embedding is the output layer's weight. */
static void gru_embed(size_t token, int16_t *x) {
    gru_fixed_embed_tied(GRU_INPUTS, gru_output, token, gru_embedding_m[token], x);
}
