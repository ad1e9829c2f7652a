"""A trained model that forecasts, without torch."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.model_folder.content import Weights
from penstock.model_folder.forecast import ForecastFiles, load_forecast_model
from penstock.runtime.layer import layer, output_layer
from penstock.series import SeriesSet
from penstock.series.lookback import Numbers, as_read, as_written, carried, lookback

Floats = NDArray[np.float32]

BATCH = 1024
"""Windows that are read side by side."""


class ForecastRuntime:
    """A model that forecasts, to run; see ``ForecastConfig`` for the letters. It never changes.

    A window's forecast is the same to the last bit whatever else is forecast with it.
    """

    task = "forecast"

    def __init__(self, files: ForecastFiles) -> None:
        self.reads, self.answer, self.config = files.reads, files.answer, files.config
        self._files, weights = files, files.weights
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        stack = files.config.stack
        self._layers = [
            layer(*(weights[f"layers.{k}.{name}_l0"] for name in names), reset=stack.reset)
            for k in range(stack.num_layers)
        ]
        self._patch, self._output, self._direct = (
            output_layer(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in ("patch", "output", "direct")
        )
        self._place = weights["place.weight"]

    def __reduce__(self) -> tuple[type, tuple[ForecastFiles]]:
        return type(self), (self._files,)

    @property
    def weights(self) -> Weights:
        """Of its folder, by their names there."""
        return self._files.weights

    def forecast(self, series: SeriesSet) -> list[Numbers]:
        """The next K steps of each series, (K, targets, Q) in the columns' own units; NaN where nothing is known."""
        c = self.config
        found = np.full((len(series), c.horizon, len(self.answer.targets), c.quantiles), np.nan)
        some = np.flatnonzero(series.lengths > 0)
        for t, name in enumerate(self.answer.targets):
            values = carried(series, series.index(name))
            found[some, :, t] = self.forecast_at(t, values, series.starts[some], series.starts[some + 1])
        return list(found)

    def forecast_at(self, t: int, values: Numbers, first: NDArray[np.int64], at: NDArray[np.int64]) -> Numbers:
        """(M, K, Q) from some rows on, of the t-th target; see ``penstock.series.lookback.lookback`` for the others."""
        floor = self.answer.floors[t]
        values = as_read(values, floor)
        parts = [np.zeros((0, self.config.horizon, self.config.quantiles))]
        for start in range(0, len(at), BATCH):
            some = slice(start, start + BATCH)
            read = lookback(values, first[some], at[some], self.config.lookback)
            quantiles = np.sort(self.quantiles(read.values).astype(np.float64), axis=-1)
            quantiles -= (1 - self.answer.share) * self.added(read.values, quantiles)
            parts.append(as_written(quantiles * read.spread[:, None, None] + read.last[:, None, None], floor))
        return np.concatenate(parts)

    def added(self, windows: Floats, quantiles: Numbers) -> Numbers:
        """(M, K, Q) what quantiles in order have that the naive forecast with intervals of their width about it, as far
        above as below, has not."""
        return (quantiles + quantiles[..., ::-1]) / 2 - self._naive(windows)[..., None]

    def _naive(self, windows: Floats) -> Floats:
        """(M, K) the last steps again."""
        c = self.config
        return windows[:, c.lookback - c.repeats + np.arange(c.horizon) % c.repeats]

    def quantiles(self, windows: Floats) -> Floats:
        """(M, K, Q) of windows (M, W), in their units; not in order where they cross."""
        c, M = self.config, len(windows)
        patches = np.ascontiguousarray(windows.reshape(M, -1, c.patch).transpose(1, 0, 2))
        steps = np.maximum(self._patch.logits(patches.reshape(-1, c.patch)), 0)
        x: Floats = steps.reshape(len(patches), M, -1)
        place: Floats = np.repeat(self._place, M, axis=0)  # (segments × M, D)
        for k, run in enumerate(self._layers):
            h, after = run(x, np.zeros((M, c.stack.hidden_size), np.float32))
            top = run.step(place, np.tile(after, (c.segments, 1)))
            residual = k and c.stack.residual
            x, place = (x + h, place + top) if residual else (h, top)
        added = self._output.logits(place).reshape(c.segments, M, c.segment, c.quantiles).transpose(1, 0, 2, 3)
        added = added.reshape(M, -1, c.quantiles)[:, : c.horizon]
        found: Floats = added + (self._naive(windows) + self._direct.logits(windows))[..., None]
        return found


def load_forecast(folder: str | Path) -> ForecastRuntime:
    """The model that forecasts of a folder.

    Raises:
        PenstockError: the folder holds none that is whole.
    """
    return ForecastRuntime(load_forecast_model(Path(folder)))
