"""The folder of a model of series, rows of numbers or tokens of a text in: a class, labels or numbers out."""

import dataclasses
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

from penstock.errors import PenstockError
from penstock.folder import Folder
from penstock.model_folder.content import CONFIG, WEIGHTS, Weights, described, read_config, read_weights, write_content
from penstock.model_folder.stack import StackConfig, check_bool, check_positive
from penstock.model_folder.vocabulary import TOKENIZER, read_vocabulary, write_vocabulary
from penstock.text.vocabulary import Vocabulary

TEXT = "text"
"""The task whose steps are tokens."""

Kind = Literal["class", "labels", "numbers"]
"""What comes out: one of some classes, any of some labels, or numbers."""


@dataclasses.dataclass(frozen=True)
class SeriesConfig:
    """The sizes of a model of series: features, or embeddings of tokens → stack → output layer."""

    outputs: int
    """Numbers that come out at each step."""
    stack: StackConfig
    segment: int = 0
    """Rows that are read at once, as ``penstock.series.segments`` has them, for one answer to a series: the output
    layer then reads the mean of the top layer's states beside the last one. 0: row by row, with an answer at each."""

    decay: bool = False
    """Each unit's state fades over the time since the row before, beyond the usual, at a rate of its own."""
    vocabulary_size: int = 0
    """Tokens that there are; 0 of rows of numbers. Each is read by itself, as a segment of one row."""

    def __post_init__(self) -> None:
        check_positive("outputs", self.outputs)
        check_bool("decay", self.decay)
        if not isinstance(self.segment, int) or isinstance(self.segment, bool) or self.segment < 0:
            raise PenstockError(f"segment: expected a whole number of 0 or more, got {self.segment!r}")

    @property
    def readout_size(self) -> int:
        """What the output layer reads."""
        return self.stack.hidden_size * (1 + bool(self.segment))

    @property
    def features(self) -> int:
        """Of a row."""
        return self.stack.input_size // (2 * self.segment or 1)

    def parameters(self) -> int:
        """Of the stack and the output."""
        return self.stack.parameters() + self.readout_size * self.outputs

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight."""
        output = {"output.weight": (self.outputs, self.readout_size), "output.bias": (self.outputs,)}
        K, H = self.stack.num_layers, self.stack.hidden_size
        fading = {"decay.weight": (K, H), "decay.bias": (K, H)} if self.decay else {}
        embedding = {"embedding.weight": (self.vocabulary_size, self.stack.input_size)} if self.vocabulary_size else {}
        return {**embedding, **self.stack.shapes(), **output, **fading}


class SeriesAnswer(NamedTuple):
    """What comes out of a model of series."""

    kind: Kind
    targets: tuple[str, ...]
    """The columns that it answers for."""
    classes: tuple[str, ...] = ()
    """Of one target, by their codes."""
    center: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    """Of numbers: times the spread and plus the center they are as the columns were."""
    next: bool = False
    """Whether the answer at a step is about the step after it."""


class SeriesFiles(NamedTuple):
    """What a folder of a model of series holds."""

    task: str
    reads: dict[str, Any]
    """The columns of the rows, and how they become features; see ``penstock.series``. Of texts, the column that they
    stand in, and how many tokens of one are read."""
    answer: SeriesAnswer
    config: SeriesConfig
    weights: Weights
    vocabulary: Vocabulary | None = None
    """Of texts."""


def save_series_model(folder: Folder, of: SeriesFiles) -> None:
    """Writes the folder's files, each whole or not at all; the weights come last.

    Raises:
        PenstockError: the folder cannot be written; what was there before is unchanged.
    """
    output = {
        "outputs": of.config.outputs,
        "segment": of.config.segment,
        "decay": of.config.decay,
        **of.answer._asdict(),
    }
    reads = of.reads
    if of.vocabulary is not None:
        reads = {"vocabulary": write_vocabulary(folder, of.vocabulary), **reads}
    write_content(folder, of.task, reads, dataclasses.asdict(of.config.stack), output, of.weights)


def load_series_model(folder: Path, quantized: bool = False) -> SeriesFiles:
    """What ``save_series_model`` wrote; ``quantized``: weights in w8a16 too.

    Raises:
        PenstockError: it is no folder of a model of series, of another version, or its files do not fit each other.
    """
    content = read_config(folder)
    if content["task"] == "language":
        raise PenstockError(f"{folder}: expected a model of series, got a language model")
    if content["task"] == "states":
        raise PenstockError(f"{folder}: expected a model that answers, got a bare GRU, which gives states alone")
    output = dict(content["output"])
    sizes = {name: output.pop(name) for name in ("outputs", "segment", "decay") if name in output}
    vocabulary, known = None, {}
    try:
        if content["task"] == TEXT:
            vocabulary = read_vocabulary(folder, content["input"].pop("vocabulary", None))
            known = {"vocabulary_size": len(vocabulary)}
        stack = described(StackConfig, "stack", content["stack"])
        config = described(SeriesConfig, "output", sizes, stack=stack, **known)
        answer = _answer(output)
    except PenstockError as error:
        if str(error).startswith(str(folder / TOKENIZER)):
            raise
        raise PenstockError(f"{folder}{os.sep}{CONFIG}: {error}") from None
    weights = read_weights(folder / WEIGHTS, config, quantized)
    return SeriesFiles(content["task"], content["input"], answer, config, weights, vocabulary)


def _answer(saved: dict[str, Any]) -> SeriesAnswer:
    try:
        lists: dict[str, Any] = {name: tuple(value) for name, value in saved.items() if isinstance(value, list)}
        answer = SeriesAnswer(**{**saved, **lists})
    except TypeError:
        raise PenstockError(f"output: expected {', '.join(SeriesAnswer._fields)}, got {', '.join(saved)}") from None
    if answer.kind not in ("class", "labels", "numbers"):
        raise PenstockError(f'output: kind: expected "class", "labels" or "numbers", got {answer.kind!r}')
    return answer
