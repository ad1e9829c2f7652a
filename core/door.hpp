// What stands behind penstock.h in several files: the packed things themselves, and how a call is guarded and checked.
#pragma once

#include <initializer_list>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "arrays.hpp"
#include "dispatch.hpp"
#include "team.hpp"

namespace penstock {

struct Free {
    void operator()(void* memory) const { release(memory); }
};
using Memory = std::unique_ptr<void, Free>;

// 64-byte aligned; throws std::bad_alloc.
Memory aligned(size_t bytes);

// Keeps the words for penstock_message.
penstock_status refused(penstock_status status, std::string words) noexcept;

// Runs a call; whatever it throws becomes a status and a message.
template <class Call>
penstock_status guarded(Call call) noexcept {
    try {
        call();
        return PENSTOCK_OK;
    } catch (Refusal& refusal) {
        return refused(refusal.status, std::move(refusal.message));
    } catch (const std::bad_alloc&) {
    } catch (const std::exception& error) {
        return refused(PENSTOCK_NO_MEMORY, error.what());
    }
    try {
        return refused(PENSTOCK_NO_MEMORY, "not enough memory for this call");
    } catch (...) {
        return PENSTOCK_NO_MEMORY;
    }
}

// The set, or the best one; refused where it cannot run here.
const InstructionSet& usable(const penstock_set* set);

// How many threads share so many multiply-adds.
int threads_for(double multiply_adds, int threads);

// An array that is read where it lies, or written: of these axes and this type, without gaps.
void expect_plain(const char* name, const penstock_array& array, std::initializer_list<Axis> axes, int32_t dtype,
                  const char* as = nullptr);

// What is written may not stand where anything else is read or written.
void expect_own_places(std::initializer_list<Extent> written, std::initializer_list<Extent> read);

template <class T>
T* data(const penstock_array& array) {
    return static_cast<T*>(array.data);
}

constexpr const char* as_weights = "the weights are";

}  // namespace penstock

struct penstock_packed {
    const penstock::InstructionSet& set;
    penstock::Shape shape;
    penstock::Precision precision;
    penstock::Memory memory;
};

struct penstock_output {
    const penstock::InstructionSet& set;
    penstock::OutputShape shape;
    penstock::Memory memory;
};
