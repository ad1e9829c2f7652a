"""Text laid out for the width of a terminal: between words, in columns that give way, and no number is cut.

Widths are counted in columns, of which a Chinese character takes two. A word that is wider than the terminal, such as a
long path, stands whole on a line of its own, so that it can be copied.
"""

import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len

WIDE = (
    "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\U0001f300-\U0003fffd"
)
"""Scripts that are written without spaces: a line may end after each of their characters."""
CLOSING = "、。，．！？：；）」』】》〉”’…"
"""What does not begin a line."""
PIECE = re.compile(rf"\s+|[^\s{WIDE}]+[{CLOSING}]*|[{WIDE}][{CLOSING}]*")
NARROWEST = 24
"""Columns beside a name in which words still read well."""
GAP, GLUE = 2, "\ue000"
BAR, SIGNS = "▁▂▃▄▅▆▇█", {"\n": "↵", "\t": "⇥", "\r": "␍"}


def columns() -> int:
    """The width of standard output, or what COLUMNS says; of a pipe 80."""
    return max(shutil.get_terminal_size().columns, 1)


def wrap(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """Lines of at most ``width``; the first begins with ``first``, the others with ``rest``, by default as wide.

    Of white space what the text begins with stays.
    """
    rest = " " * cell_len(first) if rest is None else rest
    bare = text.lstrip()
    lines, line, space, empty = [], first + text[: len(text) - len(bare)], "", True
    for piece in PIECE.findall(bare):
        if piece.isspace():
            space = piece.replace("\n", " ")
            continue
        if not empty and cell_len(line + space + piece) > width:
            lines.append(line)
            line, space, empty = rest, "", True
        line += ("" if empty else space) + piece
        space, empty = "", False
    return [*lines, line.rstrip()]


def flow(said: str, items: Iterable[str], width: int, rest: str = "  ") -> list[str]:
    """What is said of items, then these, apart by commas; a line ends between two of them, never inside one."""
    whole = (item.replace(" ", GLUE) for item in items)
    return [line.replace(GLUE, " ") for line in wrap(f"{said} {', '.join(whole)}", width, rest=rest)]


def facts(rows: Iterable[tuple[str, str]], width: int, indent: str = "") -> Iterator[str]:
    """A name and what it is, a line each; where a name leaves its value no room, the value stands below it."""
    rows = [*rows]
    margin = max((cell_len(indent + name) for name, _ in rows), default=0) + GAP
    for name, said in rows:
        if width - margin >= min(NARROWEST, cell_len(said)):
            yield from wrap(said, width, padded(indent + name, margin), " " * margin)
        else:
            yield from wrap(name, width, indent, indent + "  ")
            yield from wrap(said, width, indent + "    ")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Columns, the first to the left and the others to the right. Where they are too many, each row becomes lines.

    A column's heading gives way first, in several lines.
    """
    cells = [max((cell_len(row[k]) for row in rows), default=0) for k in range(len(header))]
    for headings in ([[name] for name in header], [name.split() or [""] for name in header]):
        wide = [max(cell, *map(cell_len, words)) for cell, words in zip(cells, headings, strict=True)]
        if sum(wide) + GAP * (len(wide) - 1) <= width:
            break
    else:
        yield from _as_lines(header, rows, width)
        return
    folded = [wrap(name, w) for name, w in zip(header, wide, strict=True)]
    height = max(map(len, folded))
    for line in zip(*([""] * (height - len(lines)) + lines for lines in folded), strict=True):
        yield _aligned(line, wide)
    yield "─" * (sum(wide) + GAP * (len(wide) - 1))
    for row in rows:
        yield _aligned(row, wide)


def _aligned(cells: Sequence[str], wide: Sequence[int]) -> str:
    first, *others = (padded(cell, w, right=k > 0) for k, (cell, w) in enumerate(zip(cells, wide, strict=True)))
    return (" " * GAP).join([first, *others]).rstrip()


def _as_lines(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Each row as its name and, below it, each column's name and value, as many side by side as fit."""
    named = [[(name, cell) for name, cell in zip(header[1:], row[1:], strict=True) if name and cell] for row in rows]
    pairs = [pair for some in named for pair in some]
    label, value = (max((cell_len(pair[k]) for pair in pairs), default=0) for k in (0, 1))
    side = max(1, width // (label + value + 2 * GAP))
    for row, some in zip(rows, named, strict=True):
        first = (header[0], row[0], *(cell for name, cell in zip(header[1:], row[1:], strict=True) if not name))
        yield from wrap(" ".join(filter(None, first)), width, rest="  ")
        if side == 1:
            yield from facts(some, width, "  ")
            continue
        height = -(-len(some) // side)
        columns = (some[k : k + height] for k in range(0, len(some), height))
        for line in zip_longest(*columns, fillvalue=("", "")):
            cells = (padded(name, label + 1) + padded(cell, value, right=True) for name, cell in line)
            yield ("  " + "  ".join(cells)).rstrip()


def padded(text: str, width: int, right: bool = False) -> str:
    """Filled up with spaces."""
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def command(words: Sequence[str], width: int, indent: str = "  ") -> Iterator[str]:
    """A command to paste into a shell, in as many lines as it needs; an option stays beside its value."""
    line = indent
    quoted = [shlex.quote(word) for word in words]
    valued = [k for k in range(len(words) - 1) if words[k].startswith("-") and not words[k + 1].startswith("-")]
    for k in valued:
        quoted[k : k + 2] = [f"{quoted[k]} {quoted[k + 1]}", ""]
    for word in filter(None, quoted):
        if line.strip() and cell_len(f"{line} {word} \\") > width:
            yield line + " \\"
            line = indent * 2
        line += f" {word}" if line.strip() else word
    yield line


def curve(values: Sequence[float]) -> str:
    """A block a value, the lowest for the least."""
    least, most = min(values, default=0.0), max(values, default=0.0)
    scale = (len(BAR) - 1) / (most - least) if most > least else 0.0
    return "".join(BAR[round((value - least) * scale)] for value in values)


def visible(text: str, kept: str = "") -> str:
    """White space and control characters as signs, which a terminal would obey, but those that are ``kept``."""
    return "".join(c if c in kept or c.isprintable() else SIGNS.get(c, "�") for c in text)


def clipped(text: str, width: int) -> str:
    """As much of a text as fits, to the end of a word where it has some."""
    if cell_len(text) <= width:
        return text
    kept = wrap(text, width - 1)[0]
    while cell_len(kept) > max(width - 1, 0):
        kept = kept[:-1]
    return kept + "…"


def say(console: Any, lines: str | Iterable[str], style: str | None = None) -> None:
    """Prints lines, or the lines of a text, on a console of rich, as they are."""
    for line in wrap(lines, console.width) if isinstance(lines, str) else lines:
        console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)
