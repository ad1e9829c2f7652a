"""The network of a model that forecasts, without torch: windows in, quantiles out."""

import numpy as np
from numpy.typing import NDArray

from penstock.model_folder.forecast import ForecastFiles
from penstock.runtime.layer import Floats, output_layer, stack_layers
from penstock.series.lookback import Numbers


class ForecastNetwork:
    """See ``ForecastConfig`` for the letters; M windows, I numbers of each. It never changes.

    A window's quantiles are the same to the last bit whatever else is read with it.
    """

    def __init__(self, files: ForecastFiles) -> None:
        self.config, weights = files.config, files.weights
        self._layers = stack_layers(weights, files.config.stack)
        self._patch, self._output, self._direct = (
            output_layer(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in ("patch", "output", "direct")
        )
        self._around, self._ahead, self._effect = (
            output_layer(weight, np.zeros(len(weight), np.float32)) if weight is not None else None
            for weight in (weights.get(f"{name}.weight") for name in ("around", "ahead", "effect"))
        )
        self._place = weights["place.weight"]

    def added(self, windows: Floats, quantiles: Numbers) -> Numbers:
        """(M, K, Q) what quantiles in order have that the naive forecast with intervals of their width about it, as far
        above as below, has not."""
        return (quantiles + quantiles[..., ::-1]) / 2 - self._naive(windows)[..., None]

    def _again(self) -> NDArray[np.int64]:
        """(K,) the steps of a window that the naive forecast repeats."""
        c = self.config
        return c.lookback - c.repeats + np.arange(c.horizon) % c.repeats

    def _naive(self, windows: Floats) -> Floats:
        """(M, K) the last steps again."""
        return windows[:, self._again()]

    def _parts(self, windows: Floats) -> list[Floats]:
        """Of windows the target's values, what is beside them, of the series, and of the steps ahead."""
        c = self.config
        return np.split(windows, np.cumsum([c.lookback, c.lookback * c.read, c.static]), axis=1)

    def steps(self, windows: Floats) -> Floats:
        """(W / P, M, D) what the stack reads of windows (M, I)."""
        c, M = self.config, len(windows)
        values, read, static, _ = self._parts(windows)
        patches = np.ascontiguousarray(values.reshape(M, -1, c.patch).transpose(1, 0, 2))
        steps = self._patch.logits(patches.reshape(-1, c.patch))
        if self._around is not None:
            of_patches = read.reshape(M, len(patches), c.patch * c.read).transpose(1, 0, 2)
            of_series = np.broadcast_to(static, (len(patches), *static.shape))
            beside = np.concatenate([of_patches, of_series], axis=2)
            steps = steps + self._around.logits(beside.reshape(len(steps), -1))
        found: Floats = np.maximum(steps, 0).reshape(len(patches), M, -1)
        return found

    def quantiles(self, windows: Floats) -> Floats:
        """(M, K, Q) of windows (M, I), in their units; not in order where they cross."""
        c, M = self.config, len(windows)
        values, read, _, known = self._parts(windows)
        x = self.steps(windows)
        place: Floats = np.repeat(self._place, M, axis=0)  # (segments × M, D)
        before = self._naive(windows)
        if self._ahead is not None and self._effect is not None:
            then = read.reshape(M, c.lookback, c.read)[:, self._again(), : c.known]
            now = known.reshape(M, c.horizon, c.known)
            changes = np.concatenate([now, now - then], axis=2)
            before = before + self._effect.logits(changes.reshape(M * c.horizon, -1)).reshape(M, -1)
            whole = np.zeros((M, c.segments * c.segment, 2 * c.known), np.float32)
            whole[:, : c.horizon] = changes
            whole = np.ascontiguousarray(whole.reshape(M, c.segments, -1).transpose(1, 0, 2))
            place = place + self._ahead.logits(whole.reshape(len(place), -1))
        for k, run in enumerate(self._layers):
            h, after = run(x, np.zeros((M, c.stack.hidden_size), np.float32))
            top = run.step(place, np.tile(after, (c.segments, 1)))
            residual = k and c.stack.residual
            x, place = (x + h, place + top) if residual else (h, top)
        added = self._output.logits(place).reshape(c.segments, M, c.segment, c.quantiles).transpose(1, 0, 2, 3)
        added = added.reshape(M, -1, c.quantiles)[:, : c.horizon]
        direct = self._direct.logits(np.ascontiguousarray(values))
        found: Floats = added + (before + direct)[..., None]
        return found
