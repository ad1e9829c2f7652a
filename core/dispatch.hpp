// Which instruction sets there are, which of them this build and this processor have, and which one is in use.
#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"

namespace penstock {

struct InstructionSet {
    const char* name;
    const Kernels* kernels;  // null where the build left the set out
    bool supported;          // the processor and the operating system have it
    const char* needs;       // in words, for a person who asks why it was not chosen
};

// Best first; the last one, "portable", runs everywhere.
const std::vector<InstructionSet>& instruction_sets();

// The set named, or the best usable one where `name` is empty.
// Throws std::invalid_argument with the usable names where `name` is none of them.
const InstructionSet& choose(const std::string& name);

}  // namespace penstock
