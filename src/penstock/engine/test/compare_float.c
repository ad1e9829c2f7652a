/* Within this of the runtime's numbers; of those above 1 it is a share. */
#define TOLERANCE 1e-5f

static float largest = 0.0f;

static void compare(const char *what, const float *got, const float *expected, int count) {
    int i;
    for (i = 0; i < count; ++i) {
        const float difference = fabsf(got[i] - expected[i]) / fmaxf(1.0f, fabsf(expected[i]));
        if (!(difference <= TOLERANCE)) {
            printf("%s %d: expected %.9g, got %.9g\n", what, i, (double)expected[i], (double)got[i]);
            failed = 1;
        }
        if (difference > largest) largest = difference;
    }
}
