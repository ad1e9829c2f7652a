"""One problem that everyone solves: the same weights, input and gradients, and the answers in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock import equations
from penstock.bench.shapes import PLAIN, Kind, Shape, Variant

Array = NDArray[Any]
Run = Callable[[], Sequence[Any]]
"""One call. It returns output and h_n; then, in training, the gradients of x, h_0 and the weights; then gates if they
were asked for. Anything that ``numpy.asarray`` takes."""


NAMES = ("x", "h_0", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""Of what has a gradient, in the order of those that a ``Run`` returns."""


class Problem(NamedTuple):
    """What a call is given, in float32."""

    shape: Shape
    variant: Variant
    threads: int
    x: Array  # (L, N, D)
    h_0: Array  # (N, H); not zero, which would hide a wrong reset at the first step
    weights: tuple[Array, Array, Array, Array]  # (3H, D), (3H, H), (3H,), (3H,), rows r, z, n
    lengths: Array | None  # (N,)
    resets: Array | None  # (L, N) bool
    grad_output: Array  # (L, N, H)
    grad_h_n: Array  # (N, H)


def draw(shape: Shape, threads: int, variant: Variant = PLAIN) -> Problem:
    """A problem, the same on every call. Weights are as ``torch.nn.GRU`` draws them, U(−1/√H, 1/√H)."""
    N, L, D, H = shape
    rng = np.random.default_rng(0)
    lengths = resets = None
    if variant.lengths:
        # evenly spread around L, in a random order: as many real steps as the plain call has
        lengths = L + rng.permutation(np.round(np.linspace(1 - L, L - 1, N)) if N > 1 else np.zeros(1)).astype(np.int64)
        L = int(lengths.max())
    if variant.resets:
        resets = rng.random((L, N)) < 0.03

    def uniform(*size: int) -> Array:
        return rng.uniform(-(H**-0.5), H**-0.5, size).astype(np.float32)

    def normal(*size: int) -> Array:
        return rng.standard_normal(size, np.float32)

    return Problem(
        shape,
        variant,
        threads,
        x=normal(L, N, D),
        h_0=rng.uniform(-1, 1, (N, H)).astype(np.float32),
        weights=(uniform(3 * H, D), uniform(3 * H, H), uniform(3 * H), uniform(3 * H)),
        lengths=lengths,
        resets=resets,
        grad_output=normal(L, N, H),
        grad_h_n=normal(N, H),
    )


def answers(problem: Problem, kind: Kind) -> list[Array]:
    """What a ``Run`` must return, in float64.

    Values are those of ``penstock.equations``. Gradients are torch's own, through plain operations in float64.
    """
    x, h_0, *weights = (a.astype(np.float64) for a in (problem.x, problem.h_0, *problem.weights))
    variant = problem.variant
    steps = equations.gru(
        x,
        h_0,
        equations.by_gate(*weights),
        reset=variant.reset,
        lengths=problem.lengths,
        resets=problem.resets,
    )
    gradients = _gradients(problem) if kind == "training" else []
    gates = [steps.reset, steps.update, steps.candidate] if variant.gates else []
    return [steps.hidden, steps.h_n, *gradients, *gates]


def _gradients(problem: Problem) -> list[Array]:
    import torch

    from penstock.ops import Call, composite

    def tensor(array: Array | None) -> Any:
        return None if array is None else torch.as_tensor(array)

    leaves = [
        torch.as_tensor(a, dtype=torch.float64).requires_grad_() for a in (problem.x, problem.h_0, *problem.weights)
    ]
    given: dict[str, Any] = dict(zip(NAMES, leaves, strict=True))
    given |= {name: tensor(getattr(problem, name)) for name in ("lengths", "resets")}
    call = Call(**given, reset=problem.variant.reset)
    result = composite.run(call)
    grads = [torch.as_tensor(a, dtype=torch.float64) for a in (problem.grad_output, problem.grad_h_n)]
    return [g.numpy() for g in torch.autograd.grad((result.output, result.h_n), leaves, grads)]
