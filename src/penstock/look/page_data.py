"""What a page is given of a trace, as JSON; its scripts unpack it in ``assets/script/data.js``."""

from __future__ import annotations

import base64
import gzip
import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.look.language import Language
from penstock.look.layer import Floats, Layer
from penstock.look.numeric import Numeric
from penstock.runtime.layer import log_softmax

MOST_EXACT = 600_000
"""Steps × units up to which gates are kept to float16; of more, to a byte, which the page says."""
ANCHOR = 64
"""Steps after which a page that has rounded gates is given the state itself."""
MOST_CHANNELS = 64
MOST_ANSWERS = 12
"""Classes or labels whose probabilities are drawn: those that were ever the likeliest."""
EXPECTED = 8
"""Predictions shown a position."""
BLOCK = 256
"""Positions whose predictions are computed as one product."""


class Traced(Protocol):
    """What a page is made from: a ``Trace``, which shows itself as one and so stands above."""

    @property
    def layers(self) -> tuple[Layer, ...]: ...  # noqa: D102
    @property
    def language(self) -> Language | None: ...  # noqa: D102
    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def channels(self) -> tuple[str, ...] | None: ...  # noqa: D102
    @property
    def numeric(self) -> Numeric | None: ...  # noqa: D102
    @property
    def inputs(self) -> Floats | None: ...  # noqa: D102
    def words(self) -> tuple[str, ...] | None: ...  # noqa: D102
    def top(self) -> Floats: ...  # noqa: D102
    def __len__(self) -> int: ...


def data_of(trace: Traced) -> dict[str, Any]:
    """A trace as the scripts read it; see ``script/data.js``."""
    layer_data = _rounded if sum(layer.update.size for layer in trace.layers) > MOST_EXACT else _layer_data
    data: dict[str, Any] = {"length": len(trace), "layers": [layer_data(layer) for layer in trace.layers]}
    data |= {"start": trace.start, "tokens": trace.words(), "channelNames": trace.channels}
    if trace.numeric is not None:
        data |= _numeric_data(trace.numeric)
    elif trace.language is None:
        x = trace.layers[0].x if trace.inputs is None else trace.inputs
        data |= {"channels": packed(x[:, :MOST_CHANNELS].T, "<f4"), "channelCount": x.shape[1]}
    else:
        data |= _language_data(trace)
    return data


def _about(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "form": layer.form,
        "reverse": layer.reverse,
        "units": len(layer.h_0),
        "initial": packed(layer.h_0),
        "entered": np.flatnonzero(layer.entered()).tolist(),
        "halfLife": _numbers(layer.half_life()),
    }


def _layer_data(layer: Layer) -> dict[str, Any]:
    z = layer.update
    # One number from which both z and 1 − z come back with small relative errors: the smaller one, the sign says which.
    smaller = np.where(z < 0.5, z, -(1 - z))
    return _about(layer) | {
        "update": packed(smaller),
        "reset": packed(layer.reset),
        "candidate": packed(layer.candidate),
    }


def _rounded(layer: Layer) -> dict[str, Any]:
    """The same in a third of the room, a byte a number, and how far that is from the truth."""
    half_turn = 510 / np.pi
    z, r = (np.rint(np.arcsin(np.sqrt(np.clip(gate, 0, 1))) * half_turn) for gate in (layer.update, layer.reset))
    z, r, n = (codes.astype(np.uint8) for codes in (z, r, (layer.candidate + 1) * 127 + 0.5))
    hidden = layer.hidden[::-1] if layer.reverse else layer.hidden
    anchors = hidden[ANCHOR - 1 : len(hidden) - 1 : ANCHOR]
    codes = np.arange(256)
    gate, signed = np.sin(np.pi * codes / 510) ** 2, codes / 127 - 1
    states = _states(layer, gate[z], signed[n], anchors)
    off = {
        "gates": max(abs(gate[z] - layer.update).max(), abs(gate[r] - layer.reset).max()),
        "candidate": abs(signed[n] - layer.candidate).max(),
        "hidden": abs(states - hidden).max(),
    }
    return _about(layer) | {
        # not gzipped: of a real text that takes a twentieth off, and holds up the opening
        "update": _as_text(z.data),
        "reset": _as_text(r.data),
        "candidate": _as_text(n.data),
        "rounded": {"anchors": packed(anchors), "off": {name: _rounded_up(value) for name, value in off.items()}},
    }


def _rounded_up(value: float) -> float:
    return math.ceil(10_000 * value) / 10_000


