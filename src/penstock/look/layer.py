"""One layer over one sequence: what each unit did at each step, and what can be read off it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock import equations, native
from penstock.look import memory
from penstock.look.attention import attention
from penstock.model_folder import StackConfig, Weights
from penstock.model_folder.quantized import expect_float

Floats = NDArray[np.floating[Any]]
Form = Literal["before", "after"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Layer:
    """One layer in one direction over one sequence. Letters: L steps, D input features, H hidden units.

    Steps are in the order of the sequence, also where ``reverse`` read it from its end.
    """

    name: str
    form: Form
    """Of the reset gate; see ``penstock.equations``."""
    reverse: bool
    x: Floats  # (L, D), what it read
    h_0: Floats  # (H,)
    reset: Floats  # r, (L, H)
    update: Floats  # z, (L, H)
    candidate: Floats  # n, (L, H)
    hidden: Floats  # h, (L, H)
    weight_ih: Floats  # (3H, D), rows r, z, n
    weight_hh: Floats  # (3H, H)
    bias_ih: Floats  # (3H,)
    bias_hh: Floats  # (3H,)
    resets: NDArray[np.bool_]  # (L,), step t starts an episode

    def __repr__(self) -> str:
        L, H = self.update.shape
        way = ", read from the end" * self.reverse
        return f"<Layer {self.name}: {L:,} steps, {H:,} units, reset={self.form!r}{way}>"

    @property
    def write_strength(self) -> Floats:
        """1 − z, (L, H): how much of the new state is the candidate."""
        return 1 - self.update

    @property
    def read_strength(self) -> Floats:
        """r, (L, H): how much of the past the candidate could see."""
        return self.reset

    def attention(self, units: Any = None, *, each: bool = False, window: int | None = None) -> Floats:
        """Where each state was written, (L, L + 1) or with ``each`` (L, L + 1, units); see ``penstock.attention``."""
        weights: Floats = attention(
            self.update, units=units, each=each, window=window, resets=self.resets, reverse=self.reverse
        )
        return weights

    def half_life(self) -> Floats:
        """(H,); see ``penstock.look.memory.half_life``."""
        return memory.half_life(self._carried())

    def older_than(self, steps: int) -> Floats:
        """(L, H); see ``penstock.look.memory.older_than``."""
        share = memory.older_than(self._carried(), steps)
        return share[::-1] if self.reverse else share

    def held(self, start: int, stop: int) -> Floats:
        """Of each unit's state at step ``start`` the share that is still there at ``stop``, (H,); of a reverse layer,
        which reads ``stop`` first, the share of that at ``stop`` in that at ``start``.

        Raises:
            ValueError: not 0 ≤ start ≤ stop < L.
        """
        if self.reverse:
            start, stop = len(self.update) - 1 - stop, len(self.update) - 1 - start
        return memory.held(self._carried(), start, stop)

    def before(self) -> Floats:
        """The state that each step started from, (L, H): zero where an episode starts."""
        if self.reverse:
            states = np.concatenate([self.hidden[1:], self.h_0[None]])[: len(self.hidden)]
        else:
            states = np.concatenate([self.h_0[None], self.hidden[:-1]])[: len(self.hidden)]
        return np.where(self.entered()[:, None], 0, states)

    def entered(self) -> NDArray[np.bool_]:
        """(L,): the steps that start from a cleared state. Read in reverse, an episode is entered at its last step."""
        return np.append(self.resets[1:], False)[: len(self.resets)] if self.reverse else self.resets

    def between(self, start: int, stop: int) -> Layer:
        """The same layer from step ``start`` up to ``stop``, its state there as the initial one."""
        cut = {name: getattr(self, name)[start:stop] for name in (*SEQUENCES, "resets")}
        if self.reverse:
            h_0 = self.hidden[stop] if stop < len(self.hidden) else self.h_0
        else:
            h_0 = self.hidden[start - 1] if start else self.h_0
        return dataclasses.replace(self, h_0=h_0, **cut)

    def _carried(self) -> Floats:
        """z in the order of reading, 0 where a state was cleared: nothing is carried there."""
        carried: Floats = np.where(self.entered()[:, None], np.zeros_like(self.update[:1]), self.update)
        return carried[::-1] if self.reverse else carried


SEQUENCES = ("x", "reset", "update", "candidate", "hidden")
"""The fields with a row a step."""


def run(
    name: str,
    x: Floats,
    h_0: Floats,
    weights: tuple[Floats, Floats, Floats | None, Floats | None],
    form: Form,
    *,
    reverse: bool = False,
    resets: NDArray[np.bool_] | None = None,
) -> Layer:
    """Runs a layer of these weights over x (L, D) from h_0 (H,): in float64 if they are, else in float32."""
    dtype = np.dtype(np.float64 if weights[0].dtype == np.float64 else np.float32)
    none = np.zeros(len(weights[0]))
    stacked = [np.ascontiguousarray(none if value is None else value, dtype) for value in weights]
    x, h_0 = np.ascontiguousarray(x, dtype), np.ascontiguousarray(h_0, dtype)
    resets = np.zeros(len(x), bool) if resets is None else resets
    options: dict[str, Any] = {"resets": resets[:, None], "reverse": reverse}
    gates: Any
    if native.unavailable is None:
        precision: Any = dtype.name
        compiled = native.RecurrentLayer(*stacked, reset=form, precision=precision)
        hidden, _, gates = compiled(x[:, None], h_0[None], return_gates=True, **options)
    else:
        gates = equations.gru(x[:, None], h_0[None], equations.by_gate(*stacked), reset=form, **options)
        hidden = gates.hidden
    return Layer(
        name,
        form,
        reverse,
        x,
        h_0,
        reset=gates.reset[:, 0],
        update=gates.update[:, 0],
        candidate=gates.candidate[:, 0],
        hidden=hidden[:, 0],
        weight_ih=stacked[0],
        weight_hh=stacked[1],
        bias_ih=stacked[2],
        bias_hh=stacked[3],
        resets=resets,
    )


def input_gradients(layers: Sequence[Layer], of_top: Floats, residual: bool) -> Floats:
    """What ``of_top`` (L, H), a derivative by what the layers put out, is by the first one's inputs, (L, D)."""
    of_layer = of_top
    for k in reversed(range(len(layers))):
        of_input = input_gradient(layers[k], of_layer)
        # what a layer reads is the output of the one below, or the sum of all below
        of_top = of_top + of_input if residual and k else of_input
        of_layer = of_top
    return of_layer


