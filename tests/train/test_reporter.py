"""What a person sees while a model trains."""

import io
import math
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from penstock.layout import clipped, visible
from penstock.train.reporter import Display


def printed(width: int, terminal: bool = False) -> tuple[Display, io.StringIO]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    return Display(console, "token", "nats", told), console.file  # type: ignore[return-value]


def told(loss: float) -> str:
    return f"{loss:.3f} nats a token, {loss * 0.5 / math.log(2):.3f} bits a character"


def written(text: str) -> Callable[[int], str]:
    return lambda room: f"writes “{clipped(visible(text.strip()), room - 9)}”"


def test_the_bar_fits_a_terminal_of_80_columns() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with Display(console, "token", "nats") as display:
        display.update(0.42, 123_456, 12.345, 123_456, 754)
        display._bar.refresh()
        shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "42% 12.6 min left  step 123,456  loss 12.345 nats  123,456 tokens/s" in shown


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_is_wider_than_the_console_and_no_number_is_cut(width: int, terminal: bool) -> None:
    display, out = printed(width, terminal)
    with display:
        for k in range(1, 11):
            display.update(k / 10, 123_456 * k, 12.345 / k, 1_123_456, 7540 / k)
            display._bar.refresh()
            display.validated(k / 10, 123_456 * k, 12.345 / k, True)
            display.sampled(k / 10, written("the cat sat on the 垫子\n\x1b[31m" * 9))
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()))
    assert not [line for line in lines if cell_len(line) > width]
    whole = {f"{number:.3f}" for k in range(1, 11) for number in (12.345 / k, 12.345 / k * 0.5 / math.log(2))}
    assert {*re.findall(r"\d+\.\d{2,}", " ".join(lines))} <= whole
    if terminal:
        assert f"12.345 → {12.345 / 10:.3f} nats" in lines[-2]
    else:
        assert {*re.findall(r"\d+\.\d{2,}", " ".join(lines))} == whole


def test_the_curve_and_the_sample_of_a_piped_run() -> None:
    display, out = printed(80)
    for k, loss in enumerate([4.0, 2.0, 1.0], 1):
        display.update(k / 3, k, loss + 0.1, 10, 1)
        display.validated(k / 3, k, loss, True)
        display.sampled(k / 3, written(" the\tcat\x1b\n"))
    lines = out.getvalue().splitlines()
    assert lines[0] == " 33%  step 1  held out 4.000 nats a token, 2.885 bits a character, best yet"
    assert [line.split()[0] for line in lines[1::2]] == ["▁", "█▁", "█▃▁"]
    assert all(line.endswith("  writes “the⇥cat�”") for line in lines[1::2])


def test_without_held_out_text_the_curve_is_of_the_training_loss() -> None:
    display, out = printed(80)
    for k, loss in enumerate([4.0, 2.0, 1.0], 1):
        display.update(k / 3, k, loss, 10, 1)
        display.sampled(k / 3, written("a"))
    assert out.getvalue().splitlines()[-1] == "100%  █▃▁  writes “a”"
