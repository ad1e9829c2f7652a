"""Forecasts as the trainer asks for them."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from penstock.errors import PenstockError
from penstock.folder import Folder
from penstock.layout import say, wrap
from penstock.model_folder import StackConfig
from penstock.model_folder.forecast import LEVELS, ForecastConfig, ForecastFiles, set_share
from penstock.nn.forecast_model import ForecastModel
from penstock.runtime.forecast_model import BATCH, ForecastRuntime, load_forecast
from penstock.runtime.forecast_score import score_forecasts
from penstock.series import SeriesSet, Split, by_time, expect_targets, long_enough, split_line
from penstock.series.forecasts import LAST, SEASON
from penstock.tasks.forecast.contest import ahead
from penstock.tasks.forecast.data import ForecastData
from penstock.tasks.forecast.settings import ForecastSettings
from penstock.tasks.forecast.sizes import sizes
from penstock.tasks.series_results import SeriesResults, results_of
from penstock.tasks.series_task import SeriesTask
from penstock.train.checkpoint import Progress
from penstock.train.plan import Plan
from penstock.train.settings import Settings
from penstock.train.task import Begun, Said, Task

DROPOUT = 0.2
"""Unless it was said: windows overlap, and are soon learnt by heart however many there are."""
JUDGED = 20_000
"""Held-out windows by which the share of the network is chosen, at most."""
SHARES = np.linspace(0, 1, 21)
SURE = 2.0
"""Standard errors by which the network must be better than the naive forecast."""


class ForecastTask(SeriesTask):
    """A task whose steps are windows: each begins anew, and so many side by side are a batch."""

    step, loss_unit, rate, average = "window", "of the naive error", 0.8, False
    own: type[Any] = ForecastSettings

    def __init__(self) -> None:
        super().__init__("forecast", last=False)

    def begin(self, said: Said, begun: Folder, out: Path, tell: Callable[[str], None], console: Console) -> Begun:
        """Reads series, says what was read and how it will be forecast, and keeps them for the run."""
        read = super().begin(said, begun, out, tell, console)
        if read.settings.dropout is None:
            read = read._replace(settings=dataclasses.replace(read.settings, dropout=DROPOUT))
        if said.settings.steps is None and said.settings.epochs is None:
            read, line = ahead(self, read, said.inputs, out)
            for part in wrap(line, console.width) if line else ():
                tell(part)
        return read

    def _streams(self, data: Any, L: int) -> int | None:
        return None

    def _expect_usable(self, own: Any) -> None:
        if own.horizon is None:
            raise PenstockError("--horizon: expected how many steps to forecast, got none; add --horizon K")
        if own.decay:
            raise PenstockError("--decay: means nothing to forecasts, which read whole windows; leave it out")
        if own.episode is not None:
            raise PenstockError("--episode: means nothing to forecasts, which read across; give each episode an --id")

    def _told(self, data: Any, width: int) -> list[str]:
        told = expect_targets(data.series) if data.series.of_role("target") else []
        told += wrap(_about_forecasts(data), width, "forecast  ")
        return told if data.split.rule["by"] == "none" else [*told, f"split {split_line(data.series, data.split)}"]

    def read(self, inputs: Sequence[str], own: Any, holdout: float, seed: int) -> tuple[SeriesSet, Split]:
        """The series of files that are longer than the horizon, and which rows of them train and validate: by time,
        unless it was said."""
        if own.split_by is None and not own.validation and holdout:
            series, _ = super().read(inputs, own, 0, seed)
            series = long_enough(series, own.horizon + 1)
            return series, by_time(series, holdout, least=own.horizon)
        return super().read(inputs, own, holdout, seed)

    def _data(self, series: SeriesSet, split: Split, own: Any) -> Any:
        return ForecastData(series, split, own)

    def too_few(self, data: Any, settings: Settings, inputs: Sequence[str]) -> str | None:
        """Why there is nothing to learn from."""
        if data.training:
            return None
        longest = int((data.split.training[:, 1] - data.split.training[:, 0]).max(initial=0))
        return (
            f"{', '.join(inputs)}: no window to learn from: at most {longest:,} rows of a series train, of which "
            f"{data.horizon:,} are a horizon, or all that vary are missing"
        )

    def config(self, settings: Settings, own: Any, size: str | None, data: Any, before: Any = None) -> Any:
        """The sizes of a model for the series."""
        preset = self.presets[size or "small"]
        hidden, layers = settings.hidden or preset["hidden"], settings.layers or preset["layers"]
        stack = StackConfig(hidden, hidden, layers, settings.reset, residual=settings.residual)
        return sizes(stack, data.horizon, data.lookback, data.answer.season, data.repeats, own.segment, data.beside)

    def config_of(self, saved: dict[str, Any]) -> Any:
        """What ``dataclasses.asdict`` made of the sizes."""
        return ForecastConfig(**{**saved, "stack": StackConfig(**saved["stack"])})

    def model(self, config: Any, data: Any, before: Any = None) -> Any:
        """A model that as yet gives the naive forecast."""
        return ForecastModel(config, ForecastFiles(data.reads(), data.answer, config, {}))

    def loss(self, data: Any) -> Callable[[Tensor, Tensor], Tensor]:
        """Twice the pinball loss, the mean over steps and levels: of a median alone the absolute error."""
        return pinball_loss

    def held_out_loss(self, loss: float, data: Any) -> str:
        """A loss as a person reads it."""
        return f"{loss:.4f} of the naive error (pinball)"

    def about(self, data: Any) -> str:
        """What is forecast, in a line."""
        return f"{data.lookback:,} steps are read, {data.horizon:,} forecast"

    def measure(self, plan: Plan, progress: Progress, data: Any, out: Path) -> SeriesResults:
        """Scores the best model on the held-out rows."""
        found: dict[str, dict[str, float]] = {}
        if data.held_out:
            set_share(out, best_share(load_forecast(out), data))
            found = score_forecasts(load_forecast(out), data.series, data.split.validation)
        model = found.pop("model", {})
        by = "mase" if "mase" in model else "mae"
        return results_of(plan, progress, data, data.held_out, by, model, found)

    def print_results(self, results: SeriesResults, data: Any, out: Path, console: Console) -> None:
        """The figures as a person reads them, and whether it is the naive forecast that the model gives."""
        if data.held_out and not load_forecast(out).answer.share:
            line = (
                "On the held-out rows nothing that was learned is surely better than "
                f"{SEASON if data.repeats > 1 else LAST}: the model forecasts that, with intervals that were learned."
            )
            say(console, ["", *wrap(line, console.width)])
        super().print_results(results, data, out, console)


def best_share(model: ForecastRuntime, data: ForecastData) -> float:
    """How much of what the network adds to the naive forecast is best: the least absolute error of the middle, as the
    loss counts it, on held-out windows. Nothing, where these do not show that it is better: of what cannot be forecast
    the naive forecast stays."""
    all, stretches = data.held_out_windows(JUDGED)
    found = []
    for start in range(0, len(all.at), BATCH):
        some = all.only(np.arange(start, min(start + BATCH, len(all.at))))
        x, y = data.windows(some)
        x = data.inputs(some, x)
        quantiles = np.sort(model.quantiles(x).astype(np.float64), axis=-1)
        middle = quantiles.shape[-1] // 2
        added = model.added(x, quantiles)[..., middle]
        over = y[:, :-1] - quantiles[..., middle] + added  # than the naive forecast
        found.append(np.array([np.nanmean(y[:, -1:] * np.abs(over - share * added), axis=1) for share in SHARES]))
    errors = np.concatenate(found, axis=1)
    best = int(errors.mean(axis=1).argmin())
    gains = np.bincount(stretches, errors[0] - errors[best]) / np.bincount(stretches)
    doubt = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return float(SHARES[best]) if gains.mean() > SURE * doubt else 0.0


def pinball_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of each window twice the mean over levels and over the steps that are there, times what it counts; added up.

    Args:
        outputs: quantiles (L, N, K, Q).
        targets: (L, N, K + 1), NaN where missing; the last is how much the window counts.
    """
    truths, counts = targets[..., :-1, None], targets[..., -1]
    there = ~truths.isnan()
    levels = torch.tensor(LEVELS, device=outputs.device)
    over = torch.where(there, truths.nan_to_num() - outputs.float(), 0.0)
    each = 2 * torch.maximum(levels * over, (levels - 1) * over).mean(-1).sum(-1)
    scored = there[..., 0].sum(-1)
    return torch.where(scored > 0, each / scored.clamp(min=1) * counts.nan_to_num(), 0.0).sum()


