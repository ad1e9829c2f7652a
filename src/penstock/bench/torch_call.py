"""What the contestants that are torch modules share."""

from __future__ import annotations

from typing import Any

import torch

from penstock.bench.problem import Problem, Run


def forward_and_backward(problem: Problem, module: Any, call: Any) -> Run:
    """A call ``(x, h_0) -> (output, h_n, gates…)`` of a torch module and its gradients.

    The module's parameters, named as in ``torch.nn.GRU``, become those of the problem.
    """
    torch.set_num_threads(problem.threads)
    load(problem, module)
    x, h_0 = (torch.tensor(a, requires_grad=True) for a in (problem.x, problem.h_0))
    leaves = [x, h_0, *module.parameters()]
    grads = [torch.tensor(problem.grad_output), torch.tensor(problem.grad_h_n)]

    def run() -> list[Any]:
        output, h_n, *gates = call(x, h_0)
        h_n = h_n.reshape(h_0.shape)
        gradients = torch.autograd.grad((output, h_n), leaves, grads)
        return [t.detach() for t in (output, h_n, *gradients, *(gate[0] for gate in (gates[0] if gates else ())))]

    return run


def load(problem: Problem, module: Any) -> None:
    """Copies the problem's weights into a torch module."""
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), problem.weights, strict=True):
            parameter.copy_(torch.from_numpy(array))
