"""Traces of whole models: Penstock's language models, and any torch module with a GRU inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.look.forecast_trace import trace_forecast
from penstock.look.modules import is_module, trace_module
from penstock.look.page import Page
from penstock.look.series_trace import trace_series
from penstock.look.trace import Trace, trace_text
from penstock.runtime.forecast_model import ForecastRuntime
from penstock.runtime.model import Model
from penstock.runtime.series_model import SeriesRuntime
from penstock.series import SeriesSet, columns_of


def trace(
    model: Any,
    x: Any,
    *,
    batch_index: int = 0,
    tokens: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
) -> Trace:
    """What every GRU layer of a model did over one sequence: gates, states, and what can be read off them.

    Args:
        model: of ``penstock.load`` or ``penstock.LanguageModel`` and a text; of ``penstock.load`` and a series; or a
            ``penstock.GRU``, a ``torch.nn.GRU`` or any module that calls some, and its input.
        x: the text; or the rows of a series (L, C) by ``model.columns``, NaN where missing, of categories their codes,
            or a tuple of them and their times (L,); or what the module is called with: a tensor, an array of its type,
            a tuple of arguments, or a mapping of them by name. The module runs once, in ``eval()``, without gradients.
        batch_index: which sequence of a batch.
        tokens: a word for each step of a module's sequence, which the page shows as a text.
        channels: a name for each column of the numbers that a module was called with.

    Returns:
        A ``Trace``: ``.layers[k]`` with ``update``, ``reset``, ``candidate`` and ``hidden`` (L, H), ``attention()``,
        ``half_life()`` and so on; ``save`` and ``load``; it shows itself in a notebook.

    Raises:
        PenstockError: the text is empty.
        ValueError: there is no GRU in the module, its calls cannot be shown beside each other, no such sequence, or
            there are more or fewer ``tokens`` or ``channels`` than steps or columns.
        TypeError: model or x is nothing of the above.
    """
    if is_module(model) and hasattr(model, "vocabulary"):
        weights = {name: np.asarray(value.detach().cpu().float()) for name, value in model.state_dict().items()}
        model = Model(model.config, model.vocabulary, weights)
    if isinstance(model, Model):
        if not isinstance(x, str):
            raise TypeError(f"x: expected a text (str) for a language model, got {type(x).__name__}")
        return trace_text(model, x).named(tokens, channels)
    if isinstance(model, SeriesRuntime | ForecastRuntime):
        series = _one_series(model, *(x if isinstance(x, tuple) else (x,)))
        of = trace_series(model, series) if isinstance(model, SeriesRuntime) else trace_forecast(model, series)
        return of.named(tokens, channels)
    if not is_module(model):
        raise TypeError(f"model: expected a language model or a torch module with a GRU, got {type(model).__name__}")
    return trace_module(model, x, batch_index).named(tokens, channels)


def _one_series(model: SeriesRuntime | ForecastRuntime, values: Any, times: Any = None) -> SeriesSet:
    """The rows of an array as a set of one series."""
    rows = np.asarray(values, np.float32)
    if rows.ndim != 2 or rows.shape[1] != len(model.columns) or not len(rows):
        raise ValueError(f"x: expected (L, C={len(model.columns)}) of {', '.join(model.columns)}, got {rows.shape}")
    by_name = {column.name: column for column in columns_of(model.reads)}
    others = [name for name in model.answer.targets if name not in model.columns]
    read = tuple(by_name[name] for name in (*model.columns, *others))
    unknown = np.full((len(rows), len(others)), np.nan, np.float32)
    moments = None if times is None else np.asarray(times)
    ends = np.array([0, len(rows)])
    return SeriesSet(("x",), ends, np.concatenate([rows, unknown], axis=1), read, moments, bool(model.reads["dated"]))


def look(
    model: Any,
    *sequences: Any,
    batch_index: int = 0,
    tokens: Sequence[Any] | None = None,
    channels: Sequence[str] | None = None,
) -> Page:
    """The page that shows a model at work on one sequence, or on two side by side.

    Args:
        model: as ``penstock.trace``.
        sequences: one or two, each as the ``x`` of ``penstock.trace``.
        batch_index: which sequence of a batch.
        tokens: as ``penstock.trace``; of two sequences, those of the one and those of the other.
        channels: as ``penstock.trace``.

    Returns:
        A ``Page``: it shows itself in a notebook, and ``save("page.html")`` writes it.

    Raises:
        As ``penstock.trace``.
    """
    if not 1 <= len(sequences) <= 2:
        raise TypeError(f"sequences: expected one, or two to compare, got {len(sequences)}")
    of_each = [tokens] if len(sequences) == 1 else [None, None] if tokens is None else tokens
    if len(of_each) != len(sequences):
        raise ValueError(f"tokens: expected those of the one sequence and those of the other, got {len(of_each)}")
    named = zip(sequences, of_each, strict=True)
    return Page(*(trace(model, x, batch_index=batch_index, tokens=words, channels=channels) for x, words in named))
