"""The page of a model of series, in a real browser: what was answered and when, and what stands above the maps."""

from typing import Any

import numpy as np
import pytest
from browser import Show, keep, keys, tab_to, violations
from page_reader import assert_largest, number, pixels, rows, settled, written
from playwright.sync_api import expect
from traces import of_forecast, of_series, rows_of_series, series_model

from penstock.look.page import Page
from penstock.look.series_trace import trace_series
from penstock.look.trace import Trace

CURVE = {"steps": [1, 2, 3], "losses": [3, 2, 1.5], "each": 2, "heldOutSteps": [2, 3], "heldOutLosses": [1.25, 1.75]}
CONFUSION = {"classes": ["up", "down"], "counts": [[7, 2], [0, 11]]}


def test_a_class_says_when_it_was_decided_and_whether_it_is_right(show: Show) -> None:
    trace = of_series("class", 3)
    numeric = trace.numeric
    assert numeric is not None
    page = show(Page(trace, more={"curve": CURVE, "confusion": CONFUSION}))
    says = page.locator(".answer-says")
    expect(says).to_contain_text(f"The answer is ‘{numeric.told()}’")
    expect(says).to_contain_text("That is right." if numeric.told() == "up" else "The file says ‘up’.")
    decided = numeric.decided()
    assert numeric.when is not None
    if 0 < decided < 30:
        expect(says).to_contain_text(f"decided at row {decided} ({numeric.when[decided]}), of 0 to 30")
    settled(page)
    line = page.locator("#answer .marker.decided").bounding_box()
    over = page.locator("#answer .u-over").bounding_box()
    assert line is not None
    assert over is not None
    assert (line["x"] - over["x"]) / over["width"] == pytest.approx((decided + 0.5) / 33, abs=0.01)
    expect(page.locator("#confusion")).to_contain_text(
        "Of 20 series whose class the file says, 18 are answered rightly"
    )
    assert rows(page, "A row for each true class")[0] == ["up", "7", "2"]
    expect(page.locator("#curve-says")).to_contain_text("The least loss on held-out data was 1.250, at step 2 of 3.")
    expect(page.locator("#surprise")).to_be_hidden()


def test_the_columns_stand_above_the_strip_row_by_row(show: Show) -> None:
    trace = of_series("class", 3)
    page = show(Page(trace))
    settled(page)
    tab_to(page, ".strip")
    keys(page, "Home", "ArrowRight", "ArrowRight")
    assert trace.numeric is not None
    assert page.locator(".strip").get_attribute("aria-valuenow") == "2"
    expect(page.locator(".position")).to_contain_text("Rows 6 (1970-01-01 06:00) to 8 (1970-01-01 08:00)")
    shown = dict(rows(page, "Inputs at this position"))
    values = [number(value) for value in shown["flow"].split(", ")]
    assert shown["pump"].split(", ") == [("on", "off")[int(code)] for code in trace.numeric.values[6:9, 2]]
    assert values == pytest.approx(trace.numeric.values[6:9, 0], rel=1e-4)
    assert_largest(written(page), trace.layers[0].attention()[2])
    charts = page.locator(".sequence .u-over")
    assert charts.count() == 3  # each on a scale of its own
    strip, over = page.locator(".strip").bounding_box(), charts.last.bounding_box()
    assert strip is not None
    assert over is not None
    assert strip["x"] == pytest.approx(over["x"], abs=1.5)
    assert strip["width"] == pytest.approx(over["width"], abs=1.5)
    charts.last.click(position={"x": over["width"] * 9.5 / 11, "y": 20})
    assert page.locator(".strip").get_attribute("aria-valuenow") == "9"


def test_the_account_is_drawn_and_called_a_gradient(show: Show) -> None:
    trace = of_series("numbers", 0)
    numeric = trace.numeric
    assert numeric is not None
    page = show(Page(trace))
    expect(page.get_by_role("heading", name="What moved the answer: a gradient")).to_be_visible()
    expect(page.get_by_text("This is an approximation, unlike the attention")).to_be_attached()
    sums = numeric.account.sum(0)
    order = np.argsort(-np.abs(sums))
    shown = rows(page, "Sum over all rows")
    assert [name for name, _ in shown] == [numeric.columns[c] for c in order]
    assert [float(value.replace("−", "-")) for _, value in shown] == pytest.approx(sums[order], rel=1e-3, abs=1e-3)
    colours = pixels(page, ".account-map canvas")
    strong = np.abs(numeric.account.T) > 0.1 * np.abs(numeric.account).max()
    assert strong.any()
    assert ((colours[..., 0] > colours[..., 2]) == (numeric.account.T > 0))[strong].all()


def test_a_forecast_says_how_much_of_what_came_lies_inside(show: Show) -> None:
    trace = of_forecast(after=24)
    numeric = trace.numeric
    assert numeric is not None
    low, _, high = numeric.answers.T
    inside = int(((low <= numeric.truths[:, 0]) & (numeric.truths[:, 0] <= high)).sum())
    page = show(Page(trace))
    says = page.locator(".answer-says")
    expect(says).to_contain_text("The next 7 steps of flow after row 23 (1970-01-01 23:00)")
    expect(says).to_contain_text(f"Of the 7 values that came, {inside} lie inside.")
    expect(page.locator(".account")).to_contain_text("About the forecast of flow, its mean over the horizon.")
    legend = page.locator("#answer .u-legend").inner_text()
    assert [name in legend for name in ("flow", "quantile 0.9", "quantile 0.1", "median", "true")] == [True] * 5


def test_the_next_row_surprises(show: Show) -> None:
    trace = trace_series(series_model("next"), rows_of_series(dated=False), 1)
    assert trace.numeric is not None
    surprise = trace.numeric.surprise()
    assert surprise is not None
    most = int(np.nanargmax(surprise))
    page = show(Page(trace))
    expected = f"The least expected was row {most} (t {most * 2.5:g}): {surprise[most]:.2f} standard deviations off."
    expect(page.locator(".answer-says")).to_contain_text(expected)


def traces(kind: str) -> list[Trace]:
    return {
        "class": [of_series("class", 3)],
        "labels": [of_series("labels", 0)],
        "pair": [of_series("numbers", 0), of_series("numbers", 0, 1)],
        "forecast": [of_forecast(after=24)],
    }[kind]


@pytest.mark.parametrize(
    ("kind", "theme", "locale"),
    [
        ("class", "light", "en-US"),
        ("labels", "dark", "zh-CN"),
        ("pair", "light", "zh-CN"),
        ("forecast", "dark", "en-US"),
    ],
)
def test_everyone_can_use_it(show: Show, kind: str, theme: str, locale: str) -> None:
    more: dict[str, Any] = {"curve": CURVE, "confusion": CONFUSION}
    page = show(Page(*traces(kind), more=more), theme=theme, locale=locale)
    settled(page)
    assert violations(page) == []
    assert "undefined" not in page.locator("body").inner_text()
    keep(page, f"series-{kind}-{theme}-{locale[:2]}")


@pytest.mark.parametrize("kind", ["class", "pair", "forecast"])
def test_a_phone_is_wide_enough(show: Show, kind: str) -> None:
    page = show(Page(*traces(kind), more={"curve": CURVE, "confusion": CONFUSION}), width=360)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    keep(page, f"series-{kind}-phone")
