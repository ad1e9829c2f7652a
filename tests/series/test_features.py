"""Rows to features: a series in one piece and row by row, cut anywhere, give the same bits."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from series_made import read

from penstock import PenstockError
from penstock.series import FeatureColumn, Features, Scaling, learn_features, spacing

NAN = float("nan")


@st.composite
def cases(draw: st.DrawFn) -> tuple[Features, NDArray[np.float32], NDArray[Any] | None]:
    """Features of any kind, and a series for them."""
    columns, length = [], draw(st.integers(0, 12))
    for k in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            names = tuple("abcde"[: draw(st.integers(0, 5))])
            kept = tuple(name for name in names if draw(st.booleans()))
            columns.append(FeatureColumn(f"x{k}", names, kept))
        else:
            columns.append(FeatureColumn(f"x{k}", None, (), draw(st.booleans()), draw(st.floats(0, 3))))
    number = st.floats(-1e6, 1e6, width=32) | st.just(NAN)
    values = np.array(
        [
            [draw(number if column.categories is None else st.sampled_from([0, 1, 4, 5, NAN])) for column in columns]
            for _ in range(length)
        ],
        np.float32,
    ).reshape(length, len(columns))
    width = len(columns)
    center = np.array(draw(st.lists(st.floats(-1e3, 1e3), min_size=width, max_size=width)))
    spread = np.array(draw(st.lists(st.floats(1e-3, 1e3), min_size=width, max_size=width)))
    numbers = np.array([column.categories is None for column in columns])
    scaling = Scaling(np.where(numbers, center, 0.0), np.where(numbers, spread, 1.0), ("mean",) * width)
    times: NDArray[Any] | None = None
    if draw(st.booleans()):
        gaps = draw(st.lists(st.floats(0.01, 1e6), min_size=length, max_size=length))
        times = np.cumsum(np.array(gaps, np.float64)).reshape(length)
        if draw(st.booleans()):
            times = 1_700_000_000_000_000 + (times * 1e6).astype(np.int64)
    step = None if times is None else draw(st.floats(0.1, 1e7))
    return Features(tuple(columns), scaling, step, times is not None and draw(st.booleans())), values, times


@given(cases(), st.data())
@settings(max_examples=300)
def test_in_one_piece_and_row_by_row(
    case: tuple[Features, NDArray[np.float32], NDArray[Any] | None], data: st.DataObject
) -> None:
    features, values, times = case
    whole = features.whole(values, times)
    assert whole.shape == (len(values), features.size)
    assert np.isfinite(whole).all()
    cut = data.draw(st.integers(0, len(values)))
    stream, out = features.stream(), np.full(features.size, NAN, np.float32)
    for row in range(len(values)):
        if row == cut:  # goes on elsewhere
            state = stream.state
            stream = Features.from_json(json.loads(json.dumps(features.to_json()))).stream()
            stream.state = np.frombuffer(state.tobytes())
        time = None if times is None else times[row]
        given_ = values[row] if data.draw(st.booleans()) else values[row].tolist()
        found = stream.step(given_, time, out if row % 2 else None)
        assert found.dtype == np.float32
        assert found.tobytes() == whole[row].tobytes()


def test_by_hand() -> None:
    """Values carried on and faded, what is seen, and since when."""
    column = FeatureColumn("x", None, (), True, math.log(2))
    features = Features((column,), Scaling(np.array([1.0]), np.array([2.0]), ("mean",)), 10.0, True)
    assert features.names == ("x", "x seen", "x since", "gap")
    values = np.array([[NAN], [5], [NAN], [NAN], [1]], np.float32)
    whole = features.whole(values, np.array([0, 10, 20, 40, 50.0]))
    log = math.log1p
    expected = [
        [0, 0, 0, 0],  # nothing yet
        [2, 1, log(1), log(1)],  # (5 − 1) / 2; the series began one step ago
        [1, 0, log(1), log(1)],  # half a step later
        [0.25, 0, log(3), log(2)],
        [0, 1, log(4), log(1)],  # as in GRU-D, until it is seen again
    ]
    np.testing.assert_allclose(whole, expected, rtol=1e-6)


def test_what_is_learned(tmp_path: Path) -> None:
    hours = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]
    lines = [
        f"2024-01-01 {hour:02}:00,{hour},{hour % 2 if hour != 3 else ''},{'often' if hour else 'rare'}"
        for hour in hours
    ]
    series = read(tmp_path / "t.csv", "time,trend,flips,kind\n" + "\n".join(lines) + "\n2024-01-02 00:00,9999,0,new\n")
    training = np.array([[0, len(hours)]])
    features = learn_features(series, training, ["kind", "trend", "flips"])
    assert features.names == ("kind=often", "kind=other", "trend", "flips", "flips seen", "flips since", "gap")
    assert features.step == 3_600_000_000
    assert features.scaling.center[1] == pytest.approx(np.mean(hours))
    kind, trend, flips = features.columns
    assert trend.rate < 0.01
    assert flips.rate == pytest.approx(-math.log(0.05))
    assert kind.kept == ("often",)
    rows = features.whole(series.values[:, [2, 0, 1]], series.times)
    assert rows[0, :2].tolist() == [0, 1]
    assert rows[5, :2].tolist() == [1, 0]
    assert rows[-1, :2].tolist() == [0, 1]  # what training never saw
    assert rows[5, -1] == np.float32(math.log(3))
    alone = features.only(["trend"])
    assert alone.names == ("trend",)
    np.testing.assert_array_equal(alone.whole(series.values[:, [0]], series.times)[:, 0], rows[:, 2])


def test_nothing_is_learned_from_other_rows(tmp_path: Path) -> None:
    text = "id,x\n" + "a,1\na,2\na,3\nb,4\nb,6\n"
    one = read(tmp_path / "t.csv", text + "b,\nc,1e9\n")
    other = read(tmp_path / "t.csv", text + "b,77\nc,-5\n")
    training = np.array([[0, 3], [0, 2], [0, 0]])
    assert learn_features(one, training, ["x"]).to_json() == learn_features(other, training, ["x"]).to_json()


def test_regular_steps_have_no_gap(tmp_path: Path) -> None:
    months = [f"{year}-{month:02},1\n" for year in (2023, 2024) for month in range(1, 13)]
    series = read(tmp_path / "t.csv", "time,x\n" + "".join(months))
    assert not learn_features(series, np.array([[0, 24]]), ["x"]).gap
    found = spacing(series)
    assert found is not None
    assert found.unit == "1 month"


NOTHING = {"center": [], "spread": [], "statistic": []}


@pytest.mark.parametrize("content", [{}, {"columns": [], "scaling": NOTHING, "step": -1, "gap": 0}])
def test_what_are_no_features(content: dict[str, object]) -> None:
    with pytest.raises(PenstockError, match="features: expected"):
        Features.from_json(content)


def test_wrong_arguments() -> None:
    features = Features((FeatureColumn("x"),), Scaling(np.zeros(1), np.ones(1), ("mean",)), 1.0)
    with pytest.raises(ValueError, match="times: expected"):
        features.whole(np.zeros((2, 1)))
    with pytest.raises(ValueError, match="time: expected"):
        features.stream().step([1.0])
    with pytest.raises(ValueError, match=r"state: expected \(1 \+ 2 C = 3,\), got \(2,\)"):
        features.stream().state = np.zeros(2)
