int gru_token(uint32_t character) {
    int low = 1, high = GRU_TOKENS; /* all but the unknown one, in order */
    while (low < high) {
        const int middle = (low + high) / 2;
        if (gru_characters[middle] < character)
            low = middle + 1;
        else
            high = middle;
    }
    return low < GRU_TOKENS && gru_characters[low] == character ? low : GRU_UNKNOWN;
}
