"""JAX: lax.scan, compiled by XLA."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from penstock.bench.problem import Problem, Run


def _gru(x: Any, h_0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple[Any, Any]:
    def step(h: Any, inputs: Any) -> tuple[Any, Any]:
        r, z, n = jnp.split(inputs, 3, axis=-1)
        h_r, h_z, h_n = jnp.split(h @ w_hh + b_hh, 3, axis=-1)
        z = jax.nn.sigmoid(z + h_z)
        n = jnp.tanh(n + jax.nn.sigmoid(r + h_r) * h_n)
        h = n + z * (h - n)
        return h, h

    h_n, output = jax.lax.scan(step, h_0, x @ w_ih + b_ih, unroll=4)
    return output, h_n


def _inputs(problem: Problem) -> Any:
    """Weights are (D, 3H) and (H, 3H), as JAX's libraries keep them: the others make it up to four times slower."""
    w_ih, w_hh, b_ih, b_hh = problem.weights
    return jax.device_put((problem.x, problem.h_0, w_ih.T.copy(), w_hh.T.copy(), b_ih, b_hh))


def inference(problem: Problem) -> Run:
    """The scan under ``jax.jit``, its weights constants."""
    x, h_0, *weights = _inputs(problem)
    call = jax.jit(lambda x, h_0: _gru(x, h_0, *weights))
    return lambda: jax.block_until_ready(call(x, h_0))


def training(problem: Problem) -> Run:
    """The scan and its vector-Jacobian product under one ``jax.jit``."""

    def forward_and_backward(inputs: Any, grads: Any) -> Any:
        results, gradients_of = jax.vjp(_gru, *inputs)
        return *results, *gradients_of(grads)

    call = jax.jit(forward_and_backward)
    inputs, grads = _inputs(problem), jax.device_put((problem.grad_output, problem.grad_h_n))

    def run() -> list[Any]:
        output, h_n, x, h_0, w_ih, w_hh, b_ih, b_hh = jax.block_until_ready(call(inputs, grads))
        return [output, h_n, x, h_0, np.asarray(w_ih).T, np.asarray(w_hh).T, b_ih, b_hh]

    return run
