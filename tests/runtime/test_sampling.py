"""Drawing follows the distribution, and its cuts."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.runtime.sampling import numbers, sample, until

P = np.array([0.1, 0.4, 0.2, 0.05, 0.25])


def draw(log_probabilities: Any, number: float, **options: Any) -> int:
    return sample(np.asarray(log_probabilities), number, **options)


def frequencies(**options: float) -> np.ndarray:
    drawn = [sample(np.log(P), number, **options) for number in numbers(0, 20_000)]
    return np.bincount(drawn, minlength=len(P)) / len(drawn)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, P),
        ({"temperature": 0.5}, P**2 / (P**2).sum()),
        ({"temperature": 2.0}, P**0.5 / (P**0.5).sum()),
        ({"top_k": 2}, [0, 0.4 / 0.65, 0, 0, 0.25 / 0.65]),
        ({"top_p": 0.7}, [0, 0.4 / 0.85, 0.2 / 0.85, 0, 0.25 / 0.85]),
        ({"top_p": 0.65}, [0, 0.4 / 0.65, 0, 0, 0.25 / 0.65]),
        ({"top_k": 3, "top_p": 0.5}, [0, 0.4 / 0.65, 0, 0, 0.25 / 0.65]),
        ({"top_k": 99}, P),
        ({"top_p": 1.0}, P),
        ({"temperature": 0}, [0, 1, 0, 0, 0]),
        ({"temperature": 1e-310}, [0, 1, 0, 0, 0]),
    ],
)
def test_frequencies(options: dict[str, float], expected: list[float]) -> None:
    # 20,000 draws: a frequency's standard deviation is at most 0.0036
    np.testing.assert_allclose(frequencies(**options), expected, rtol=0, atol=0.015)


@given(st.data(), st.integers(1, 60), st.sampled_from([np.float32, np.float64]))
def test_each_token_has_its_share_of_the_numbers(data: st.DataObject, V: int, dtype: type) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    logits = np.round(rng.normal(size=V) * 3, data.draw(st.integers(0, 5))).astype(dtype)  # few digits: ties
    temperature = data.draw(st.sampled_from([1.0, 0.3, 2.0, 1e-5]))
    top_k = data.draw(st.none() | st.integers(1, V + 2))
    top_p = data.draw(st.none() | st.floats(0.01, 1))

    # as the definition says it: the most likely first, of equal ones the first; k of them; the fewest with top_p
    order = sorted(range(V), key=lambda k: (-logits[k], k))[:top_k]
    p = np.exp((logits[order].astype(float) - logits.max()) / temperature)
    p /= p.sum()
    if top_p is not None:
        before = np.cumsum(p) - p
        if np.isclose(before, top_p, rtol=0, atol=1e-12).any():
            return  # rounding decides
        p[before >= top_p] = 0
    shares = np.zeros(V)
    shares[order] = p / p.sum()

    ends = np.cumsum(shares)
    for k in np.flatnonzero(shares > 1e-9):
        begin, end = ends[k] - shares[k], ends[k]
        for number in (begin + 1e-3 * shares[k], (begin + end) / 2, end - 1e-3 * shares[k]):
            assert draw(logits, number, temperature=temperature, top_k=top_k, top_p=top_p) == k


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_has_no_probability_is_never_drawn(dtype: type) -> None:
    log_probabilities = np.array([-np.inf, 0.0, -np.inf], dtype)
    assert {sample(log_probabilities, number) for number in numbers(0, 50)} == {1}
    for options in ({}, {"temperature": 1e-310}, {"top_k": 2}, {"top_p": 1.0}, {"top_k": 3, "top_p": 0.5}):
        for number in (0.0, 0.5, np.nextafter(1, 0)):
            assert draw(log_probabilities, number, **options) == 1


def test_a_product_that_is_rounded_up_to_the_sum_draws_what_can_be_drawn() -> None:
    for size in range(2, 200):
        p = np.random.default_rng(size).random(size) * 10.0 ** -np.arange(size)
        p[-1] = 0
        with np.errstate(divide="ignore"):
            assert p[draw(np.log(p), np.nextafter(1, 0))] > 0


def test_what_is_very_unlikely_among_many_has_its_share_too() -> None:
    logits = np.zeros(100_000, np.float32)
    logits[1] = -18  # e⁻¹⁸ of 100,000: 1.5 · 10⁻¹³, far less than a float32 tells from what comes before
    share = np.exp(-18) / (99_999 + np.exp(-18))
    first = 1 / (99_999 + np.exp(-18))
    assert [draw(logits, first + part * share) for part in (-0.5, 0.5, 1.5)] == [0, 1, 2]


def test_logits_draw_as_their_log_probabilities_do() -> None:
    logits = np.random.default_rng(0).normal(size=50).astype(np.float32)
    for number in np.linspace(0, 1, 200, endpoint=False):
        for options in ({}, {"temperature": 0.7, "top_k": 9}, {"top_p": 0.8}):
            assert draw(logits, number, **options) == draw(logits + 8, number, **options)


def test_the_argument_stays_as_it_is() -> None:
    for dtype in (np.float32, np.float64):
        logits = np.random.default_rng(0).normal(size=50).astype(dtype)
        before = logits.copy()
        sample(logits, 0.3, temperature=0.5, top_k=9, top_p=0.5)
        np.testing.assert_array_equal(logits, before)


def test_numbers_are_those_of_the_generator() -> None:
    """However many are drawn at once."""
    generator = np.random.default_rng(5)
    assert [*numbers(5, 700)] == [generator.random() for _ in range(700)]


STOPS = (["END"], ["aab", "ab"], ["a"], ["abab", "b"], ["xyz", "zz", "yzz"])


@given(text=st.text("abENDxyz", max_size=40), cuts=st.lists(st.integers(0, 40)), stops=st.sampled_from(STOPS))
def test_the_text_ends_before_a_stop_wherever_it_is_cut(text: str, cuts: list[int], stops: list[str]) -> None:
    at = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in itertools.pairwise(at)]
    end = min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))
    assert "".join(until(pieces, stops)) == text[:end]
    in_bytes = until([piece.encode() for piece in pieces], [stop.encode() for stop in stops])
    assert b"".join(in_bytes) == text[:end].encode()


def test_what_cannot_be_a_stop_waits_for_nothing() -> None:
    pieces = iter(["one", " E", "N", "Dless"])
    written = until(pieces, ["ENDED"])
    assert next(written) == "one"
    assert next(written) == " "
    assert [*written] == ["ENDless"]


def test_nothing_is_read_after_a_stop() -> None:
    pieces = iter(["a", "b", "c", "d"])
    assert [*until(pieces, ["bc"])] == ["a"]
    assert [*pieces] == ["d"]
