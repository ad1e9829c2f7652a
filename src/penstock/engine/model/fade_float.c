/* The states fade over a gap, log(1 + steps since the row before), beyond the usual step. */
static void gru_fade(float hidden[GRU_LAYERS][GRU_WIDTH], float gap) {
    const double beyond = gru_exp_double((double)gap) - 2.0;
    const float over = beyond > 0.0 ? (float)beyond : 0.0f;
    size_t k, i;
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_HIDDEN; ++i) {
            const float fading = over * gru_fade_weight[k][i] + gru_fade_bias[k][i];
            if (fading > 0) hidden[k][i] *= gru_exp(-fading);
        }
}
