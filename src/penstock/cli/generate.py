"""``penstock generate``."""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstock.cli.parameters import Folder
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.runtime import Model


def generate(
    dir_: Folder,
    /,
    *,
    prompt: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
    length: int = 500,
    temperature: float = 0.8,
    top_k: Annotated[int | None, Parameter(show_default=False)] = None,
    top_p: Annotated[float | None, Parameter(show_default=False)] = None,
    stop: Annotated[tuple[str, ...], Parameter(show_default=False, negative=(), allow_leading_hyphen=True)] = (),
    seed: Annotated[int | None, Parameter(show_default=False)] = None,
) -> int:
    """Let a model write on, as it writes. A model of bytes writes them as they are into a file or a pipe.

    Args:
        dir_: The model.
        prompt: The text to go on from; an empty one stands for the start of a line.
        length: Tokens to write.
        temperature: Below 1 is safer, above 1 bolder; 0 always takes the most likely token.
        top_k: Draw from this many most likely tokens only.
        top_p: Draw from the fewest tokens that together have this probability.
        stop: A text before which the writing ends; may be given more than once.
        seed: The same seed writes the same text; without one, another each time.
    """
    from penstock.runtime import load_language

    model = load_language(dir_)
    settings: dict[str, Any] = {
        "length": length,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "stop": stop,
        "seed": seed,
    }
    shown = sys.stdout.isatty()
    as_bytes = model.vocabulary.kind == "byte" and not shown
    write: Callable[[Any], object] = sys.stdout.buffer.write if as_bytes else sys.stdout.write
    begin: Any = prompt.encode("utf-8", "surrogateescape") if as_bytes else prompt
    try:
        pieces: Iterator[Any] = (model.generate_bytes if as_bytes else model.generate)(prompt, **settings)
    except ValueError as error:
        raise PenstockError(f"--{str(error).replace('_', '-', 1)}") from None
    _tell_of_unknown(model, prompt)
    write(begin)
    for piece in pieces:
        write(piece.translate(VISIBLE) if shown else piece)
        sys.stdout.flush()
    if not as_bytes:
        write("\n")
    return 0


VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}
"""Control characters as pictures of them: a terminal would obey."""


def _tell_of_unknown(model: "Model", prompt: str) -> None:
    if model.vocabulary.unknown is not None:
        count = int((model.vocabulary.encode(prompt) == model.vocabulary.unknown).sum())
        if count:
            print(f"{count:,} of the prompt's {len(prompt):,} characters the model never saw", file=sys.stderr)
