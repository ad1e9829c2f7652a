/* e^x of one float32, for what is done once a step: drawing a token, odds of classes, fading over a gap of time. */
#ifndef GRU_EXP_H
#define GRU_EXP_H

#include <stdint.h>

static inline float gru_exp(float x) {
    union {
        uint32_t bits;
        float value;
    } power;
    const float within = x > 87.0f ? 87.0f : x < -87.0f ? -87.0f : x;
    const int exponent = (int)(within * 1.44269504f + 127.5f); /* rounded to nearest, plus the bias of an exponent */
    const float k = (float)(exponent - 127);
    const float f = (within - k * 0.693145752f) - k * 1.42860677e-06f;
    float sum = 1.38144669e-03f;
    sum = sum * f + 8.36878042e-03f;
    sum = sum * f + 4.16683942e-02f;
    sum = sum * f + 1.66665201e-01f;
    sum = sum * f + 4.99999934e-01f;
    power.bits = (uint32_t)exponent << 23;
    return power.value * (sum * f * f + f + 1.0f);
}

#endif
