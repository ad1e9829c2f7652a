"""Text on terminals of every width: nothing is lost, no word is broken, nothing is wider that could be narrower."""

import itertools
import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from penstock.layout import PIECE, clipped, command, curve, facts, flow, table, visible, wrap

WORDS = st.lists(st.text("ab1,.猫。狗é", min_size=1, max_size=9), max_size=20)
WIDTHS = st.integers(1, 60)


def pieces(text: str) -> list[str]:
    """What is never broken."""
    return [piece for piece in PIECE.findall(text) if not piece.isspace()]


def fits(line: str, width: int, indent: int = 0) -> bool:
    return cell_len(line) <= width or len(pieces(line)) == 1 or cell_len(line.split()[0]) + indent > width


@given(WORDS, WIDTHS)
def test_words_are_wrapped_between_and_none_is_lost(words: list[str], width: int) -> None:
    text = " ".join(words)
    lines = wrap(text, width)
    assert [piece for line in lines for piece in pieces(line)] == pieces(text)
    assert all(cell_len(line) <= width or len(pieces(line)) == 1 for line in lines)
    for line, following in itertools.pairwise(lines):  # and each line takes what it can
        assert cell_len(f"{line}{pieces(following)[0]}") > width or cell_len(f"{line} {pieces(following)[0]}") > width


def test_chinese_is_wrapped_between_characters_and_numbers_stay_whole() -> None:
    lines = wrap("隐状态原样保留，此处经过 10,000 步。", 12)
    assert lines == ["隐状态原样保", "留，此处经过", "10,000 步。"]
    assert wrap("保留，", 4) == ["保", "留，"]


def test_what_a_text_begins_with_stays_and_a_hanging_indent_is_as_wide_as_the_first() -> None:
    assert wrap("    x = 1 + 2", 11) == ["    x = 1 +", "2"]
    assert wrap("a word and more", 14, "run   ") == ["run   a word", "      and more"]


@given(
    st.lists(st.tuples(st.text("abc ", min_size=1, max_size=30), WORDS.map(" ".join)), max_size=6), st.integers(30, 90)
)
def test_facts_keep_every_name_and_value(rows: list[tuple[str, str]], width: int) -> None:
    lines = [*facts(rows, width)]
    assert max(map(cell_len, lines), default=0) <= width
    assert "".join("".join(lines).split()) == "".join("".join(name + value for name, value in rows).split())


HEADER = ["(N, L, D, H)", "Penstock", "torch.nn.GRU", "", "of core alone", "target"]
ROWS = [
    ["(1, 1, 512, 512)", "0.043", "1,234.5", "training", "50%", "≤ 0.50"],
    ["(8, 1, 2, 2)", "12", "–", "", "5%", ""],
]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_a_table_gives_way_and_no_number_is_cut(width: int) -> None:
    lines = [*table(HEADER, ROWS, width)]
    assert max(map(cell_len, lines)) <= width
    said = " ".join(" ".join(lines).split())
    for row in ROWS:
        for cell in row:
            assert cell in said
    for name in HEADER:
        assert all(word in said for word in name.split())


def test_headings_give_way_first_then_columns_become_lines() -> None:
    header, rows = ["units", "scored, tokens/s"], [["256", "875,000"]]
    assert [*table(header, rows, 30)] == ["units  scored, tokens/s", "─" * 23, "256             875,000"]
    assert [*table(header, rows, 18)] == ["        scored,", "units  tokens/s", "─" * 15, "256     875,000"]
    assert [*table(header, rows, 14)] == ["units 256", "  scored,", "    tokens/s", "      875,000"]


@given(WORDS.filter(bool), st.integers(10, 60))
def test_a_command_can_be_pasted_whatever_the_width(words: list[str], width: int) -> None:
    lines = [*command(words, width)]
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == words
    assert all(cell_len(line) <= width or len(line.split()) <= 2 for line in lines)


def test_an_option_stays_beside_its_value() -> None:
    lines = [*command(["penstock", "train", "--out", "a b", "--resume"], 20)]
    assert lines == ["  penstock train \\", "    --out 'a b' \\", "    --resume"]


def test_items_stay_whole() -> None:
    assert flow("said of:", ["a b (1%)", "c d (2%)", "e f (3%)"], 20) == ["said of: a b (1%),", "  c d (2%), e f (3%)"]


@given(st.text(), WIDTHS)
def test_what_is_clipped_fits_and_says_so(text: str, width: int) -> None:
    shown = clipped(visible(text), width)
    assert cell_len(shown) <= width
    assert shown == visible(text) or shown.endswith("…")


def test_control_characters_are_made_visible() -> None:
    assert visible("a\n\t\r\x1b[31m\x00猫") == "a↵⇥␍�[31m�猫"
    assert visible("a\n\x1b", kept="\n") == "a\n�"
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", visible("".join(map(chr, range(0x300)))))


def test_a_curve_has_a_block_a_value() -> None:
    assert curve([3.0, 1.0, 2.0]) == "█▁▅"
    assert curve([2.0, 2.0]) == "▁▁"
    assert curve([]) == ""
