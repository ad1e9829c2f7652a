void gru_reset(gru_state *state) {
    size_t k, i;
    for (k = 0; k < GRU_LAYERS; ++k)
        for (i = 0; i < GRU_WIDTH; ++i) state->hidden[k][i] = 0;
}

int gru_step(gru_state *state, int token, gru_out *logits) {
    GRU_ALIGNED gru_number x[GRU_ENTERED], top[GRU_WIDTH];
    if (token < 0 || token >= GRU_TOKENS) return 0;
    gru_embed((size_t)token, x);
    gru_layers_step(state->hidden, x, top);
    if (logits) gru_answer_layer(top, logits);
    return 1;
}

int gru_likeliest(const gru_out *logits) {
    int likeliest = -1, token;
    for (token = 0; token < GRU_OUTPUTS; ++token)
        if (token != GRU_UNKNOWN && (likeliest < 0 || logits[token] > logits[likeliest])) likeliest = token;
    return likeliest;
}

int gru_next_token(const gru_out *logits, float temperature, float random) {
    const int likeliest = gru_likeliest(logits);
    float total = 0, threshold = 0;
    int pass, token;
    if (!(temperature > 0)) return likeliest;
    for (pass = 0; pass < 2; ++pass) {
        for (total = 0, token = 0; token < GRU_OUTPUTS; ++token) {
            if (token == GRU_UNKNOWN) continue;
            total += gru_exp(((float)logits[token] - (float)logits[likeliest]) * GRU_OUT_UNIT / temperature);
            if (pass && total > threshold) return token;
        }
        threshold = random * total;
    }
    return likeliest; /* random times the sum was rounded up to the sum */
}
