// reset="after": what cuDNN and torch.nn.GRU compute. One product of the state, whose part of the candidate, u, the
// reset gate multiplies. With g the gradient of the new h, and da_• those of the pre-activations:
//
//     n = tanh(W_in x + b_in + r ⊙ u)      dn = g ⊙ (1 − z)     da_n = dn ⊙ (1 − n²)
//     u = W_hn h + b_hn                    dz = g ⊙ (h − n)     da_z = dz ⊙ z ⊙ (1 − z)
//     h ← z ⊙ h + (1 − z) ⊙ n              dr = da_n ⊙ u        da_r = dr ⊙ r ⊙ (1 − r)
//                                          du = da_n ⊙ r        dh = g ⊙ z + [da_r da_z du] · W_h
#pragma once

#include "cell.hpp"

namespace penstock {
namespace {

template <class T>
struct CellAfter {
    static constexpr int slots = 4;
    static constexpr Phase phases[] = {{slot_r, 3, {gate_r, gate_z, gate_n}}};  // n's to slot_u
    // Sections of a row of gradients: da_r, da_z, du; da_n. Which is a gate's on the side of x:
    static constexpr int sections = 4;
    static constexpr int input_section[] = {0, 1, 3};

    template <int phase, class Unit>
    static void forward(const Unit& unit) {
        const Vec<T> r = sigmoid<T>(unit.pre(slot_r)), z = sigmoid<T>(unit.pre(slot_z)), u = unit.pre(slot_u);
        const Vec<T> n = tanh<T>(fma(r, u, unit.pre(slot_n)));
        unit.becomes(mixed<T>(z, unit.h(), n));
        unit.keep(r, unit.to.reset);
        unit.keep(z, unit.to.update);
        unit.keep(n, unit.to.candidate);
        unit.keep(u, unit.to.recurrent);
    }

    template <int phase, class Unit>
    static void backward(const Unit& unit) {
        const Vec<T> r = unit.get(unit.gates.reset), z = unit.get(unit.gates.update);
        const Vec<T> n = unit.get(unit.gates.candidate);
        const Vec<T> g = unit.grad_h();
        const Vec<T> dn = fma(g, broadcast(T(1)) - z, unit.get(unit.grad_gates.candidate));
        const Vec<T> dz = fma(g, unit.h() - n, unit.get(unit.grad_gates.update));
        const Vec<T> da_n = dn * tanh_slope<T>(n);
        const Vec<T> dr = fma(da_n, unit.get(unit.gates.recurrent), unit.get(unit.grad_gates.reset));
        unit.leave(0, dr * sigmoid_slope<T>(r));
        unit.leave(1, dz * sigmoid_slope<T>(z));
        unit.leave(2, da_n * r);
        unit.leave(3, da_n);
        unit.pass(g * z);
    }
};

}  // namespace
}  // namespace penstock
