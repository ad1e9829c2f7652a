// Which instruction sets there are, and which of them this build and this processor have.
#pragma once

#include "kernels.hpp"
#include "penstock.h"

namespace penstock {

// A row of the table: what others see of a set, and its kernels, null where this build left it out.
struct InstructionSet : penstock_set {
    const Kernels* kernels;
    const StepKernels* steps;

    bool usable() const { return compiled && supported; }
};

// The k-th, best first; null past the last one, "portable", which runs everywhere.
const InstructionSet* instruction_set(int k);

// The best usable one.
const InstructionSet& best_set();

}  // namespace penstock
