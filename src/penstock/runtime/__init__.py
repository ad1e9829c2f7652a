"""A trained model without torch: load, step, score, generate."""

from penstock.runtime.model import Model, Reading, load
from penstock.runtime.score import Score

__all__ = ["Model", "Reading", "Score", "load"]
