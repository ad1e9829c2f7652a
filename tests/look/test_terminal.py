"""The terminal form: what is printed is what the trace holds."""

import io
import itertools
import re

import numpy as np
import pytest
import torch
from rich.cells import cell_len
from rich.console import Console

import penstock
from penstock import LanguageModel
from penstock.layout import visible
from penstock.look.terminal import BANDS, BARS, _parts, show
from penstock.look.trace import Trace
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import CharVocabulary

TEXT = "the cat [bold]sat</b>\non 猫\t\x1b[31m" * 4


def trace(hidden: int = 20) -> Trace:
    return of_text(TEXT, hidden)


def of_text(text: str, hidden: int = 20) -> Trace:
    torch.manual_seed(0)
    vocabulary = CharVocabulary(text)
    return penstock.trace(LanguageModel(LanguageConfig(len(vocabulary), StackConfig(6, hidden)), vocabulary), text)


def printed(value: Trace, width: int = 60, **options: object) -> str:
    out = io.StringIO()
    show(value, 0, Console(file=out, width=width, highlight=False, soft_wrap=True, **options))  # type: ignore[arg-type]
    return out.getvalue()


def test_the_text_the_bars_and_the_summary() -> None:
    value = trace()
    lines = printed(value).splitlines()
    assert lines[0].startswith(f"layers.0, 20 units, {len(TEXT)} tokens")
    end = lines.index("")
    text, bars = lines[2:end:2], lines[3:end:2]
    assert "".join(text) == visible(TEXT)
    assert "\x1b" not in "".join(lines)
    for line, below in zip(text, bars, strict=True):
        assert cell_len(line) == cell_len(below) <= 60
    strongest = int(np.argmax(value.layers[0].write_strength.mean(1)))
    assert "█" in "".join(bars)
    assert sum(map(len, text)) == len(TEXT)
    weights = value.layers[0].attention()[-1]
    best = int(np.argmax(weights))
    said = " ".join(" ".join(lines[end:]).split())
    assert re.search(rf"last state written by: \S+ at {best - 1} \({weights[best]:.0%}\)", said)
    probabilities = np.exp(value.log_probabilities()[-1])
    assert re.search(rf"expected next: ‘.’ \({probabilities.max():.0%}\)", said)
    assert f"surprise: {np.nanmean(value.surprise()):.2f} bits a token" in said
    assert strongest >= 0


@pytest.mark.parametrize("width", [20, 80, 300])
def test_the_map_fits_and_has_a_row_a_group(width: int) -> None:
    lines = printed(trace(), width).splitlines()
    rows = lines[-BANDS:]
    assert sum(" … " in line for line in lines) == BANDS
    assert all(cell_len(row) <= max(width, 14) for row in rows)
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_line_is_wider_and_none_ends_inside_a_word(width: int) -> None:
    words = "The cat, which already ate 12,345 of the mice near the dogs, was full. "
    value = of_text(words * 3 + "猫已经吃了鱼，所以它很饱。" * 4)
    lines = printed(value, width).splitlines()
    assert max(map(cell_len, lines)) <= width
    end = lines.index("")
    text = [line for line in lines[:end] if not set(line) <= set(BARS)]
    assert "".join(text).endswith("猫已经吃了鱼，所以它很饱。" * 4)
    for line, following in itertools.pairwise(text[text.index(next(t for t in text if t.startswith("The cat"))) :]):
        assert line.endswith(" ") or following.startswith(" ") or cell_len(line[-1]) == 2
    assert " ".join(printed(value, width).split()).count("(") == printed(value, 500).count("(")


def test_words_of_byte_pairs_stay_whole_and_a_token_wider_than_a_line_stands_alone() -> None:
    tokens = ["The", " ca", "ts", " are", " full", ".", "\n", "=" * 30, " ", "end"]
    parts = [tokens[part] for part in _parts(tokens, [*map(visible, tokens)], 11)]
    assert parts == [["The", " ca", "ts"], [" are", " full", ".", "\n"], ["=" * 30], [" ", "end"]]


def test_a_part_keeps_the_positions_of_the_whole_and_words_of_ones_own_are_named() -> None:
    part = trace().between(10, 20)
    assert re.findall(r" at (\d+) \(", printed(part))
    assert {int(t) for t in re.findall(r" at (\d+) \(", printed(part))} <= set(range(10, 20))
    layer = part.layers[0]
    named = Trace((layer,), tokens=tuple(f"w{k}" for k in range(len(layer.hidden))))
    assert "w0w1w2" in printed(named).replace("\n", "")


def test_colours_on_a_terminal_alone() -> None:
    assert "\x1b[" in printed(trace(), force_terminal=True, color_system="truecolor")
    assert "\x1b[" not in printed(trace())


def test_one_token_one_unit_and_no_text() -> None:
    assert "expected next" in printed(trace(1).between(0, 1))
    module = penstock.trace(penstock.GRU(2, 3, bidirectional=True), torch.randn(5, 2))
    assert "last state written by" in printed(module)
    reverse = Trace(module.layers[1:])
    assert "first state written by" in printed(reverse)
    assert "expected next" not in printed(reverse)
