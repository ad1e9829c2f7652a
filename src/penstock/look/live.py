"""The page with the model inside, which computes in the browser what the text makes of it."""

from __future__ import annotations

import numpy as np

from penstock.errors import PenstockError
from penstock.look.page import assembled
from penstock.look.page_data import packed
from penstock.model_folder.quantized import expect_float
from penstock.runtime.model import Model
from penstock.web.model_file import language_file

LARGEST = 16_000_000
"""Weights that a page holds: some 45 MB of text, which a browser still opens at once."""
WRITTEN = 160
"""Tokens that the model writes itself where no text is given."""


def live_page(model: Model, *texts: str, title: str = "") -> str:
    """A page of HTML that holds the model, its weights as float16, and needs nothing else.

    Args:
        model: as ``penstock.load`` gives it.
        texts: one to begin with, or two to compare; without any, one that the model writes.
        title: a line of your own at the head of the page, such as the model's name; "" for none.

    Raises:
        PenstockError: the model is too large for a page, or its weights for float16.
        ValueError: there are more than two texts.
    """
    if len(texts) > 2:
        raise ValueError(f"texts: expected at most two, got {len(texts)}")
    expect_float(model.weights, "look")
    weights = sum(weight.size for weight in model.weights.values())
    if weights > LARGEST:
        raise PenstockError(
            f"model: its {weights:,} weights are more than a page can hold, {LARGEST:,}; "
            "look at texts through it without --live, or train a smaller one"
        )
    for text in texts:
        if not text:
            raise PenstockError("text: expected at least one character, got none")
    if not texts:
        texts = ("".join(model.generate(length=WRITTEN, temperature=0.7, seed=0)) or "\n",)
    content = language_file(model.config, model.vocabulary, model.weights, "float16")
    halves = np.frombuffer(content + b" " * (len(content) % 2), "<f2")
    return assembled({"title": title, "live": {"model": packed(halves), "texts": texts}, "traces": []})


def training_page(title: str = "") -> str:
    """A page of HTML in which small GRUs learn the lab's tasks, and nothing else."""
    return assembled({"title": title, "traces": []})
