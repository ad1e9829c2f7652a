"""A model of series without torch: the numbers of the torch module, and the same bits however rows come."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock
from penstock import PenstockError
from penstock.folder import held
from penstock.model_folder import StackConfig
from penstock.model_folder.series import SeriesAnswer, SeriesConfig, SeriesFiles, load_series_model
from penstock.nn.series_model import SeriesModel as TorchModel
from penstock.runtime.answers import AnswerStreams, answers_to, load_states, save_states
from penstock.runtime.series_model import SeriesRuntime
from penstock.series import Column, Keys, SeriesSet, description, learn_features
from penstock.series.segments import in_segments

LENGTHS = (5, 1, 9, 3)


def drawn(seed: int = 0, missing: float = 0.2, irregular: bool = True) -> SeriesSet:
    """Series of two numbers, one of which is missing here and there, and a category."""
    random = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(LENGTHS)])
    values = random.standard_normal((starts[-1], 3)).astype(np.float32) * 3 + 1
    values[random.random(len(values)) < missing, 0] = np.nan
    values[:, 2] = random.integers(0, 2, len(values))
    gaps = random.integers(1, 4, len(values)) if irregular else np.ones(len(values))
    columns = (Column("a"), Column("b"), Column("kind", "seen", ("x", "y")))
    return SeriesSet(
        tuple("pqrs"),
        starts.astype(np.int64),
        values,
        columns,
        times=np.cumsum(gaps).astype(np.float64),
        sources=("drawn",),
        keys=Keys(("id",), "t"),
    )


def made(answer: SeriesAnswer, outputs: int, segment: int, task: str, decay: bool = False, **stack: Any) -> TorchModel:
    series = drawn()
    parts = np.stack([np.zeros(4, np.int64), series.lengths], 1)
    features = learn_features(series, parts, ["a", "b", "kind"])
    reads = {**description(series), "features": features.to_json(), "pattern": None}
    config = SeriesConfig(outputs, StackConfig(features.size * (2 * segment or 1), 7, **stack), segment, decay)
    torch.manual_seed(1)
    model = TorchModel(config, SeriesFiles(task, reads, answer, config, {})).eval()
    if model.decay is not None:
        torch.nn.init.uniform_(model.decay.weight, -0.2, 1)
        torch.nn.init.uniform_(model.decay.bias, -0.2, 0.5)
    return model


CLASSES = SeriesAnswer("class", ("label",), ("no", "yes", "both"))
NUMBERS = SeriesAnswer("numbers", ("u", "v"), (), (1.0, -2.0), (3.0, 0.5))
MODELS = {
    "classes": lambda: made(CLASSES, 3, 1, "sequence"),
    "numbers": lambda: made(NUMBERS, 2, 0, "steps", num_layers=3, residual=True, reset="after"),
    "faded classes": lambda: made(CLASSES, 3, 1, "sequence", decay=True),
    "faded numbers": lambda: made(NUMBERS, 2, 0, "steps", decay=True, num_layers=2),
    "labels": lambda: made(SeriesAnswer("labels", ("u",)), 1, 3, "sequence", num_layers=2),
}


@pytest.fixture(params=MODELS)
def module(request: pytest.FixtureRequest) -> TorchModel:
    return MODELS[request.param]()


@pytest.fixture
def light(module: TorchModel, tmp_path: Path) -> SeriesRuntime:
    with held(tmp_path / "model", "model") as place:
        module.save_into(place)
    loaded: SeriesRuntime = penstock.load(tmp_path / "model")
    return loaded


def test_as_the_torch_module(module: TorchModel, light: SeriesRuntime) -> None:
    series = drawn(3)
    for k, outputs in enumerate(light.read(series)):
        one = series.one(k)
        x = light.features.whole(one.values, one.times)
        x = in_segments(x, light.config.segment) if light.config.segment else x
        wanted = module(torch.from_numpy(x)[:, None])[0][:, 0].detach().numpy()
        assert outputs == pytest.approx(wanted[-len(outputs) :], abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**20), order=st.randoms(use_true_random=False))
def test_rows_in_any_order_of_series_give_the_bits_of_the_whole(seed: int, order: Any) -> None:
    for make in MODELS.values():
        module = make()
        weights = {name: value.numpy() for name, value in module.state_dict().items()}
        model = SeriesRuntime(module.about._replace(config=module.config, weights=weights))
        series = drawn(seed)
        wanted = model.read(series)
        left = [k for k, length in enumerate(series.lengths) for _ in range(length)]
        order.shuffle(left)
        at, states = [0] * len(series), [None] * len(series)
        for k in left:
            one, t = series.one(k), at[k]
            outputs, states[k] = model.step(one.values[t].tolist(), states[k], float(one.times[t]))
            if not model.config.segment:
                assert np.array_equal(outputs, wanted[k][t]), (k, t)
            elif t + 1 == len(one.values):
                assert np.array_equal(outputs, wanted[k][0]), k
            at[k] += 1


def test_a_series_alone_and_among_others(light: SeriesRuntime) -> None:
    series = drawn(5)
    together = light.read(series)
    for k in range(len(series)):
        assert np.array_equal(light.read(series.only([k]))[0], together[k])


def test_answers_are_probabilities_or_numbers_of_the_columns_size() -> None:
    outputs = np.array([[1.0, -2.0, 0.5]], np.float32)
    files = made(CLASSES, 3, 1, "sequence")
    weights = {name: value.numpy() for name, value in files.state_dict().items()}
    model = SeriesRuntime(files.about._replace(config=files.config, weights=weights))
    odds = np.exp(outputs.astype(float))
    assert model.answers(outputs) == pytest.approx(odds / odds.sum())
    numbers = made(NUMBERS, 2, 0, "steps")
    weights = {name: value.numpy() for name, value in numbers.state_dict().items()}
    model = SeriesRuntime(numbers.about._replace(config=numbers.config, weights=weights))
    assert model.answers(np.array([2.0, 2.0], np.float32)).tolist() == [7.0, -1.0]


def test_an_episode_begins_with_a_cleared_state(tmp_path: Path) -> None:
    module = MODELS["numbers"]()
    about = module.about
    module.about = about._replace(reads={**about.reads, "episode": "start"})
    with held(tmp_path / "model", "model") as place:
        module.save_into(place)
    light: SeriesRuntime = penstock.load(tmp_path / "model")
    series = drawn(6)
    episodes = np.zeros(len(series.values), bool)
    episodes[[2, 4, 9]] = True
    found = light.read(dataclasses.replace(series, episodes=episodes))
    assert not np.array_equal(found[0], light.read(series)[0])
    for k, one in enumerate(map(series.one, range(4))):
        x = torch.from_numpy(light.features.whole(one.values, one.times))[:, None]
        resets = torch.from_numpy(episodes[series.starts[k] : series.starts[k + 1]])[:, None]
        assert found[k] == pytest.approx(module(x, None, resets)[0][:, 0].detach().numpy(), abs=1e-5)
    streams, last = AnswerStreams(light), []
    for k, one in enumerate(map(series.one, range(4))):
        for t, row in enumerate(one.values):
            a, b, kind = (None if value != value else float(value) for value in row)
            cells = {"a": a, "b": b, "kind": "xy"[int(kind or 0)], "start": int(episodes[series.starts[k] + t])}
            last.append(streams.row({"id": one.id, "t": float(one.times[t]), **cells}))
    wanted = light.answers(np.concatenate(found))
    assert [[row["penstock_u"], row["penstock_v"]] for row in last] == wanted.tolist()


def test_an_array_is_answered(light: SeriesRuntime) -> None:
    one = drawn(4).one(0)
    wanted = light.answers(light.read(drawn(4))[0])
    assert np.array_equal(light.predict(one.values, one.times), wanted[0] if light.config.segment else wanted)
    with pytest.raises(ValueError, match=r"values: expected \(L, C=3\) of a, b, kind, got \(5, 2\)"):
        light.predict(one.values[:, :2], one.times)


def test_streams_go_on_from_a_file(light: SeriesRuntime, tmp_path: Path) -> None:
    series = drawn(2)
    rows = [
        {"id": one.id, "t": float(time), "a": float(a), "b": float(b), "kind": "xy"[int(kind)]}
        for one in map(series.one, range(4))
        for time, (a, b, kind) in zip(one.times, one.values, strict=True)
    ]
    rows = [{name: None if value != value else value for name, value in row.items()} for row in rows]
    streams = AnswerStreams(light)
    wanted = [streams.row(row) for row in rows]
    first = AnswerStreams(light)
    found = [first.row(row) for row in rows[:7]]
    save_states(tmp_path / "states", first)
    second = AnswerStreams(light)
    load_states(tmp_path / "states", second)
    assert found + [second.row(row) for row in rows[7:]] == wanted
    if light.task == "steps":
        of_file = list(answers_to(light, series))
        assert [{**row, "t": str(row["t"])} for row in of_file] == [{**row, "t": f"{row['t']:g}"} for row in wanted]
    load_states(tmp_path / "none", second)  # which is not there yet
    (tmp_path / "states").write_bytes((tmp_path / "states").read_bytes()[:90])
    with pytest.raises(PenstockError, match=r"--state: .*: not the file that was written"):
        load_states(tmp_path / "states", AnswerStreams(light))


def test_states_of_another_model(light: SeriesRuntime, tmp_path: Path) -> None:
    other = made(CLASSES, 3, 1, "sequence")
    with torch.no_grad():
        other.output.bias += 1
    weights = {name: value.numpy() for name, value in other.state_dict().items()}
    model = SeriesRuntime(other.about._replace(config=other.config, weights=weights))
    save_states(tmp_path / "states", AnswerStreams(model))
    with pytest.raises(PenstockError, match="the states of another model"):
        load_states(tmp_path / "states", AnswerStreams(light))


def test_a_language_model_is_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"format": "penstock-model", "version": 2, "task": "language", "input": {}, "stack": {}, "output": {}}'
    )
    with pytest.raises(PenstockError, match="expected a model of series, got a language model"):
        load_series_model(tmp_path)


def test_features_that_are_not_the_weights(module: TorchModel) -> None:
    reads = dict(module.about.reads)
    reads["features"] = {**reads["features"], "gap": False}
    about = module.about._replace(reads=reads)
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    with pytest.raises(PenstockError, match="features: expected"):
        SeriesRuntime(about._replace(config=dataclasses.replace(module.config), weights=weights))
