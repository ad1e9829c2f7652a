"""A language model's folder: tokens in, what is expected next out; with tokenizer.json where tokens are byte pairs."""

import dataclasses
import os
from pathlib import Path

from penstock.errors import PenstockError
from penstock.folder import Folder
from penstock.model_folder.content import CONFIG, WEIGHTS, Weights, described, read_config, read_weights, write_content
from penstock.model_folder.stack import StackConfig, check_bool, check_positive
from penstock.model_folder.vocabulary import TOKENIZER, read_vocabulary, write_vocabulary
from penstock.text.vocabulary import Vocabulary

TASK = "language"


@dataclasses.dataclass(frozen=True)
class LanguageConfig:
    """The sizes of a language model: embedding → stack → output layer."""

    vocabulary_size: int
    stack: StackConfig
    tied: bool = False
    """The output layer's weight is the embedding's; both then have ``hidden_size`` columns."""

    def __post_init__(self) -> None:
        check_positive("vocabulary_size", self.vocabulary_size)
        check_bool("tied", self.tied)
        if self.tied and self.stack.input_size != self.stack.hidden_size:
            raise PenstockError(
                f"input_size: tied weights need the hidden size, {self.stack.hidden_size}, got {self.stack.input_size}"
            )

    @property
    def outputs(self) -> int:
        """Numbers that come out at each step."""
        return self.vocabulary_size

    def parameters(self) -> int:
        """Of the stack and the output; an embedding's row is touched by its own token alone."""
        return self.stack.parameters() + self.stack.hidden_size * self.vocabulary_size

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight."""
        V, E, H = self.vocabulary_size, self.stack.input_size, self.stack.hidden_size
        output = {"output.bias": (V,)} if self.tied else {"output.weight": (V, H), "output.bias": (V,)}
        return {"embedding.weight": (V, E), **self.stack.shapes(), **output}


def save_model(folder: Folder, config: LanguageConfig, vocabulary: Vocabulary, weights: Weights) -> None:
    """Writes the folder's files, each whole or not at all; the weights come last.

    Raises:
        PenstockError: the folder cannot be written; what was there before is unchanged.
    """
    about = write_vocabulary(folder, vocabulary)
    stack, output = dataclasses.asdict(config.stack), {"tied": config.tied}
    write_content(folder, TASK, {"vocabulary": about}, stack, output, weights)


def load_model(folder: Path, quantized: bool = False) -> tuple[LanguageConfig, Vocabulary, Weights]:
    """What ``save_model`` wrote; ``quantized``: weights in w8a16 too.

    Raises:
        PenstockError: it is no folder of a language model, of another version, or its files do not fit each other.
    """
    content = read_config(folder)
    if content["task"] != TASK:
        raise PenstockError(f"{folder}: expected a language model, got one of the task {content['task']!r}")
    try:
        vocabulary = read_vocabulary(folder, content["input"].get("vocabulary"))
        stack = described(StackConfig, "stack", content["stack"])
        config = described(LanguageConfig, "output", content["output"], vocabulary_size=len(vocabulary), stack=stack)
    except PenstockError as error:
        if str(error).startswith(str(folder / TOKENIZER)):
            raise
        of = "" if str(error).startswith(TOKENIZER) else f"{CONFIG}: "
        raise PenstockError(f"{folder}{os.sep}{of}{error}") from None
    return config, vocabulary, read_weights(folder / WEIGHTS, config, quantized)
