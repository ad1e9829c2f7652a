// For wheels alone (PENSTOCK_MANYLINUX): what a new glibc and libstdc++ put in a module that older ones lack. The linker
// sends the calls of these functions here (--wrap); every system with glibc 2.17 and a libstdc++ of GCC 7 has the rest.

// glibc 2.29 gave them a second version, which differs in what it does with errno; these are the first.
#if defined(__x86_64__)
#define FIRST "GLIBC_2.2.5"
#else
#define FIRST "GLIBC_2.17"
#endif
__asm__(".symver first_exp,exp@" FIRST);
__asm__(".symver first_log,log@" FIRST);
__asm__(".symver first_pow,pow@" FIRST);

extern "C" {
double first_exp(double);
double first_log(double);
double first_pow(double, double);
double __wrap_exp(double x) { return first_exp(x); }
double __wrap_log(double x) { return first_log(x); }
double __wrap_pow(double x, double y) { return first_pow(x, y); }

// std::exception_ptr counts its holders inside its header since GCC 11, by two functions that libstdc++ had to itself
// before. Its copy constructor and its destructor, which call just them, are in every libstdc++.
void _ZNSt15__exception_ptr13exception_ptrC1ERKS0_(void* copy, const void* from);
void _ZNSt15__exception_ptr13exception_ptrD1Ev(void* held);
void __wrap__ZNSt15__exception_ptr13exception_ptr9_M_addrefEv(void* held) {
    void* copy;  // never destroyed: a holder more
    _ZNSt15__exception_ptr13exception_ptrC1ERKS0_(&copy, held);
}
void __wrap__ZNSt15__exception_ptr13exception_ptr10_M_releaseEv(void* held) {
    _ZNSt15__exception_ptr13exception_ptrD1Ev(held);
}

// A new array's size that overflows is told from memory that ran out since GCC 11.
[[noreturn]] void _ZSt17__throw_bad_allocv();
[[noreturn]] void __wrap__ZSt28__throw_bad_array_new_lengthv() { _ZSt17__throw_bad_allocv(); }

// glibc 2.32 says here whether there is one thread; std::shared_ptr, which asks, may always count as if there were more.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}
