"""Penstock as a contestant: inference called from NumPy, training through torch."""

from __future__ import annotations

from typing import Any, cast

from penstock import native
from penstock.bench.problem import Problem, Run
from penstock.native.layer import Precision


def inference(problem: Problem) -> Run:
    """A layer with packed weights on NumPy arrays."""
    layer = native.Layer(
        *problem.weights, reset=problem.variant.reset, precision=cast(Precision, problem.variant.precision)
    )

    def run() -> list[Any]:
        output, h_n, *gates = layer(
            problem.x,
            problem.h_0,
            lengths=problem.lengths,
            resets=problem.resets,
            return_gates=problem.variant.gates,
            threads=problem.threads,
        )
        return [output, h_n, *(gates[0] if gates else ())]

    return run


def training(problem: Problem) -> Run:
    """Forward and backward of ``penstock.GRU``."""
    import torch

    import penstock
    from penstock.bench.torch_call import forward_and_backward

    variant = problem.variant
    module = penstock.GRU(problem.shape.D, problem.shape.H, reset=variant.reset, recompute=variant.recompute)
    options: dict[str, Any] = {"return_gates": variant.gates}
    for name in ("lengths", "resets"):
        array = getattr(problem, name)
        if array is not None:
            options[name] = torch.as_tensor(array)
    return forward_and_backward(problem, module, lambda x, h_0: module(x, h_0[None], **options))
