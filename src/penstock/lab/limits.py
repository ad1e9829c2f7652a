"""The three limits of the equations: r → 0 is a layer of the input alone, z = 0, r = 1 the plain RNN, z = 1 a memory.

Nothing is trained: random weights, a state that is not zero, and gates that are forced.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from penstock import equations
from penstock.lab.claim import Claim, Effort, Measured, Words
from penstock.lab.gates_taken_away import force
from penstock.nn import GRU

D, H, N, L = 5, 16, 3, 50
FORMS = ("before", "after")
LONG = 10_000
ROUNDING = 1e-12
"""Some thousand roundings of float64."""


def run(effort: Effort) -> list[Claim]:
    """The three claims, of both forms of the reset gate."""
    seeds = range(effort.seeds)
    return [hiding(seeds), plain_rnn(seeds), keeping(seeds)]


def hiding(seeds: Iterable[int]) -> Claim:
    """With r = 0 the candidate hears nothing of the past."""
    oracle, core = [], []
    for seed in seeds:
        for form in FORMS:
            gru, x, h_0 = drawn(seed, form, torch.float64, reset=False)
            w = equations.by_gate(*(weight.detach().numpy() for weight in gru.parameters()))
            n = equations.gru(x.numpy(), h_0[0].numpy(), w, reset=form).candidate
            # after the product, r takes the recurrent bias away too
            layer = np.tanh(x.numpy() @ w.W_in.T + w.b_in + (w.b_hn if form == "before" else 0))
            oracle.append(float(np.abs(n - layer).max()))

            gru, x, h_0 = drawn(seed, form, torch.float32, reset=False)
            with_past = gru(x, h_0, return_gates=True)[2].candidate[0]
            without = gru(x.view(1, L * N, D), return_gates=True)[2].candidate.view(L, N, H)
            core.append(largest(with_past - without))
    return Claim(
        "hidden",
        Words("r → 0: a layer of the input", "r → 0：只看输入的一层"),
        Words(
            "With the reset gate at 0, the candidate is a one-layer MLP of the input alone.",
            "重置门为 0 时，候选隐状态就是只看当前输入的单层感知机。",
        ),
        Words(
            "Random weights, inputs and initial states; the reset gate forced to 0. Once by the equations beside the "
            "layer written out, once by the compiled core with a past and without one.",
            "随机的权重、输入和初始状态，重置门强制为 0：一次用方程与写出的单层感知机比较，一次用编译内核比较有过去与"
            "没有过去。",
        ),
        {
            Words("equations: from tanh(W x + b), float64", "方程：与 tanh(W x + b) 之差，float64"): Measured(
                (max(oracle),)
            ),
            Words(
                "compiled core: with a past from without one, float32", "编译内核：有过去与没有过去之差，float32"
            ): Measured((max(core),)),
        },
        Words("no difference to the last bit, in both forms", "两种形式均逐位相等"),
        max(oracle) == max(core) == 0,
    )


def plain_rnn(seeds: Iterable[int]) -> Claim:
    """With z = 0 and r = 1 the GRU is ``torch.nn.RNN``, forward and backward."""
    forward, backward = [], []
    for seed in seeds:
        for form in FORMS:
            gru, x, h_0 = drawn(seed, form, torch.float64, update=False, reset=True)
            rnn = nn.RNN(D, H, dtype=torch.float64)
            rnn.load_state_dict({name: weight[2 * H :] for name, weight in gru.named_parameters()})
            found = [[*gradients(module, x, h_0)] for module in (gru, rnn)]
            of_gru, of_rnn = ([value[-H:] if k > 2 else value for k, value in enumerate(some)] for some in found)
            differences = [relative(*pair) for pair in zip(of_gru, of_rnn, strict=True)]
            forward.append(differences[0])
            backward.append(max(differences[1:]))
    return Claim(
        "plain-rnn",
        Words("z = 0, r = 1: the plain RNN", "z = 0，r = 1：普通循环神经网络"),
        Words(
            "With the update gate at 0 and the reset gate at 1, the GRU is the plain RNN.",
            "更新门为 0、重置门为 1 时，GRU 就是普通循环神经网络。",
        ),
        Words(
            "Random weights, inputs and initial states; both gates forced; beside torch.nn.RNN with the candidate's "
            "weights: outputs, and the gradients of the inputs, the initial state and every weight.",
            "随机的权重、输入和初始状态，两个门均强制；与使用候选隐状态权重的 torch.nn.RNN 比较输出，以及对输入、初始"
            "状态和每个权重的梯度。",
        ),
        {
            Words("outputs from torch.nn.RNN's, float64", "输出与 torch.nn.RNN 之差，float64"): Measured(
                (max(forward),), ".1e"
            ),
            Words("gradients from torch.nn.RNN's, float64", "梯度与 torch.nn.RNN 之差，float64"): Measured(
                (max(backward),), ".1e"
            ),
        },
        Words(
            f"rounding only: relative differences below {ROUNDING:g}, in both forms",
            f"仅有舍入误差：两种形式的相对差均小于 {ROUNDING:g}",
        ),
        max(*forward, *backward) < ROUNDING,
    )


def keeping(seeds: Iterable[int]) -> Claim:
    """With z = 1 the state stays what it was, whatever comes."""
    state, gradient = [], []
    for seed in seeds:
        for form in FORMS:
            gru, x, h_0 = drawn(seed, form, torch.float32, steps=LONG, update=True)
            output, h_n = gru(x, h_0.requires_grad_())
            state.append(largest(output - h_0))
            (carried,) = torch.autograd.grad(h_n.sum(), h_0)
            gradient.append(largest(carried - 1))
    return Claim(
        "kept",
        Words("z = 1: the state unchanged", "z = 1：隐状态不变"),
        Words(
            f"With the update gate at 1, the state is carried on unchanged, here over {LONG:,} steps.",
            f"更新门为 1 时，隐状态原样保留，此处经过 {LONG:,} 步。",
        ),
        Words(
            "Random weights, inputs and initial states; the update gate forced to 1; the compiled core in float32.",
            "随机的权重、输入和初始状态，更新门强制为 1；编译内核，float32。",
        ),
        {
            Words(
                f"state after 1 … {LONG:,} steps from the initial one", f"1 … {LONG:,} 步后的状态与初始状态之差"
            ): Measured((max(state),)),
            Words("gradient that reaches the initial state from 1", "到达初始状态的梯度与 1 之差"): Measured(
                (max(gradient),)
            ),
        },
        Words("no difference to the last bit, in both forms", "两种形式均逐位相等"),
        max(state) == max(gradient) == 0,
    )


def drawn(seed: int, form: str, dtype: torch.dtype, *, steps: int = L, **forced: bool) -> tuple[GRU, Tensor, Tensor]:
    """A GRU with forced gates, x (L, N, D) and h_0 (1, N, H), none of them zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gru = force(GRU(D, H, reset=form, dtype=dtype), **forced)
        return gru, torch.randn(steps, N, D, dtype=dtype), torch.randn(1, N, H, dtype=dtype)


def gradients(module: nn.Module, x: Tensor, h_0: Tensor) -> Iterable[Tensor]:
    """The outputs, then the gradients of their squares by x, h_0 and every weight."""
    inputs = [x.clone().requires_grad_(), h_0.clone().requires_grad_()]
    output = module(*inputs)[0]
    yield output
    yield from torch.autograd.grad(output.square().sum(), [*inputs, *module.parameters()])


def largest(difference: Tensor) -> float:
    """The largest absolute value."""
    return float(difference.detach().abs().max())


def relative(value: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return largest(value - expected) / largest(expected)
