"""``penstock eval``."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from penstock.cli.parameters import Folder, Json
from penstock.errors import PenstockError


def evaluate(
    dir_: Folder,
    /,
    *files: str,
    field: str = "text",
    errors: Literal["strict", "replace"] = "strict",
    json_: Json = False,
) -> int:
    """Measure how well a model expects text: nats a token, bits a character and byte, perplexity.

    Args:
        dir_: The model.
        files: As for train. Each document begins anew, and its first token is given, not scored.
        field: The field of .jsonl lines and the column of .parquet files that holds the text.
        errors: What to do with bytes that are no UTF-8: stop and say where, or read U+FFFD in their place.
        json_: Print one JSON object.
    """
    from penstock.runtime import Score, load
    from penstock.text import Corpus

    model = load(dir_)
    if not files:
        raise PenstockError("FILE: expected text to score, got none; name files, or - for standard input")
    with tempfile.TemporaryDirectory() as spool:
        kept = "surrogateescape" if model.vocabulary.kind == "byte" else errors
        corpus = Corpus(files, field=field, errors=kept, spool=Path(spool))

        def documents() -> Iterator[str]:
            pieces: list[str] = []
            for text, starts in corpus.pieces():
                if starts and pieces:
                    yield "".join(pieces)
                    pieces.clear()
                pieces.append(text)
            yield "".join(pieces)

        score = sum(map(model.score, documents()), Score())
    if not score.tokens:
        raise PenstockError(f"{corpus.name}: expected at least two tokens to score, got fewer")
    figures = {
        "nats_per_token": score.nats_per_token,
        "bits_per_character": score.bits_per_character,
        "bits_per_byte": score.bits_per_byte,
        "perplexity": score.perplexity,
        "tokens": score.tokens,
    }
    if json_:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        print(
            f"{name.replace('_', ' '):<20}{value:,}" if name == "tokens" else f"{name.replace('_', ' '):<20}{value:.4f}"
        )
    if score.unknown:
        print(f"{'unknown characters':<20}{score.unknown:,}, each scored as the vocabulary's unknown character")
    return 0
