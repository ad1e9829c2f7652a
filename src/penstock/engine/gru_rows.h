/* Rows of numbers to what a GRU reads, as penstock.series.features has it: scaled; a missing number, NaN, is the last one
   again, fading; a category is 1 at its place and 0 at the others. All of it in float64, each number rounded once, so
   that the features are those of the training.

   GRU_COLUMNS of a row become GRU_FEATURES. Before this file: gru.h and gru_columns of the model's data. */
#ifndef GRU_ROWS_H
#define GRU_ROWS_H

#include <stddef.h>
#include <stdint.h>

static inline double gru_power_of_two(int k) {
    union {
        uint64_t bits;
        double value;
    } both;
    both.bits = (uint64_t)(k + 1023) << 52;
    return both.value;
}

/* e^x for x from -700 to 700. */
static inline double gru_exp_double(double x) {
    const double shares = x * 1.4426950408889634;
    const int k = (int)(shares < 0 ? shares - 0.5 : shares + 0.5);
    const double f = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    double sum = 1.0;
    int i;
    for (i = 13; i > 0; --i) sum = sum * f / i + 1.0;
    return sum * gru_power_of_two(k);
}

/* log(1 + x) for x >= 0, by log(m) = 2 artanh((m - 1) / (m + 1)) of 1 + x = m 2^k. */
static inline double gru_log1p(double x) {
    union {
        double value;
        uint64_t bits;
    } both;
    double m, lost, t, sum = 0.0;
    int k, i;
    both.value = 1.0 + x;
    lost = (x < 1.0 ? x - (both.value - 1.0) : 1.0 - (both.value - x)) / both.value;
    k = (int)(both.bits >> 52) - 1023;
    both.bits = (both.bits & 0xfffffffffffffu) | ((uint64_t)1023 << 52);
    m = both.value;
    if (m > 1.4142135623730951) {
        m *= 0.5;
        ++k;
    }
    t = (m - 1.0) / (m + 1.0);
    for (i = 21; i > 0; i -= 2) sum = sum * t * t + 1.0 / i;
    return k * 6.93147180369123816490e-01 + (2.0 * t * sum + (lost + k * 1.90821492927058770002e-10));
}

/* The features x (GRU_FEATURES,) of the next row (GRU_COLUMNS,), at `time`. */
static void gru_features(gru_rows *rows, const float *row, double time, float *x) {
    const double moment = GRU_CLOCKED ? time : rows->begun ? rows->moment + 1.0 : 0.0;
    size_t k;
    if (!rows->begun) {
        rows->moment = moment;
        for (k = 0; k < GRU_COLUMNS; ++k) {
            rows->seen[k] = moment;
            rows->last[k] = 0.0;
        }
        rows->begun = 1;
    }
    for (k = 0; k < GRU_COLUMNS; ++k) {
        const gru_column *column = &gru_columns[k];
        const float value = row[k];
        const int there = value == value;
        if (column->places) {
            const int known = there && value >= 0 && value < (float)column->codes;
            const size_t place = known ? column->place[(size_t)value] : column->places - 1;
            size_t i;
            for (i = 0; i < column->places; ++i) *x++ = there && i == place ? 1.0f : 0.0f;
        } else {
            const double since = (moment - rows->seen[k]) / GRU_USUAL_STEP;
            if (there) {
                rows->last[k] = ((double)value - column->center) / column->spread;
                rows->seen[k] = moment;
                *x++ = (float)rows->last[k];
            } else {
                const double fading = column->rate * since;
                *x++ = (float)(rows->last[k] * (fading < 700.0 ? gru_exp_double(-fading) : 0.0));
            }
            if (GRU_MISSES && column->misses) {
                *x++ = there ? 1.0f : 0.0f;
                *x++ = (float)gru_log1p(since);
            }
        }
    }
    if (GRU_GAP) *x = (float)gru_log1p((moment - rows->moment) / GRU_USUAL_STEP);
    rows->moment = moment;
}

#endif
