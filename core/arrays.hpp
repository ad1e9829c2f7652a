// The checks of a call's arrays: every one is refused, or is what the kernels will take it for. A refusal says the
// argument, what was expected and what came, as the Python face says it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "penstock.h"

namespace penstock {

struct Refusal {
    penstock_status status;
    std::string message;
};

// An axis as it was expected: its letter, and its size, or −1 for any.
struct Axis {
    const char* letter;
    int64_t size;
};

inline bool given(const penstock_array& array) { return array.ndim != 0 || array.data != nullptr; }

size_t size_of(int32_t dtype);
const char* name_of(int32_t dtype);

// Throws a Refusal unless the array has these axes.
void expect_shape(const char* name, const penstock_array& array, std::initializer_list<Axis> axes);

// … this type; `as` says whose it is.
void expect_dtype(const char* name, const penstock_array& array, int32_t dtype, const char* as = nullptr);

// … its data where its type may stand, and all of its elements within what can be addressed.
void expect_addressable(const char* name, const penstock_array& array);

// … no gaps and no strides of its own: rows one after the other; or this on its last axis alone.
void expect_contiguous(const char* name, const penstock_array& array);
void expect_last_contiguous(const char* name, const penstock_array& array);

// … no two elements in one place.
void expect_apart(const char* name, const penstock_array& array);

// The bytes from an array's first to its last: [first, last), empty where it has no elements.
struct Extent {
    const char* name;
    uintptr_t first, last;
};
Extent extent_of(const char* name, const penstock_array& array);

[[noreturn]] void refuse(penstock_status status, std::string message);

}  // namespace penstock
