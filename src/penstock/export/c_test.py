"""Golden vectors of a model, made by the runtime, and the program in C that compares with them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.engine import text
from penstock.export.arrays import array, padded
from penstock.export.c_source import BANNER
from penstock.export.model import CModel
from penstock.fixed_point import ONE, WIDE, embed, whole
from penstock.runtime.layer import output_layer
from penstock.runtime.sampling import sample

STEPS = 20
MOST = 1 << 13
"""Outputs that are written down, about; of large vocabularies not those of every step."""
SEED = 13
TEMPERATURE = 0.8

Arrays = dict[str, NDArray[Any]]


def test_program(model: CModel) -> str:
    """The text of gru_test.c."""
    make, steps = {
        "language": (_of_language, "tokens"),
        "texts": (_of_texts, "tokens"),
        "rows": (_of_rows, "rows"),
        "segments": (_of_rows, "rows"),
        "states": (_of_states, "states"),
    }[model.kind]
    arrays = make(model, np.random.default_rng(SEED))
    program = BANNER + '#include <math.h>\n#include <stdint.h>\n#include <stdio.h>\n\n#include "gru.h"\n\n'
    program += f"#define STEPS {STEPS}\n"
    program += f"#define ANSWERED {len(arrays['outputs'])} /* steps at the end whose outputs are here */\n\n"
    program += "".join(array(name, values) for name, values in arrays.items())
    of = model.number
    chosen = {
        "failed": True,
        "compare_float": of == "float" or model.answer is not None,
        f"outputs_{of}": True,
        f"states_{of}": "after" in arrays,
        f"rest_{'rows' if model.rows else model.kind}": True,
        f"steps_{steps}": True,
        f"end_{of}": True,
    }
    pieces = (f"test/{name}.c" for name, used in chosen.items() if used)
    return program + "\n" + "\n".join(map(text, pieces))


def _of_language(model: CModel, random: np.random.Generator) -> Arrays:
    """Tokens from a state that is not zero, the logits that follow each, and a token to be drawn."""
    V, unknown = len(model.runtime.vocabulary), model.runtime.vocabulary.unknown
    tokens = random.integers(0, V, STEPS).astype(np.int32)
    state = _hidden(model, random)
    before, outputs = state, []
    for token in tokens.tolist():
        logits, state = _next(model, token, state)
        outputs.append(logits)
    drawn = _drawn(outputs[-1].astype(np.float32) * np.float32(model.out_unit), unknown)
    return {
        "tokens": tokens,
        "before": _states(model, before),
        "outputs": np.stack(outputs[-max(1, MOST // V) :]),
        "after": _states(model, state),
        "drawing": np.array([TEMPERATURE, drawn[0]], np.float32),
        "drawn": np.array([drawn[1], drawn[2]], np.int32),
    }


def _next(model: CModel, token: int, state: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """After a token the logits as C has them, and the new state (K, H)."""
    runtime = model.runtime
    _, after = runtime.step(token, state)
    if model.fixed is not None:
        assert model.fixed.embedding is not None
        top, _ = model.fixed.step(embed(model.fixed.embedding, np.array(token)), whole(state, 2.0**ONE), model.stack)
        return model.fixed.outputs(top), after
    top = np.add.accumulate(after)[-1] if model.stack.residual else after[-1]
    weight = runtime.weights["embedding.weight" if runtime.config.tied else "output.weight"]
    return output_layer(weight, runtime.weights["output.bias"]).logits(top[None])[0], after


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
    return number, sample(logits, number, temperature=TEMPERATURE), int(np.argmax(logits))


def _of_texts(model: CModel, random: np.random.Generator) -> Arrays:
    """The tokens of a text, what is answered to its beginnings, and the last answer."""
    runtime = model.runtime
    tokens = random.integers(0, len(runtime.vocabulary), STEPS).astype(np.int32)
    embedded = runtime._embedding[tokens]
    outputs = np.stack([runtime._read([embedded[: n + 1]])[0][0] for n in range(STEPS)])
    answers = runtime.answers(outputs[-1]).astype(np.float32)
    return {"tokens": tokens, "outputs": _outputs(model, outputs), "answers": answers}


def _of_rows(model: CModel, random: np.random.Generator) -> Arrays:
    """Rows and their times, from a state that is not zero, what is answered at each, and the last answer."""
    runtime = model.runtime
    rows, times = _rows(model, random)
    before = _hidden(model, random)
    stream, state = runtime.stream(), runtime.initial_state()
    state["hidden"] = before
    stream.state = state
    outputs = np.stack([stream.step(row, time).copy() for row, time in zip(rows.tolist(), times.tolist(), strict=True)])
    return {
        "rows": rows,
        "times": times,
        "before": _states(model, before),
        "outputs": _outputs(model, outputs),
        "after": _states(model, stream.state["hidden"][0]),
        "answers": runtime.answers(outputs[-1]).astype(np.float32),
    }


def _of_states(model: CModel, random: np.random.Generator) -> Arrays:
    """Steps from a state that is not zero, and what the top layer gives at each."""
    rows = random.normal(size=(STEPS, model.stack.input_size)).astype(np.float32)
    before = _hidden(model, random)
    outputs, after = model.runtime.states(rows[:, None], before[:, None])
    return {"rows": rows, "before": padded(before), "outputs": outputs[:, 0], "after": padded(after[:, 0])}


def _hidden(model: CModel, random: np.random.Generator) -> NDArray[np.float32]:
    """A state (K, H); of w8a16 its numbers are such as there are."""
    state = random.uniform(-0.9, 0.9, (model.stack.num_layers, model.stack.hidden_size))
    return np.asarray(np.rint(state * 2**ONE) / 2**ONE, np.float32)


def _states(model: CModel, states: NDArray[np.float32]) -> NDArray[Any]:
    """(K, H) as C has them, (K, W)."""
    return padded(states if model.fixed is None else whole(states, 2.0**ONE))


def _outputs(model: CModel, outputs: NDArray[np.float32]) -> NDArray[Any]:
    """Outputs as C has them."""
    return outputs if model.fixed is None else np.rint(outputs.astype(np.float64) * 2**WIDE).astype(np.int32)


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
