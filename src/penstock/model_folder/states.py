"""The folder of a bare GRU: rows of numbers in, the states of its layers out. ``penstock import`` makes such."""

import dataclasses
import os
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from penstock.errors import PenstockError
from penstock.folder import Folder
from penstock.model_folder.content import CONFIG, WEIGHTS, Weights, described, read_config, read_weights, write_content
from penstock.model_folder.stack import StackConfig

TASK = "states"

Way = Literal["forward", "reverse", "both"]
"""The directions of a layer; of both, forward comes first."""


@dataclasses.dataclass(frozen=True)
class StatesConfig:
    """The sizes of a bare GRU. Letters: D input features, H hidden units."""

    stack: StackConfig
    ways: tuple[Way, ...]
    """Of each layer; one that reads both ways gives 2H numbers to the next."""

    def __post_init__(self) -> None:
        if len(self.ways) != self.stack.num_layers or not set(self.ways) <= set(get_args(Way)):
            raise PenstockError(f"ways: expected {' or '.join(get_args(Way))} for each layer, got {self.ways!r:.60}")

    @property
    def forward_only(self) -> bool:
        """Whether it can be read step by step."""
        return set(self.ways) == {"forward"}

    @property
    def names(self) -> list[list[str]]:
        """Of each layer the ends of its weights' names, one a direction."""
        ends = {"forward": ["_l0"], "reverse": ["_l0_reverse"], "both": ["_l0", "_l0_reverse"]}
        return [ends[way] for way in self.ways]

    @property
    def outputs(self) -> int:
        """Numbers that come out at each step."""
        return self.stack.hidden_size * len(self.names[-1])

    def parameters(self) -> int:
        """Of its matrices."""
        shapes = self.shapes()
        return sum(shape[0] * shape[1] for shape in shapes.values() if len(shape) == 2)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight; rows of the gates in the order r, z, n."""
        H, width = self.stack.hidden_size, self.stack.input_size
        shapes: dict[str, tuple[int, ...]] = {}
        for k, ends in enumerate(self.names):
            for end in ends:
                shapes[f"layers.{k}.weight_ih{end}"] = (3 * H, width)
                shapes[f"layers.{k}.weight_hh{end}"] = (3 * H, H)
                shapes[f"layers.{k}.bias_ih{end}"] = shapes[f"layers.{k}.bias_hh{end}"] = (3 * H,)
            shapes[f"layers.{k}.reset_after"] = ()
            width = H * len(ends)
        return shapes


class StatesFiles(NamedTuple):
    """What a folder of a bare GRU holds."""

    config: StatesConfig
    weights: Weights


def save_states_model(folder: Folder, of: StatesFiles) -> None:
    """Writes the folder's files, each whole or not at all; the weights come last.

    Raises:
        PenstockError: the folder cannot be written; what was there before is unchanged.
    """
    output = {"ways": list(of.config.ways)}
    write_content(folder, TASK, {}, dataclasses.asdict(of.config.stack), output, of.weights)


def load_states_model(folder: Path) -> StatesFiles:
    """What ``save_states_model`` wrote.

    Raises:
        PenstockError: it is no folder of a bare GRU, of another version, or its files do not fit each other.
    """
    content = read_config(folder)
    if content["task"] != TASK:
        raise PenstockError(f"{folder}: expected a bare GRU, got a model of the task {content['task']!r}")
    try:
        stack = described(StackConfig, "stack", content["stack"])
        ways = content["output"].get("ways")
        config = StatesConfig(stack, tuple(ways) if isinstance(ways, list) else ())
    except (PenstockError, TypeError) as error:
        raise PenstockError(f"{folder}{os.sep}{CONFIG}: {error}") from None
    return StatesFiles(config, read_weights(folder / WEIGHTS, config))
