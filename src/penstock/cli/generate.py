"""``penstock generate``."""

import sys
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.parameters import Folder
from penstock.errors import PenstockError


def generate(
    dir_: Folder,
    /,
    *,
    prompt: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
    length: int = 500,
    temperature: float = 0.8,
    top_k: Annotated[int | None, Parameter(show_default=False)] = None,
    top_p: Annotated[float | None, Parameter(show_default=False)] = None,
    seed: Annotated[int | None, Parameter(show_default=False)] = None,
) -> int:
    """Let a model write on, as it writes.

    Args:
        dir_: The model.
        prompt: The text to go on from; an empty one stands for the start of a line.
        length: Tokens to write.
        temperature: Below 1 is safer, above 1 bolder; 0 always takes the most likely token.
        top_k: Draw from this many most likely tokens only.
        top_p: Draw from the fewest tokens that together have this probability.
        seed: The same seed writes the same text; without one, another each time.
    """
    from penstock.runtime import load

    model = load(dir_)
    try:
        pieces = model.generate(prompt, length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    except ValueError as error:
        raise PenstockError(f"--{str(error).replace('_', '-', 1)}") from None
    sys.stdout.write(prompt)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return 0
