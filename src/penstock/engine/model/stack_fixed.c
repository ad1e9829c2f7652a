/* The next state of every layer from x (GRU_ENTERED,); what the output layer reads into top (GRU_WIDTH,). */
static void gru_layers_step(int16_t hidden[GRU_LAYERS][GRU_WIDTH], const int16_t *x, int16_t *top) {
    GRU_ALIGNED int16_t scratch[GRU_FIXED_SCRATCH(GRU_WIDEST, GRU_HIDDEN)];
    size_t k, i;
    gru_fixed_step(GRU_AFTER, GRU_INPUTS, GRU_HIDDEN, &gru_layers[0], x, hidden[0], scratch);
    for (k = 1; k < GRU_LAYERS; ++k) {
        const int16_t *below = hidden[k - 1];
        if (GRU_RESIDUAL) {
            gru_fixed_total(k, GRU_WIDTH, hidden[0], top);
            below = top;
        }
        gru_fixed_step(GRU_AFTER, GRU_HIDDEN, GRU_HIDDEN, &gru_layers[k], below, hidden[k], scratch);
    }
    if (GRU_RESIDUAL)
        gru_fixed_total(GRU_LAYERS, GRU_WIDTH, hidden[0], top);
    else
        for (i = 0; i < GRU_WIDTH; ++i) top[i] = hidden[GRU_LAYERS - 1][i];
}
