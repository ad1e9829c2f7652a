/* What stands before main on an emulated Cortex-M: the table of vectors, and floating point switched on. printf and exit
   reach the emulator by semihosting, as newlib's rdimon has it. */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

extern int main(void);
extern void initialise_monitor_handles(void);
extern char stack_top;

void begin(void);

static void fault(void) {
    _exit(3);
}

typedef union {
    const void *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {&stack_top},       {.handler = begin}, {.handler = fault}, {.handler = fault},
    {.handler = fault}, {.handler = fault}, {.handler = fault},
};

void begin(void) {
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: the coprocessors of floats and of Helium's vectors */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    initialise_monitor_handles();
    const int status = main();
    fflush(stdout);
    _exit(status);
}
