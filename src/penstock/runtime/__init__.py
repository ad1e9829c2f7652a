"""A trained model without torch: load, step, score, generate."""

from penstock.runtime.model import Model, Score, load

__all__ = ["Model", "Score", "load"]
