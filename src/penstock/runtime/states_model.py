"""A bare GRU without torch: rows of numbers in, states out."""

import functools
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.model_folder.content import digest_of
from penstock.model_folder.states import StatesFiles, load_states_model
from penstock.runtime.layer import Floats, layer, network
from penstock.runtime.stream import Stream


class StatesRuntime:
    """A bare GRU to run. Letters: N batch, L steps, D input features, H hidden units, K layers × directions; float32.

    It never changes, may be used from many threads at once, and can be pickled and copied. A sequence's states are the
    same to the last bit whatever else is read beside it and however it is cut into calls.
    """

    def __init__(self, files: StatesFiles) -> None:
        self.config, self.weights = files.config, files.weights
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        self._layers = [
            [
                layer(*(self.weights[f"layers.{k}.{name}{end}"] for name in names), reset=self.config.stack.reset)
                for end in ends
            ]
            for k, ends in enumerate(self.config.names)
        ]
        self._directions = sum(map(len, self._layers))

    def __reduce__(self) -> tuple[type, tuple[StatesFiles]]:
        return type(self), (StatesFiles(self.config, self.weights),)

    @functools.cached_property
    def digest(self) -> str:
        """The same where the model is the same."""
        return digest_of(self.weights, self.config.ways)

    def initial_state(self, N: int = 1) -> Floats:
        """The state before a sequence, (K, N, H) of zeros."""
        return np.zeros((self._directions, N, self.config.stack.hidden_size), np.float32)

    def states(
        self, x: ArrayLike, state: ArrayLike | None = None, *, lengths: ArrayLike | None = None
    ) -> tuple[Floats, Floats]:
        """Reads whole sequences.

        Args:
            x: (L, N, D).
            state: (K, N, H), the one before, layer by layer, forward before reverse; None for zeros.
            lengths: (N,) integers in 0 … L: how many steps each sequence has; None for L.

        Returns:
            the top layer's state at each step, (L, N, H), of a layer that reads both ways (L, N, 2H), zero past a
            sequence's end; and the state after, (K, N, H).

        Raises:
            ValueError: a shape or a length cannot work.
        """
        rows = np.ascontiguousarray(x, np.float32)
        if rows.ndim != 3 or rows.shape[2] != self.config.stack.input_size:
            raise ValueError(f"x: expected (L, N, D={self.config.stack.input_size}), got {rows.shape}")
        L, N, _ = rows.shape
        before = self.initial_state(N) if state is None else np.ascontiguousarray(state, np.float32)
        if before.shape != self.initial_state(N).shape:
            raise ValueError(f"state: expected (K, N, H), {self.initial_state(N).shape}, got {before.shape}")
        steps = np.full(N, L) if lengths is None else np.asarray(lengths)
        if steps.shape != (N,) or steps.dtype.kind not in "iu" or ((steps < 0) | (steps > L)).any():
            raise ValueError(f"lengths: expected ({N},) integers in 0 … {L}, got {steps.tolist()!r:.60}")
        steps, after, k = steps.astype(np.int64), np.empty_like(before), 0
        turned = _turned(L, steps)
        for number, (runs, ends) in enumerate(zip(self._layers, self.config.names, strict=True)):
            given = []
            for run, end in zip(runs, ends, strict=True):
                back = end.endswith("_reverse")
                read = np.take_along_axis(rows, turned[..., None], 0) if back else rows
                output, after[k] = run(read, before[k], lengths=steps)
                given.append(np.take_along_axis(output, turned[..., None], 0) if back else output)
                k += 1
            top = given[0] if len(given) == 1 else np.concatenate(given, 2)
            rows = np.ascontiguousarray(rows + top if number and self.config.stack.residual else top)
        return rows, after

    def step(self, x: ArrayLike, state: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Reads one step.

        Args:
            x: (N, D).
            state: (K, N, H), the one before; None for zeros.

        Returns:
            what the top layer gives, (N, H), and the state after, (K, N, H).

        Raises:
            ValueError: a shape cannot work, or it reads backwards, which no step can.
        """
        if not self.config.forward_only:
            raise ValueError("step: this GRU reads backwards too, from a sequence's end: read whole ones by states()")
        output, after = self.states(np.asarray(x, np.float32)[None], state)
        return output[0], after

    def stream(self, n: int = 1) -> Stream:
        """n sequences that are read step by step: ``step`` takes (n, D) and gives the top layer's states (n, H).

        Raises:
            ValueError: it reads backwards, which no step can.
        """
        if not self.config.forward_only:
            raise ValueError("stream: this GRU reads backwards too, from a sequence's end: read whole ones by states()")
        layers = [run for (run,) in self._layers]
        return Stream(network(layers, residual=self.config.stack.residual), n, lambda: self.digest)


def load_states(folder: str | Path) -> StatesRuntime:
    """The bare GRU of a folder that ``penstock import`` made.

    Raises:
        PenstockError: it is no whole folder of one.
    """
    return StatesRuntime(load_states_model(Path(folder)))


def _turned(L: int, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """(L, N) the steps of each sequence from its last to its first; what follows its end stays where it is."""
    t = np.arange(L)[:, None]
    return np.where(t < lengths, lengths - 1 - t, t)
