"""Penstock as a contestant: from NumPy, through torch, and its core alone."""

from __future__ import annotations

import functools
from typing import Any, cast

import numpy as np

from penstock import native
from penstock.bench.problem import Array, Problem, Run
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.native import core
from penstock.native.layer import Precision
from penstock.runtime import Model
from penstock.text import CharVocabulary

FEW_TOKENS = 65
"""As many as a small text has characters."""


def inference(problem: Problem) -> Run:
    """A layer with packed weights on NumPy arrays."""
    layer = native.RecurrentLayer(
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
    options: dict[str, Any] = {"return_gates": True} if variant.gates else {}
    for name in ("lengths", "resets"):
        array = getattr(problem, name)
        if array is not None:
            options[name] = torch.as_tensor(array)
    call = functools.partial(module, **options) if options else module
    return forward_and_backward(problem, module, call, problem.h_0[None])


def module(problem: Problem) -> Run:
    """``penstock.GRU`` under ``torch.no_grad``."""
    import penstock
    from penstock.bench.torch_call import forward

    return forward(problem, penstock.GRU(problem.shape.D, problem.shape.H, reset="after"))


def packed_module(problem: Problem) -> Run:
    """The same inside ``penstock.packed``."""
    import penstock
    from penstock.bench.torch_call import forward

    module: Any = penstock.GRU(problem.shape.D, problem.shape.H, reset="after")
    run = forward(problem, module)
    module.inside = penstock.packed(module)  # for as long as the module lives
    module.inside.__enter__()
    return run


def cells_in_a_loop(problem: Problem) -> Run:
    """``penstock.GRUCell``, forward and backward."""
    import penstock
    from penstock.bench.torch_call import cells

    return cells(problem, penstock.GRUCell(problem.shape.D, problem.shape.H, reset="after"))


def layer_step(problem: Problem) -> Run:
    """One step of a layer with packed weights, of a row as it comes, without a batch."""
    layer = native.RecurrentLayer(*problem.weights, reset=problem.variant.reset)
    x, h_0 = problem.x[0, 0], problem.h_0[0]

    def run() -> list[Any]:
        after = layer.step(x, h_0)
        return [after, after]

    return run


def core_step(problem: Problem) -> Run:
    """The core's own call for that step, with memory for the result at hand."""
    packed = core.chosen().pack(problem.variant.reset == "after", 0, *problem.weights)
    x, h_0, after = problem.x[0], problem.h_0, np.empty_like(problem.h_0)

    def run() -> list[Any]:
        packed.step(x, h_0, after, problem.threads)
        return [after, after]

    return run


def core_step_and_output(problem: Problem) -> Run:
    """The same, and the core's own call of an output layer and its softmax: what no step of a model does without."""
    packed = core.chosen().pack(problem.variant.reset == "after", 0, *problem.weights)
    packed_output = core.chosen().pack_output(*output_layer(problem.shape.H))
    x, h_0, after = problem.x[0], problem.h_0, np.empty_like(problem.h_0)
    token, nats = np.zeros(1, np.int64), np.empty(1)

    def run() -> list[Any]:
        packed.step(x, h_0, after, problem.threads)
        packed_output.score(after, token, nats, problem.threads)
        return [after, after]

    return run


def stream_step(problem: Problem) -> Run:
    """A step of a stream of a language model with that layer, from the problem's state."""
    stream, state = model(problem).stream(), problem.h_0[:, None]
    tokens, after = np.zeros(1, np.int64), problem.h_0
    step = stream.step

    def run() -> list[Any]:
        step(tokens)
        return [after, after]

    stream.state = state
    step(tokens)
    after = stream.state[:, 0]
    return run


def model(problem: Problem, V: int = FEW_TOKENS) -> Model:
    """A language model of so many characters with the problem's layer, which reads the problem's x at token 0."""
    vocabulary = CharVocabulary(map(chr, range(ord("a"), ord("a") + V - 1)))
    D, H = problem.shape.D, problem.shape.H
    embedding = np.random.default_rng(0).standard_normal((V, D), np.float32)
    embedding[0] = problem.x[0, 0]
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = {f"layers.0.{name}_l0": value for name, value in zip(names, problem.weights, strict=True)}
    weight, bias = output_layer(H, V)
    weights |= {"embedding.weight": embedding, "output.weight": weight, "output.bias": bias}
    return Model(LanguageConfig(V, StackConfig(D, H, reset="after")), vocabulary, weights)


def output_layer(H: int, V: int = FEW_TOKENS) -> tuple[Array, Array]:
    """Of a language model of so many tokens: (V, H) and (V,)."""
    rng = np.random.default_rng(1)
    return (rng.uniform(-1, 1, (V, H)) * H**-0.5).astype(np.float32), np.zeros(V, np.float32)
