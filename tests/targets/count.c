/* Instructions a multiply-add: steps of an exported model on an emulated Cortex-M, whose clock counts instructions
   (-icount shift=0). A loop of a known number of instructions says what a tick of the clock is. */
#include <stdint.h>
#include <stdio.h>

#include "gru.h"

#define SYSTICK ((volatile uint32_t *)0xE000E010)
#define STEPS 8
#define LOOPS 1000000u

/* Ticks since `begin`, of a clock of 24 bits that runs down. */
static uint32_t since(uint32_t begin) { return (begin - SYSTICK[2]) & 0xFFFFFFu; }

int main(void) {
    static gru_state state;
    static gru_out out[GRU_OUTPUTS];
    uint32_t loops = LOOPS, before, of_loop, of_steps;
    int step;
    SYSTICK[1] = 0xFFFFFFu;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* on, by the processor's clock */
    while (SYSTICK[2] == 0) {}
    before = SYSTICK[2];
    __asm__ volatile("1: subs %0, #1\n\tbne 1b" : "+r"(loops) : : "cc");
    of_loop = since(before);
    gru_reset(&state);
    before = SYSTICK[2];
    for (step = 0; step < STEPS; ++step) gru_step(&state, step + 1, out);
    of_steps = since(before);
    printf("%.3f\n", 2.0 * LOOPS * of_steps / of_loop / STEPS / MULTIPLY_ADDS);
    return 0;
}
