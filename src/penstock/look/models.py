"""Traces of whole models: Penstock's language models, and any torch module with a GRU inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.look.modules import is_module, trace_module
from penstock.look.page import Page
from penstock.look.trace import Trace, trace_text
from penstock.runtime.model import Model


def trace(model: Any, x: Any, *, batch_index: int = 0) -> Trace:
    """What every GRU layer of a model did over one sequence: gates, states, and what can be read off them.

    Args:
        model: of ``penstock.load`` or ``penstock.LanguageModel`` and a text; or a ``penstock.GRU``, a ``torch.nn.GRU``
            or any module that calls some, and its input.
        x: the text; or what the module is called with: a tensor, an array of its type, a tuple of arguments, or a
            mapping of them by name. The module runs once, in ``eval()`` and without gradients.
        batch_index: which sequence of a batch.

    Returns:
        A ``Trace``: ``.layers[k]`` with ``update``, ``reset``, ``candidate`` and ``hidden`` (L, H), ``attention()``,
        ``half_life()`` and so on; ``save`` and ``load``; it shows itself in a notebook.

    Raises:
        PenstockError: the text is empty.
        ValueError: there is no GRU in the module, its calls cannot be shown beside each other, or no such sequence.
        TypeError: model or x is nothing of the above.
    """
    if is_module(model) and hasattr(model, "vocabulary"):
        weights = {name: np.asarray(value.detach().cpu().float()) for name, value in model.state_dict().items()}
        model = Model(model.config, model.vocabulary, weights)
    if isinstance(model, Model):
        if not isinstance(x, str):
            raise TypeError(f"x: expected a text (str) for a language model, got {type(x).__name__}")
        return trace_text(model, x)
    if not is_module(model):
        raise TypeError(f"model: expected a language model or a torch module with a GRU, got {type(model).__name__}")
    return trace_module(model, x, batch_index)


def look(model: Any, *sequences: Any, batch_index: int = 0) -> Page:
    """The page that shows a model at work on one sequence, or on two side by side.

    Args:
        model: as ``penstock.trace``.
        sequences: one or two, each as the ``x`` of ``penstock.trace``.
        batch_index: which sequence of a batch.

    Returns:
        A ``Page``: it shows itself in a notebook, and ``save("page.html")`` writes it.

    Raises:
        As ``penstock.trace``.
    """
    if not 1 <= len(sequences) <= 2:
        raise TypeError(f"sequences: expected one, or two to compare, got {len(sequences)}")
    return Page(*(trace(model, x, batch_index=batch_index) for x in sequences))
