static void compare_outputs(const float *got, const float *expected, int count) {
    compare("output", got, expected, count);
}
