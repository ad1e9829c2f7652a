"""torch.nn.GRU, and a loop in Python that torch.compile made fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from penstock.bench.problem import Problem, Run
from penstock.bench.torch_call import cells, forward, forward_and_backward, load


def _module(problem: Problem) -> Any:
    return torch.nn.GRU(problem.shape.D, problem.shape.H)


def inference(problem: Problem) -> Run:
    """``torch.nn.GRU``."""
    return forward(problem, _module(problem), torch.inference_mode)


def without_gradients(problem: Problem) -> Run:
    """``torch.nn.GRU`` under ``torch.no_grad``."""
    return forward(problem, _module(problem))


def training(problem: Problem) -> Run:
    """``torch.nn.GRU``, forward and backward."""
    module = _module(problem)
    return forward_and_backward(problem, module, module, problem.h_0[None])


def cells_in_a_loop(problem: Problem) -> Run:
    """``torch.nn.GRUCell``, forward and backward."""
    return cells(problem, torch.nn.GRUCell(problem.shape.D, problem.shape.H))


def _compiled(problem: Problem) -> tuple[Any, Any]:
    """A torch module to hold the weights, and the loop over the steps that torch.compile made of them.

    Up to 16 steps are one graph: all of them would take minutes to compile, one alone pays for each call.
    """
    torch.compiler.reset()
    L = problem.shape.L
    chunk = max(steps for steps in range(1, 17) if L % steps == 0)

    @torch.compile(fullgraph=True, dynamic=False)
    def some_steps(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
        outputs = []
        for inputs in torch.nn.functional.linear(x, w_ih, b_ih).unbind(0):
            r, z, n = inputs.chunk(3, -1)
            h_r, h_z, h_n = torch.nn.functional.linear(h, w_hh, b_hh).chunk(3, -1)
            z = torch.sigmoid(z + h_z)
            n = torch.tanh(n + torch.sigmoid(r + h_r) * h_n)
            h = n + z * (h - n)
            outputs.append(h)
        return torch.stack(outputs)

    module = _module(problem)
    weights = list(module.parameters())

    def call(x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        outputs = []
        for part in torch.split(x, chunk):
            outputs.append(some_steps(part, h, *weights))
            h = outputs[-1][-1]
        return torch.cat(outputs), h

    return module, call


def compiled_inference(problem: Problem) -> Run:
    """A loop in Python that ``torch.compile`` compiled."""
    torch.set_num_threads(problem.threads)
    module, call = _compiled(problem)
    load(problem, module)
    x, h_0 = torch.tensor(problem.x), torch.tensor(problem.h_0)

    def run() -> Any:
        with torch.no_grad():
            return call(x, h_0)

    return run


def compiled_training(problem: Problem) -> Run:
    """The same loop, forward and backward."""
    module, call = _compiled(problem)
    return forward_and_backward(problem, module, call, problem.h_0)
