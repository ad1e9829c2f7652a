"""Reads a page of a trace as a person would: its tables, and the colours of its maps."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import FloatRect, Locator
from playwright.sync_api import Page as Shown


def rows(page: Shown, caption: str) -> list[list[str]]:
    table = page.locator("table", has=page.get_by_text(caption))
    return [row.locator("th, td").all_text_contents() for row in table.locator("tbody tr").all()]


def number(text: str) -> float:
    return 0.0 if text == "< 0.001" else float(text.replace("−", "-"))


def places(page: Shown, caption: str) -> dict[int, float]:
    """A table of positions: position to number, −1 for what came before."""
    return {-1 if where == "before" else int(where.split()[0]): number(value) for where, value in rows(page, caption)}


def pixels(page: Shown, selector: str) -> Any:
    """A canvas, (rows, columns, 4)."""
    script = """canvas => {
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        return [canvas.height, canvas.width, Array.from(copy.getImageData(0, 0, canvas.width, canvas.height).data)];
    }"""
    settled(page)
    height, width, values = page.locator(selector).first.evaluate(script)
    return np.reshape(values, (height, width, 4)).astype(float)


def settled(page: Shown) -> None:
    """Waits until all that can wait is drawn too."""
    page.wait_for_selector("html:not([data-drawing]):not(:has([aria-busy=true]))", state="attached")


def in_view(page: Shown, found: Locator) -> FloatRect:
    """Where an element is once it is in view, and what stands above it is laid out."""
    found.scroll_into_view_if_needed()
    before = None
    for _ in range(100):
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        box = found.bounding_box()
        if box is not None and box == before:
            return box
        before = box
    raise AssertionError("the page does not come to rest")


def written(page: Shown) -> dict[int, float]:
    return places(page, "Where this state was written")


def assert_largest(shown: dict[int, float], row: Any, tolerance: float = 2e-3) -> None:
    """The list holds the largest entries of row (L + 1,), in order; and what came before, be it one of them or not."""
    if list(shown)[-1] == -1:
        assert shown.pop(-1) == pytest.approx(row[0], abs=tolerance)
        row = np.append(0, row[1:])
    assert len(shown) in (min(7, np.count_nonzero(row)), min(8, np.count_nonzero(row)))
    largest = np.sort(np.abs(row))[::-1]
    for rank, (position, value) in enumerate(shown.items()):
        assert value == pytest.approx(row[position + 1], abs=tolerance)
        assert abs(value) == pytest.approx(largest[rank], abs=tolerance)
