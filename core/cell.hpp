// What the engine knows of a cell: where its gates stand in memory, which products of the state it needs and in which
// order. The algebra of one step is the cell's own, in a short file each (cell_before.hpp, cell_after.hpp); a variant
// of the unit is one more such file.
//
// The engine computes, for every step, rows of pre-activations. A row has some slots a hidden unit; the products of x
// and the biases are in them when the step begins. Then, phase by phase, the product of an operand (the state in the
// first phase; in a later one, what the cell made of it in the phase before) with the rows of W_hh of some gates is
// added to some slots, and `forward<phase>` follows on every vector of units. Backwards the phases come in reverse
// order: `backward<phase>` leaves gradients of pre-activations in sections, and their product with the same rows of
// W_hh is added to the gradient of the phase's operand.
#pragma once

#include "activations.hpp"

namespace penstock {
namespace {

enum Gate { gate_r, gate_z, gate_n };  // PyTorch's order of rows

// The product of a phase: with these gates' rows of W_hh, added to `count` slots from `slot` on. In gradients, a gate's
// section has the gate's number.
struct Phase {
    int slot, count;
    Gate gates[3];
};

// The products of x go to the first slots, in this order.
constexpr Gate gates_of_input[3] = {gate_n, gate_r, gate_z};
enum Slot { slot_n, slot_r, slot_z, slot_u };

constexpr int input_slot(int gate) { return gate == gate_n ? slot_n : gate + 1; }

// z ⊙ h + (1 − z) ⊙ n as it is written: z = 1 is h and z = 0 is n to the last bit, which n + z ⊙ (h − n) is not.
template <class T>
inline Vec<T> mixed(Vec<T> z, Vec<T> h, Vec<T> n) {
    return fma(z, h, (broadcast(T(1)) - z) * n);
}

// a ⊙ (1 − a), σ's derivative by its value; and 1 − a², tanh's.
template <class T>
inline Vec<T> sigmoid_slope(Vec<T> a) {
    return a * (broadcast(T(1)) - a);
}
template <class T>
inline Vec<T> tanh_slope(Vec<T> a) {
    return broadcast(T(1)) - a * a;
}

}  // namespace
}  // namespace penstock