def _states(layer: Layer, z: Floats, n: Floats, anchors: Floats) -> Floats:
    """The states that the page computes from rounded gates, in the order of reading."""
    entered = layer.entered()
    if layer.reverse:
        z, n, entered = z[::-1], n[::-1], entered[::-1]
    states, state = np.empty_like(layer.hidden), layer.h_0
    for t in range(len(z)):
        if t and t % ANCHOR == 0:
            state = anchors[t // ANCHOR - 1]
        state = z[t] * (0 if entered[t] else state) + (1 - z[t]) * n[t]
        states[t] = state
    return states


def _language_data(trace: Traced) -> dict[str, Any]:
    """What was expected after each token, and the output layer's direction of the one that came."""
    language = trace.language
    assert language is not None
    ids, L = language.ids, len(trace)
    count = min(EXPECTED, len(language.vocabulary))
    top, expected, probabilities = trace.top(), np.empty((L, count), np.int64), np.empty((L, count))
    surprise = np.full(L, np.nan)
    for start in range(0, L, BLOCK):
        block = slice(start, start + BLOCK)
        log_p = log_softmax(top[block] @ language.weight.T + language.bias)
        expected[block] = np.argsort(-log_p, axis=1, kind="stable")[:, :count]
        probabilities[block] = np.exp(np.take_along_axis(log_p, expected[block], 1))
        came = ids[start + 1 : start + 1 + len(log_p)]
        surprise[start + 1 : start + 1 + len(came)] = -log_p[np.arange(len(came)), came] / np.log(2)
    # At the last position nothing came: the most expected token takes its place.
    spoken_for = np.append(ids[1:], expected[-1, 0])
    distinct, which = np.unique(spoken_for, return_inverse=True)
    shown, labels = np.unique(np.concatenate([expected.reshape(-1), distinct]), return_inverse=True)
    first_layer = 0 if language.residual else len(trace.layers) - 1
    return {
        "unseen": language.unseen(),
        "labels": [language.vocabulary[token] for token in shown],
        "expected": labels[: expected.size].reshape(L, count).tolist(),
        "probabilities": [_numbers(row) for row in probabilities],
        "surprise": _numbers(surprise),
        "spokenFor": labels[expected.size :][which].tolist(),
        "direction": which.tolist(),
        "directions": packed(language.weight[distinct] - language.weight.mean(0)),
        "readOut": list(range(first_layer, len(trace.layers))),
    }


def _numeric_data(numeric: Numeric) -> dict[str, Any]:
    """The rows of a series in the place of channels, and what was answered."""
    C, drawn = len(numeric.columns), _telling(numeric.values)
    likeliest = np.argsort(-np.nanmax(numeric.answers, axis=0, initial=-np.inf), kind="stable")
    chosen = np.arange(numeric.answers.shape[1])
    if numeric.asked in ("class", "labels"):
        chosen = np.sort(likeliest[:MOST_ANSWERS])
    truths = numeric.truths[:, chosen] if numeric.asked == "labels" else numeric.truths
    surprise = numeric.surprise()
    return {
        "channelNames": [numeric.columns[c] for c in drawn],
        "channels": packed(numeric.values[:, drawn].T, "<f4"),
        "channelCount": C,
        "rowCount": len(numeric.values),
        "numeric": {
            "asked": numeric.asked,
            "id": numeric.id,
            "size": numeric.size,
            "whole": numeric.whole,
            "next": numeric.next,
            "names": [numeric.names[k] for k in chosen] if numeric.asked != "forecast" else numeric.names,
            "count": len(numeric.names),
            "answers": packed(numeric.answers[:, chosen].T, "<f4"),
            "truths": packed(truths.T, "<f4"),
            "truth": _true_class(numeric),
            "told": numeric.told() if numeric.asked == "class" else None,
            "decided": numeric.decided() if numeric.asked == "class" else None,
            "surprise": None if surprise is None else _numbers(surprise),
            "leastExpected": None if surprise is None or np.isnan(surprise).all() else int(np.nanargmax(surprise)),
            "account": packed(np.concatenate([numeric.account[:, drawn], numeric.account[:, C:]], axis=1).T, "<f4"),
            "accountOf": numeric.account_of,
            "gap": numeric.account.shape[1] > C,
            "first": numeric.first,
            "levels": numeric.levels,
            "when": numeric.when,
            "clock": numeric.clock,
        },
    }


def _telling(values: Floats) -> list[int]:
    """The columns that are drawn, ascending: of more than there is room for, not those of one value."""
    same = [bool((column[~np.isnan(column)] == column[~np.isnan(column)][:1]).all()) for column in values.T]
    return sorted(np.argsort(same, kind="stable")[:MOST_CHANNELS].tolist())


def _true_class(numeric: Numeric) -> str | None:
    """The name of the class that a series has."""
    code = numeric.truths[-1, 0] if numeric.asked == "class" and numeric.whole else np.nan
    return numeric.names[int(code)] if code < len(numeric.names) else None


def packed(values: NDArray[Any], dtype: str = "<f2") -> str:
    """Numbers as base64 of gzip: the first bytes of all, then the second ones, which compresses better."""
    raw = np.ascontiguousarray(values, dtype)
    planes = raw.reshape(-1).view(np.uint8).reshape(-1, raw.itemsize).T
    return _as_text(gzip.compress(planes.tobytes(), 6, mtime=0))


def _as_text(data: bytes | memoryview) -> str:
    return base64.b64encode(data).decode()


def _numbers(values: NDArray[Any]) -> list[float | None]:
    """Four digits of each; None where JSON has no number."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values.tolist()]
