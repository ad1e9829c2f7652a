/* The same whole numbers as the runtime's. */
static void compare_states(const int16_t *got, const int16_t *expected, int count) {
    int i;
    for (i = 0; i < count; ++i)
        if (got[i] != expected[i]) {
            printf("state %d: expected %d, got %d\n", i, expected[i], got[i]);
            failed = 1;
        }
}
