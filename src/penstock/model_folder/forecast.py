"""The folder of a model that forecasts: the last steps of a series in, quantiles of the next ones out."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import Folder
from penstock.model_folder.content import CONFIG, WEIGHTS, Weights, described, read_config, read_weights, write_content
from penstock.model_folder.stack import StackConfig, check_positive

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of the quantiles."""


@dataclasses.dataclass(frozen=True)
class ForecastConfig:
    """The sizes of a model that forecasts by segments (SegRNN: Lin et al. 2023, arXiv:2308.11200).

    Each patch of the window becomes a step of the stack, with what stands beside the target there. From the state after
    the last, one more step for each segment of the horizon, all side by side, reads the segment's place, and what is
    known of its steps, and gives its quantiles. Patches and segments of one step are a forecast step by step.
    """

    lookback: int
    """W, steps that are read: whole patches."""
    horizon: int
    """K, steps that are forecast."""
    patch: int
    """P, steps of a patch."""
    segment: int
    """R, steps of a segment; the last may reach beyond the horizon."""
    repeats: int
    """Steps at the window's end that the forecast repeats before anything is added: one season, or 1."""
    stack: StackConfig
    quantiles: int = len(LEVELS)
    read: int = 0
    """A, numbers beside the target that are read of each step of the window; see ``penstock.series.around``."""
    static: int = 0
    """S, of its series."""
    known: int = 0
    """B, of the A the first, which are known of the steps ahead too."""

    def __post_init__(self) -> None:
        for name in ("lookback", "horizon", "patch", "segment", "repeats", "quantiles"):
            check_positive(name, getattr(self, name))
        if not all(isinstance(size, int) and size >= 0 for size in self.beside) or self.known > self.read:
            raise PenstockError(
                f"read, static, known: expected sizes of 0 or more, known at most read, got {self.beside}"
            )
        if self.lookback % self.patch or self.repeats > self.lookback:
            raise PenstockError(
                f"lookback: expected whole patches of {self.patch} and at least {self.repeats} steps, "
                f"got {self.lookback}"
            )

    @property
    def beside(self) -> tuple[int, int, int]:
        """A, S, B."""
        return self.read, self.static, self.known

    @property
    def inputs(self) -> int:
        """Numbers of a window, one after the other: W of the target, W · A beside it, S, and K · B ahead."""
        return self.lookback * (1 + self.read) + self.static + self.horizon * self.known

    @property
    def segments(self) -> int:
        """Of the horizon."""
        return -(-self.horizon // self.segment)

    @property
    def outputs(self) -> int:
        """Numbers that come out of a step of the stack."""
        return self.segment * self.quantiles

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight."""
        D, H = self.stack.input_size, self.stack.hidden_size
        around = {"around.weight": (D, self.patch * self.read + self.static)} if self.read or self.static else {}
        ahead = {"ahead.weight": (D, 2 * self.segment * self.known), "effect.weight": (1, 2 * self.known)}
        return {
            **self.stack.shapes(),
            **around,
            **(ahead if self.known else {}),
            "patch.weight": (D, self.patch),
            "patch.bias": (D,),
            "place.weight": (self.segments, D),
            "output.weight": (self.outputs, H),
            "output.bias": (self.outputs,),
            "direct.weight": (self.horizon, self.lookback),
            "direct.bias": (self.horizon,),
        }

    def parameters(self) -> int:
        """Of its matrices."""
        D, H = self.stack.input_size, self.stack.hidden_size
        own = D * (self.patch + self.segments) + H * self.outputs + self.horizon * self.lookback
        beside = D * (self.patch * self.read + self.static) + (2 * D * self.segment + 2) * self.known
        return self.stack.parameters() + own + beside


class ForecastAnswer(NamedTuple):
    """What comes out of a model that forecasts."""

    targets: tuple[str, ...]
    """The columns that are forecast, each by itself."""
    season: int | None
    """In steps: of the naive forecast, and of MASE."""
    spread: tuple[float, ...]
    """Standard deviation of each target's training rows, by which scaled errors are scaled."""
    floors: tuple[float | None, ...]
    """Of a target whose logarithm is forecast, what is read in the place of anything less; None of one that is forecast
    as it is."""
    levels: tuple[float, ...] = LEVELS
    share: float = 1.0
    """0 … 1, how much of what the network adds to the naive forecast is taken: what was best on held-out rows.
    Intervals keep their width; of nothing they lie about the naive forecast, as far above as below."""


class ForecastFiles(NamedTuple):
    """What a folder of a model that forecasts holds."""

    reads: dict[str, Any]
    """The columns of the rows; see ``penstock.series.account.description``."""
    answer: ForecastAnswer
    config: ForecastConfig
    weights: Weights


def set_share(folder: Path, share: float) -> None:
    """Says in a folder's config.json how much of what the network adds is taken.

    Raises:
        PenstockError: the folder is none of a model, or cannot be written.
    """
    content = read_config(folder)
    content["output"]["share"] = share
    write(folder / CONFIG, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def save_forecast_model(folder: Folder, of: ForecastFiles) -> None:
    """Writes the folder's files, each whole or not at all; the weights come last.

    Raises:
        PenstockError: the folder cannot be written; what was there before is unchanged.
    """
    sizes = dataclasses.asdict(of.config)
    stack = sizes.pop("stack")
    write_content(folder, "forecast", of.reads, stack, {**sizes, **of.answer._asdict()}, of.weights)


def load_forecast_model(folder: Path, quantized: bool = False) -> ForecastFiles:
    """What ``save_forecast_model`` wrote; ``quantized``: weights in w8a16 too.

    Raises:
        PenstockError: it is no folder of a model that forecasts, of another version, or its files do not fit.
    """
    content = read_config(folder)
    if content["task"] != "forecast":
        raise PenstockError(f"{folder}: expected a model that forecasts, got one of the task {content['task']}")
    output = dict(content["output"])
    own = {field: output.pop(field) for field in ForecastAnswer._fields if field in output}
    try:
        stack = described(StackConfig, "stack", content["stack"])
        config = described(ForecastConfig, "output", output, stack=stack)
        answer = _answer(own, config)
    except PenstockError as error:
        raise PenstockError(f"{folder}{os.sep}{CONFIG}: {error}") from None
    return ForecastFiles(content["input"], answer, config, read_weights(folder / WEIGHTS, config, quantized))


def _answer(saved: dict[str, Any], config: ForecastConfig) -> ForecastAnswer:
    try:
        targets, spread, floors, levels = (tuple(saved[name]) for name in ("targets", "spread", "floors", "levels"))
        answer = ForecastAnswer(targets, saved["season"], spread, floors, levels, float(saved["share"]))
    except (KeyError, TypeError, ValueError):
        raise PenstockError(f"output: expected {', '.join(ForecastAnswer._fields)}, got {', '.join(saved)}") from None
    if len(levels) != config.quantiles or not len(spread) == len(floors) == len(targets):
        raise PenstockError(
            f"output: expected {config.quantiles} levels, and a spread and a floor of each target, got {len(levels)} "
            f"levels, {len(targets)} targets, {len(spread)} spreads and {len(floors)} floors"
        )
    if not 0 <= answer.share <= 1:
        raise PenstockError(f"share: expected 0 to 1, got {answer.share}")
    if answer.season is not None:
        check_positive("season", answer.season)
    return answer
