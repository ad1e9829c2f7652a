"""The vocabulary of a model whose input is text: in config.json, and in tokenizer.json where tokens are byte pairs."""

from pathlib import Path
from typing import Any

from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import Folder
from penstock.model_folder.content import CONFIG
from penstock.text.vocabulary import Vocabulary, load_vocabulary

TOKENIZER = "tokenizer.json"


def write_vocabulary(folder: Folder, vocabulary: Vocabulary) -> dict[str, Any]:
    """Writes tokenizer.json where there is to be one; what config.json has of the vocabulary.

    Raises:
        PenstockError: the folder cannot be written; what was there before is unchanged.
    """
    about, tokenizer = vocabulary.saved()
    if tokenizer is not None:
        write(folder.place(TOKENIZER), tokenizer)
    return about


def read_vocabulary(folder: Path, about: Any) -> Vocabulary:
    """The vocabulary that config.json says ``about`` what.

    Raises:
        PenstockError: it is none; of tokenizer.json the message begins with its name or its path.
    """
    of_pairs = isinstance(about, dict) and about.get("kind") == "bpe"
    return load_vocabulary(about, _read_tokenizer(folder / TOKENIZER) if of_pairs else None)


def _read_tokenizer(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PenstockError(f"{path}: no such file, though {CONFIG} says that the tokens are byte pairs") from None
    except (OSError, ValueError) as error:
        raise PenstockError(f"{path}: cannot be read: {error}") from None