def _about_forecasts(data: ForecastData) -> str:
    season = "no season found" if data.found is None else f"a season of {data.found.steps:,} steps ({data.found.how})"
    logs = [name for name, floor in zip(data.answer.targets, data.answer.floors, strict=True) if floor is not None]
    parts = [
        f"the next {data.horizon:,} steps of {', '.join(data.answer.targets[:8])}"
        f"{', …' if len(data.answer.targets) > 8 else ''}, each from its own last {data.lookback:,}",
        season,
        f"learned beside {'the season before' if data.repeats > 1 else 'the last value'}",
    ]
    if logs:
        parts.append(f"in logarithms: {', '.join(logs[:8])}{', …' if len(logs) > 8 else ''}")
    if data.around is not None:
        beside = [*data.around.columns, *(f"time of the {cycle}" for cycle in data.around.calendar)]
        parts.append(f"read beside it: {', '.join(beside[:8])}{', …' if len(beside) > 8 else ''}")
    unread = [name for name in data.others if data.around is None or name not in data.around.columns]
    if unread:
        parts.append(
            f"not read: {', '.join(unread[:8])}{', …' if len(unread) > 8 else ''}, but for --others or --features"
        )
    return "; ".join(parts)


TASK: Task = ForecastTask()
"""The task as the trainer asks for it."""
