/* The next state h (GRU_WIDTH,) of a layer that reads x (D,). */
static void gru_layer(size_t D, const float *weights, const float *x, float *h) {
    float scratch[4 * GRU_WIDTH];
    gru_float_step(GRU_AFTER, D, GRU_HIDDEN, weights, x, h, scratch);
}

/* The next state of every layer from x (GRU_INPUTS,); what the output layer reads into top (GRU_WIDTH,). */
static void gru_layers_step(float hidden[GRU_LAYERS][GRU_WIDTH], const float *x, float *top) {
    size_t k, i;
    gru_layer(GRU_INPUTS, gru_layers[0], x, hidden[0]);
    for (i = 0; i < GRU_WIDTH; ++i) top[i] = hidden[0][i];
    for (k = 1; k < GRU_LAYERS; ++k) {
        gru_layer(GRU_HIDDEN, gru_layers[k], top, hidden[k]);
        for (i = 0; i < GRU_WIDTH; ++i) top[i] = GRU_RESIDUAL ? top[i] + hidden[k][i] : hidden[k][i];
    }
}
