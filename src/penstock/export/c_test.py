"""Golden vectors of a model, made by the runtime, and the program in C that compares with them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.export.arrays import array, padded
from penstock.export.c_source import BANNER, piece
from penstock.export.model import CModel
from penstock.runtime.sampling import sample

STEPS = 20
MOST = 1 << 13
"""Outputs that are written down, about; of large vocabularies not those of every step."""
SEED = 13
TEMPERATURE = 0.8


def test_program(model: CModel) -> str:
    """The text of gru_test.c."""
    arrays = _of_language(model) if model.kind == "language" else _of_series(model)
    steps, rest = {
        "language": ("tokens", "language"),
        "texts": ("tokens", "texts"),
        "rows": ("rows", "rows"),
        "segments": ("rows", "rows"),
    }[model.kind]
    text = BANNER + "".join(f"#include <{name}.h>\n" for name in ("math", "stdint", "stdio")) + '\n#include "gru.h"\n\n'
    text += f"#define STEPS {STEPS}\n"
    text += f"#define ANSWERED {len(arrays['outputs'])} /* steps at the end whose outputs are here */\n\n"
    text += "".join(array(name, values) for name, values in arrays.items())
    pieces = (f"test/{name}.c" for name in ("compare", f"rest_{rest}", steps, "end"))
    return text + "\n" + "\n".join(map(piece, pieces))


def _of_language(model: CModel) -> dict[str, NDArray[Any]]:
    """Tokens from a state that is not zero, the logits that follow each, and a token to be drawn."""
    runtime = model.runtime
    random = np.random.default_rng(SEED)
    V = len(runtime.vocabulary)
    tokens = random.integers(0, V, STEPS).astype(np.int32)
    state = _hidden(model, random)
    before, outputs = state, []
    for token in tokens.tolist():
        top, state = runtime._step(token, state)
        outputs.append(runtime._output.logits(top)[0])
    drawn = _drawn(outputs[-1], runtime.vocabulary.unknown)
    return {
        "tokens": tokens,
        "before": padded(before),
        "outputs": np.stack(outputs[-max(1, MOST // V) :]),
        "after": padded(state),
        "drawing": np.array([TEMPERATURE, drawn[0]], np.float32),
        "drawn": np.array([drawn[1], drawn[2]], np.int32),
    }


def _drawn(logits: NDArray[np.float32], unknown: int | None) -> tuple[float, int, int]:
    """A random number far from where tokens meet, the token that it draws, and the likeliest one."""
    odds = logits.astype(np.float64) / TEMPERATURE
    if unknown is not None:
        logits, odds[unknown] = logits.copy(), -np.inf
        logits[unknown] = -np.inf
    odds = np.exp(odds - odds.max())
    ends = np.cumsum(odds / odds.sum())
    likely = int(np.argsort(-odds)[min(1, len(odds) - 1)])
    number = float(ends[likely] - odds[likely] / odds.sum() / 2)

    class Fixed:
        def random(self) -> float:
            return number

    drawn: Any = Fixed()
    return number, sample(logits, drawn, temperature=TEMPERATURE), int(np.argmax(logits))


def _of_series(model: CModel) -> dict[str, NDArray[Any]]:
    """Tokens, or rows and their times, what is answered at each, and the last answer."""
    runtime = model.runtime
    random = np.random.default_rng(SEED)
    if model.kind == "texts":
        tokens = random.integers(0, len(runtime.vocabulary), STEPS).astype(np.int32)
        inputs: dict[str, NDArray[Any]] = {"tokens": tokens}
        embedded = runtime.weights["embedding.weight"][tokens]
        before = after = None
        outputs = np.stack([runtime._read([embedded[: n + 1]])[0][0] for n in range(STEPS)])
    else:
        rows, times = _rows(model, random)
        inputs = {"rows": rows, "times": times}
        stream = runtime.stream(runtime.initial_state()._replace(hidden=_hidden(model, random)))
        before = stream.state.hidden
        outputs = np.stack([stream.step(row, time) for row, time in zip(rows.tolist(), times.tolist(), strict=True)])
        after = stream.state.hidden
    arrays = inputs | {"outputs": outputs, "answers": runtime.answers(outputs[-1]).astype(np.float32)}
    if before is not None and after is not None:
        arrays |= {"before": padded(before), "after": padded(after)}
    return arrays


def _hidden(model: CModel, random: np.random.Generator) -> NDArray[np.float32]:
    shape = model.stack.num_layers, model.stack.hidden_size
    return random.uniform(-0.9, 0.9, shape).astype(np.float32)


def _rows(model: CModel, random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Rows (STEPS, C) as training had them, some numbers missing, and their times."""
    features = model.runtime.features
    rows = np.empty((STEPS, len(features.columns)), np.float32)
    for k, column in enumerate(features.columns):
        if column.categories is None:
            rows[:, k] = random.normal(features.scaling.center[k], features.scaling.spread[k], STEPS)
        else:
            rows[:, k] = random.integers(0, len(column.categories) + 1, STEPS)
    rows[random.uniform(size=rows.shape) < 0.1] = np.nan
    apart = random.integers(1, 4 if features.gap else 2, STEPS)
    return rows, np.cumsum(apart).astype(np.float64) * float(features.step or 1.0)
