"""The page: escaped, self-contained, with what each claim says, and whether it holds."""

import re
from pathlib import Path

import pytest

from penstock import PenstockError
from penstock.lab import draw, report
from penstock.lab.claim import Claim, Effort, Measured, Table, Words, number, share

CURVES = draw.curves("a < b", [1, 2], {"GRU": [number([1, 2]), number([3])]}, xlabel="<steps>")


def claim(holds: bool) -> Claim:
    return Claim(
        name="<b>bold</b>",
        says=Words("cats & mice", "猫 & 鼠"),
        done=Words("counted <them>", "数了"),
        figures={"a <figure>": share([0.5, 0.75])},
        criterion=Words("more < less", "多 < 少"),
        holds=holds,
        tables=[Table("<table>", ["<column>"], {"<row>": [number([0.125])]})],
        pictures=[CURVES],
    )


def test_text_is_inert_and_nothing_is_lost() -> None:
    page = report.page([claim(True)], Effort())
    for inert in (
        "&lt;b&gt;bold&lt;/b&gt;",
        "cats &amp; mice",
        "猫 &amp; 鼠",
        "counted &lt;them&gt;",
        "a &lt;figure&gt;",
    ):
        assert inert in page
    assert "<b>" not in page
    assert "62.5% (50.0% … 75.0%)" in page
    assert "&lt;column&gt;" in page
    assert "0.125" in page
    assert "✓ holds" in page
    assert "1 of 1 hold" in page


def test_what_does_not_hold_is_said_in_words() -> None:
    page = report.page([claim(False), claim(True)], Effort(1, quick=True))
    assert "✗ does not hold" in page
    assert "1 of 2 hold" in page
    assert "2 条中有 1 条成立" in page
    assert "trains too little" in page


def test_it_asks_no_network_and_no_name_twice() -> None:
    page = report.page([claim(True), claim(False)], Effort())
    assert not re.search(r"(src|href)=\"(?!#)[^\"]*\"", page.replace("xlink:href", "href"))
    assert "<script" not in page
    assert "@import" not in page


def test_a_picture_takes_the_colour_of_its_text_and_is_reproducible() -> None:
    again = draw.curves("a < b", [1, 2], {"GRU": [number([1, 2]), number([3])]}, xlabel="<steps>")
    assert again == CURVES
    assert "currentColor" in CURVES.svg
    assert "#000000" not in CURVES.svg
    assert "&lt;steps&gt;" in CURVES.svg


def test_a_figure_is_its_mean_and_range() -> None:
    assert str(Measured((1, 2, 3), ".1f")) == "2.0 (1.0 … 3.0)"
    assert str(Measured((2.0,), ".1f")) == "2.0"
    assert str(Measured((2.0, 2.0001), ".1f")) == "2.0"


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"cannot be written: No such file or directory"):
        report.write(tmp_path / "no" / "lab.html", [], Effort())
