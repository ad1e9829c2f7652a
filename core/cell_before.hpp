// reset="before": Cho et al. 2014, the textbook's form. Two products of the state one after the other, as the
// candidate's waits for the reset gate. With g the gradient of the new h, and da_• those of the pre-activations:
//
//     n = tanh(W_in x + b_in + W_hn (r ⊙ h) + b_hn)      dn = g ⊙ (1 − z)     da_n = dn ⊙ (1 − n²)
//     h ← z ⊙ h + (1 − z) ⊙ n                            dz = g ⊙ (h − n)     da_z = dz ⊙ z ⊙ (1 − z)
//                                                        p = da_n · W_hn      da_r = p ⊙ h ⊙ r ⊙ (1 − r)
//                                                        dh = g ⊙ z + p ⊙ r + [da_r da_z] · W_h
#pragma once

#include "cell.hpp"

namespace penstock {
namespace {

template <class T>
struct CellBefore {
    static constexpr int slots = 3;
    static constexpr Phase phases[] = {{slot_r, 2, {gate_r, gate_z}}, {slot_n, 1, {gate_n}}};
    static constexpr int sections = 3;  // da_r, da_z; da_n
    static constexpr int input_section[] = {0, 1, 2};

    template <int phase, class Unit>
    static void forward(const Unit& unit) {
        if constexpr (phase == 0) {
            const Vec<T> r = sigmoid<T>(unit.pre(slot_r));
            unit.hand_on(r * unit.h());
            unit.keep(r, unit.to.reset);
        } else {
            const Vec<T> z = sigmoid<T>(unit.pre(slot_z)), n = tanh<T>(unit.pre(slot_n));
            unit.becomes(mixed<T>(z, unit.h(), n));
            unit.keep(z, unit.to.update);
            unit.keep(n, unit.to.candidate);
        }
    }

    template <int phase, class Unit>
    static void backward(const Unit& unit) {
        if constexpr (phase == 1) {
            const Vec<T> z = unit.get(unit.gates.update), n = unit.get(unit.gates.candidate), g = unit.grad_h();
            const Vec<T> dn = fma(g, broadcast(T(1)) - z, unit.get(unit.grad_gates.candidate));
            const Vec<T> dz = fma(g, unit.h() - n, unit.get(unit.grad_gates.update));
            unit.leave(2, dn * tanh_slope<T>(n));
            unit.leave(1, dz * sigmoid_slope<T>(z));
            unit.pass(g * z);
        } else {
            const Vec<T> r = unit.get(unit.gates.reset), p = unit.grad_operand();
            const Vec<T> dr = fma(p, unit.h(), unit.get(unit.grad_gates.reset));
            unit.leave(0, dr * sigmoid_slope<T>(r));
            unit.pass(fma(p, r, unit.passed()));
        }
    }

    // What the product of phase 1 read: its part of the weights' gradient needs it again.
    static Vec<T> operand(Vec<T> r, Vec<T> h) { return r * h; }
};

}  // namespace
}  // namespace penstock
