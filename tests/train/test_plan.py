"""Defaults move with the corpus, the time and the speed, and give way to what a person says."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from penstock import PenstockError
from penstock.tasks.language.data import TextData
from penstock.tasks.language.settings import LanguageSettings
from penstock.tasks.language.task import TASK
from penstock.text import CharVocabulary
from penstock.text.tokens import Prepared, Tokens
from penstock.train import plan as module
from penstock.train.plan import Plan, make_plan
from penstock.train.settings import Settings
from penstock.train.task import Begun

VOCABULARY = CharVocabulary("abcdefgh")
OWN = {field.name for field in dataclasses.fields(LanguageSettings)}


def planned(count: int = 1_000_000, tells: bool = True, **settings: Any) -> Plan:
    tokens = Tokens(np.zeros(count, np.uint8), np.zeros(1, np.int64), count)
    own = LanguageSettings(**{name: settings.pop(name) for name in OWN & settings.keys()})
    chosen = Settings(**{"device": "cpu", **settings})
    prepared = Prepared(tokens, round(count * (1 - chosen.holdout)), VOCABULARY, {}, "digest")
    data = TextData(prepared)
    data.tells = tells
    return make_plan(TASK, Begun(chosen, own, data, "tokens"), ["corpus"])


@pytest.fixture(autouse=True)
def speed(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A machine that trains 1e10 parameters × steps a second, until a test says otherwise."""
    machine = {"parameters": 1e10}

    def steps_per_second(_task: Any, model: Any, *_: Any) -> float:
        return machine["parameters"] / model.parameters()

    monkeypatch.setattr(module, "_steps_per_second", steps_per_second)
    return machine


def hidden(size: str) -> int:
    return TASK.presets[size]["hidden"]


def test_more_time_or_speed_makes_a_larger_model(speed: dict[str, float]) -> None:
    sizes = [planned(minutes=minutes).model.stack.hidden_size for minutes in (0.01, 0.3, 3, 30, 300)]
    assert sizes == sorted(sizes)
    assert sizes[0] == hidden("tiny")
    assert len(set(sizes)) >= 3
    slow = planned(minutes=3).model.stack.hidden_size
    speed["parameters"] *= 10
    assert planned(minutes=3).model.stack.hidden_size > slow


def test_more_steps_make_a_larger_model_whatever_the_speed(speed: dict[str, float]) -> None:
    speed["parameters"] = float("nan")
    assert planned(steps=10).model.stack.hidden_size < planned(steps=10_000).model.stack.hidden_size


def test_dropout_rises_with_the_passes_over_the_text() -> None:
    dropouts = [planned(epochs=epochs, size="tiny").model.stack.dropout for epochs in (1, 5, 10, 20, 50, 100)]
    assert dropouts == sorted(dropouts)
    assert dropouts[0] == 0 < dropouts[-1] < 0.5


def test_what_is_held_out_tells_when_to_stop_or_the_passes_do() -> None:
    short = planned(5_000, minutes=10, size="tiny")
    assert (short.minutes, short.steps) == (10, None)
    plan = planned(5_000, tells=False, minutes=10, size="tiny")
    assert plan.minutes is None
    assert plan.steps is not None
    assert plan.expected_passes == module.MOST_PASSES
    assert planned(tells=False, minutes=0.01).steps is None
    assert planned(5_000, tells=False, steps=10**6).steps == 10**6  # as a person says


def test_the_learning_rate_falls_with_width_steps_and_vocabulary_and_rises_with_the_batch() -> None:
    rates = [planned(hidden=hidden, steps=2400, streams=32).learning_rate for hidden in (64, 256, 1024)]
    assert rates == pytest.approx([0.1 / 8, 0.1 / 16, 2.3 / 1024])
    rates = [planned(hidden=256, steps=steps).learning_rate for steps in (10, 480, 2400, 38_400)]
    assert rates == pytest.approx([0.1 / 16 * factor for factor in (5**0.25, 5**0.25, 1, 0.5)])
    assert planned(hidden=256, steps=2400, streams=2).learning_rate == pytest.approx(0.1 / 16 / 2)
    plan = planned(hidden=256, steps=2400)
    wide = dataclasses.replace(plan, model=dataclasses.replace(plan.model, vocabulary_size=8192))
    assert module.learning_rate(TASK, wide, 2400) == pytest.approx(0.1 / 16 / 2)
    assert planned(hidden=8, steps=2400).learning_rate == 0.02
    said = planned(hidden=256, steps=2400, learning_rate=0.5)
    assert module.learning_rate(TASK, said, 9) == 0.5


def test_what_is_said_is_done() -> None:
    plan = planned(hidden=96, embedding=10, layers=3, dropout=0.25, learning_rate=0.5, streams=7, steps=11)
    assert (plan.model.stack.hidden_size, plan.model.stack.input_size, plan.model.stack.num_layers) == (96, 10, 3)
    assert (plan.model.stack.dropout, plan.learning_rate, plan.streams, plan.steps) == (0.25, 0.5, 7, 11)
    assert planned(hidden=96, tied=True).model.stack.input_size == 96
    assert planned(size="large").model.stack.hidden_size == hidden("large")


def test_the_budget() -> None:
    assert (planned().minutes, planned().steps) == (3.0, None)
    assert (planned(minutes=7).minutes, planned(minutes=7).steps) == (7, None)
    plan = planned(epochs=2, streams=10, chunk=90)
    assert (plan.minutes, plan.steps) == (None, 2000)
    assert plan.expected_passes == pytest.approx(2)


def test_the_split() -> None:
    plan = planned(1000, holdout=0.25)
    assert (plan.training, plan.held_out) == (750, 250)
    assert planned(1000, holdout=0).held_out == 0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_little_text(count: int) -> None:
    with pytest.raises(PenstockError, match=rf"corpus: {count} tokens are too few"):
        planned(count)


def test_a_short_text_has_fewer_streams() -> None:
    assert planned(1000).streams == 900 // 128
    assert planned(30).streams == 1


def test_a_device_that_is_not_there() -> None:
    for device in ("cuda:77", "toaster", "meta"):
        with pytest.raises(PenstockError, match=rf"--device: '{device}' cannot be used here"):
            planned(device=device)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 1, "minutes": 1}, "expected one of --minutes, --steps and --epochs, got --minutes and --steps"),
        ({"steps": 0}, "--steps: expected more than 0, got 0"),
        ({"minutes": float("nan")}, "--minutes: expected more than 0, got nan"),
        ({"holdout": 1.0}, "--holdout: expected 0 to 0.9, got 1.0"),
        ({"weight_decay": -1}, "--weight-decay: expected 0 or more, got -1"),
        ({"weight_decay": float("nan")}, "--weight-decay: expected a finite number, got nan"),
        ({"minutes": float("inf")}, "--minutes: expected a finite number, got inf"),
        ({"seed": -1}, "--seed: expected 0 to 9223372036854775807, got -1"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PenstockError, match=message):
        (LanguageSettings if settings.keys() <= OWN else Settings)(**settings)
