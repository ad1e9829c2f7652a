/* The same whole numbers as the runtime's. */
static void compare_outputs(const int32_t *got, const int32_t *expected, int count) {
    int i;
    for (i = 0; i < count; ++i)
        if (got[i] != expected[i]) {
            printf("output %d: expected %ld, got %ld\n", i, (long)expected[i], (long)got[i]);
            failed = 1;
        }
}
