/* A small GRU on Penstock's core, in C99: a sequence at once, then one step at a time, the same to the last bit.

       cmake -S core -B build/core -DPENSTOCK_PYTHON=OFF && cmake --build build/core
       cc -std=c99 -Icore examples/gru.c -Lbuild/core -lpenstock -lstdc++ -lm -lpthread -o gru && ./gru

   Real weights have PyTorch's shapes and order of rows: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "penstock.h"

enum { L = 20, N = 2, D = 3, H = 8 }; /* steps, sequences, input features, hidden units */

static penstock_array array(float *data, int axes, int64_t a, int64_t b, int64_t c) {
    penstock_array made = {0};
    made.data = data;
    made.dtype = PENSTOCK_FLOAT32;
    made.ndim = axes; /* the axes that are not there are 1 */
    made.shape[0] = a, made.shape[1] = b, made.shape[2] = c;
    made.strides[0] = b * c, made.strides[1] = c, made.strides[2] = 1;
    return made;
}

static void fill(float *values, size_t count, unsigned seed) {
    for (size_t k = 0; k < count; ++k) {
        seed = seed * 1664525u + 1013904223u;
        values[k] = (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
    }
}

static void expect_ok(penstock_status status) {
    if (status == PENSTOCK_OK) return;
    fprintf(stderr, "%s\n", penstock_message());
    exit(1);
}

int main(void) {
    static float weight_ih[3 * H * D], weight_hh[3 * H * H], bias_ih[3 * H], bias_hh[3 * H];
    static float x[L * N * D], h_0[N * H], output[L * N * H], h_n[N * H], h[N * H];
    int64_t lengths[N] = {L, L + 1};
    penstock_packed *packed = NULL;
    penstock_call call = {0};

    if (penstock_header_version() != PENSTOCK_HEADER_VERSION) return fprintf(stderr, "another version of the core\n"), 1;
    fill(weight_ih, 3 * H * D, 1), fill(weight_hh, 3 * H * H, 2), fill(bias_ih, 3 * H, 3), fill(bias_hh, 3 * H, 4);
    fill(x, L * N * D, 5), fill(h_0, N * H, 6);

    /* The whole sequence, from the weights as they are. */
    call.form = PENSTOCK_RESET_AFTER;
    call.weights.ih = array(weight_ih, 2, 3 * H, D, 1);
    call.weights.hh = array(weight_hh, 2, 3 * H, H, 1);
    call.weights.bias_ih = array(bias_ih, 1, 3 * H, 1, 1);
    call.weights.bias_hh = array(bias_hh, 1, 3 * H, 1, 1);
    call.x = array(x, 3, L, N, D);
    call.h_0 = array(h_0, 2, N, H, 1);
    call.output = array(output, 3, L, N, H);
    call.h_n = array(h_n, 2, N, H, 1);
    expect_ok(penstock_forward(&call));

    /* One step at a time, from weights that were packed once; the state is written over. */
    expect_ok(penstock_pack(NULL, PENSTOCK_RESET_AFTER, PENSTOCK_FLOAT32, &call.weights, &packed));
    memcpy(h, h_0, sizeof h);
    for (int t = 0; t < L; ++t) {
        const penstock_array now = array(x + t * N * D, 2, N, D, 1), state = array(h, 2, N, H, 1);
        expect_ok(penstock_step(packed, &now, &state, &state, 1));
        if (memcmp(h, output + t * N * H, sizeof h)) return fprintf(stderr, "step %d differs\n", t), 1;
    }
    if (memcmp(h, h_n, sizeof h)) return fprintf(stderr, "the last state differs\n"), 1;
    penstock_free(packed);
    printf("%d steps on %s: one at a time, the same bits\n", L, penstock_choose(NULL)->name);

    /* A call that cannot be right is refused: nothing was read beyond the arrays, nothing was written. */
    call.lengths = array(NULL, 1, N, 1, 1);
    call.lengths.data = lengths;
    call.lengths.dtype = PENSTOCK_INT64;
    if (penstock_forward(&call) == PENSTOCK_OK) return fprintf(stderr, "lengths beyond L were taken\n"), 1;
    printf("refused: %s\n", penstock_message());
    return 0;
}
