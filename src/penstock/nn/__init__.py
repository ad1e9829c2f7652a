"""Torch modules: the GRU, its cell, its functional form, and the language model built of it."""

from penstock.nn.cell import GRUCell
from penstock.nn.functional import gru
from penstock.nn.language_model import LanguageModel
from penstock.nn.packing import packed
from penstock.nn.recurrent import GRU

__all__ = ["GRU", "GRUCell", "LanguageModel", "gru", "packed"]
