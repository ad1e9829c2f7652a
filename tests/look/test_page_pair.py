"""Two texts on one page, aligned, and their difference."""

import numpy as np
import pytest
from browser import Show
from page_reader import number, pixels, places, rows
from playwright.sync_api import expect
from traces import CATS, of_text

from penstock.look.page import Page


def test_two_texts_side_by_side(show: Show) -> None:
    first, second = map(of_text, CATS)
    page = show(Page(first, second))
    for text, trace in enumerate((first, second)):
        panel = page.locator(f"#position-{text} table", has=page.get_by_text("Where this state was written"))
        shown = {
            int(where.split()[0]): number(value)
            for where, value in (row.locator("th, td").all_text_contents() for row in panel.locator("tbody tr").all())
            if where != "before"
        }
        row = trace.layers[0].attention()[-1]
        assert shown == {position: pytest.approx(row[position + 1], abs=2e-3) for position in shown}
    # aligned with the fewest changes: an s is put in, and of the verb two letters are replaced and one is put in
    page.locator("#t0-12").click()
    assert page.locator("#text-1 .chosen").get_attribute("id") == "t1-13"
    matched = np.delete(np.arange(len(second)), [7, 39])
    # the difference of both, by unit
    differ = np.abs(second.layers[0].hidden[matched] - first.layers[0].hidden)
    order = np.argsort(-differ.mean(0), kind="stable")
    apart = (second.layers[0].update[matched] - first.layers[0].update)[:, order].T
    colours = pixels(page, "#map-update .map canvas")
    assert colours.shape[1] == len(second)
    assert (np.flatnonzero((colours[..., 3] == 0).all(0)) == [7, 39]).all()
    strong = np.abs(apart) > 0.05
    assert ((colours[:, matched, 0] > colours[:, matched, 2]) == (apart > 0))[strong].all()
    units = rows(page, "Units that differ most (hidden state)")
    assert [int(unit) for unit, _ in units] == list(order[:8])
    positions = places(page, "Positions that differ most (hidden state)")
    assert list(positions.values()) == pytest.approx(np.sort(differ.mean(1))[::-1][:8], abs=2e-3)
    page.locator("#shown [value='1']").check()
    assert pixels(page, "#map-update .map canvas").shape[1] == len(second)


def test_what_has_no_counterpart_leaves_the_other_text_where_it_was(show: Show) -> None:
    page = show(Page(of_text("the cat sat"), of_text("the cats sat")))
    page.locator("#t0-8").click()
    assert page.locator("#text-1 .chosen").get_attribute("id") == "t1-9"
    page.locator("#t1-7").click()
    assert page.locator("#text-0 .chosen").get_attribute("id") == "t0-8"
    assert page.locator("#text-1 .chosen").get_attribute("id") == "t1-7"


def test_what_is_left_out_has_no_counterpart_either(show: Show) -> None:
    page = show(Page(of_text("the cats sat"), of_text("the cat sat")))
    page.locator("#t0-9").click()
    assert page.locator("#text-1 .chosen").get_attribute("id") == "t1-8"
    assert (np.flatnonzero((pixels(page, "#map-update .map canvas")[..., 3] == 0).all(0)) == [7]).all()


def test_two_equal_texts_say_so(show: Show) -> None:
    page = show(Page(of_text("same"), of_text("same")))
    expect(page.get_by_text("The two are identical.")).to_be_visible()
