static void compare_states(const float *got, const float *expected, int count) { compare("state", got, expected, count); }