def input_gradient(layer: Layer, of_hidden: Floats) -> Floats:
    """What ``of_hidden`` (L, H), a derivative by each of the layer's states, is by its inputs x, (L, D).

    Backpropagation through time (Werbos 1990), by the gates that the trace kept.
    """
    r, z, n, h = layer.reset, layer.update, layer.candidate, layer.before()
    W_hr, W_hz, W_hn = np.split(layer.weight_hh, 3)
    of_products, carried = np.empty((len(z), 3 * z.shape[1]), z.dtype), np.zeros_like(layer.h_0)
    inside = h @ W_hn.T + layer.bias_hh[-len(W_hn) :]
    entered = layer.entered()
    for t in range(len(z)) if layer.reverse else reversed(range(len(z))):
        d = of_hidden[t] + carried
        d_n = d * (1 - z[t]) * (1 - n[t] ** 2)
        d_z = d * (h[t] - n[t]) * z[t] * (1 - z[t])
        if layer.form == "before":
            d_past = W_hn.T @ d_n
            d_r, through = d_past * h[t], d_past * r[t]
        else:
            d_r, through = d_n * inside[t], W_hn.T @ (d_n * r[t])
        d_r = d_r * r[t] * (1 - r[t])
        of_products[t] = np.concatenate([d_r, d_z, d_n])
        carried = 0 * d if entered[t] else d * z[t] + through + W_hr.T @ d_r + W_hz.T @ d_z
    return of_products @ layer.weight_ih


def run_stack(
    x: Floats,
    weights: Weights,
    stack: StackConfig,
    state: Floats | None = None,
    resets: NDArray[np.bool_] | None = None,
) -> tuple[Layer, ...]:
    """The layers of a stack over x (L, D), from a state (K, H), or from one of zeros. PenstockError: it is in w8a16."""
    expect_float(weights, "look")
    layers: list[Layer] = []
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    for k in range(stack.num_layers):
        of_layer: Any = tuple(weights[f"layers.{k}.{name}_l0"] for name in names)
        h_0 = np.zeros(stack.hidden_size, np.float32) if state is None else state[k]
        layers.append(run(f"layers.{k}", x, h_0, of_layer, stack.reset, resets=resets))
        x = x + layers[-1].hidden if k and stack.residual else layers[-1].hidden
    return tuple(layers)
