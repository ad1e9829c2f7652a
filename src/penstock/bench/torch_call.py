"""What the contestants that are torch modules share: a call as a user writes it, and nothing else in what is timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from penstock.bench.problem import Array, Problem, Run


def forward(problem: Problem, module: Any, mode: Callable[[], Any] = torch.no_grad) -> Run:
    """A call of a module like ``torch.nn.GRU``, without gradients."""
    torch.set_num_threads(problem.threads)
    load(problem, module)
    x, h_0 = torch.tensor(problem.x), torch.tensor(problem.h_0[None])

    def run() -> Any:
        with mode():
            return module(x, h_0)

    return run


def forward_and_backward(problem: Problem, module: Any, call: Any, h_0: Array) -> Run:
    """A call ``(x, h_0) -> (output, h_n, gates…)`` of a torch module and its gradients.

    The module's parameters, named as in ``torch.nn.GRU``, become those of the problem. ``h_0`` has the shape that the
    call takes, (N, H) or (1, N, H).
    """
    torch.set_num_threads(problem.threads)
    load(problem, module)
    leaves = [torch.tensor(a, requires_grad=True) for a in (problem.x, h_0)]
    x, h = leaves
    leaves += module.parameters()
    grads = [torch.tensor(a) for a in (problem.grad_output, problem.grad_h_n.reshape(h_0.shape))]

    def run() -> list[Any]:
        output, h_n, *gates = call(x, h)
        gradients = torch.autograd.grad((output, h_n), leaves, grads)
        return [output, h_n, *gradients, *(gates[0] if gates else ())]

    return run


def cells(problem: Problem, cell: Any) -> Run:
    """A cell like ``torch.nn.GRUCell`` in a loop over the steps, and its gradients."""

    def call(x: Any, h: Any) -> tuple[Any, Any]:
        states = []
        for x_t in x:
            h = cell(x_t, h)
            states.append(h)
        return torch.stack(states), h

    return forward_and_backward(problem, cell, call, problem.h_0)


def load(problem: Problem, module: Any) -> None:
    """Copies the problem's weights into a torch module."""
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), problem.weights, strict=True):
            parameter.copy_(torch.from_numpy(array))
