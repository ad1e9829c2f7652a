"""The lab: every claim of the textbook, run on the spot with small models, with its figures and whether it holds.

Each experiment is a module with ``run(effort)``, which returns its claims; nothing here imports torch until one runs.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.lab.claim import Claim, Effort

EXPERIMENTS = (
    "limits",
    "odd-one-out",
    "long-memory",
    "fresh-starts",
    "agreement",
    "verb-and-subject",
    "two-gates",
    "soft-gates",
    "time-gaps",
)
"""By name, in the order of the textbook. What one has trained, those after it that need it do not train again."""


def run(name: str, effort: "Effort", told: Callable[[str, float], None] = lambda what, share: None) -> "list[Claim]":
    """The claims of one experiment, measured; ``told`` hears what is being trained, and how much of that is done.

    In one thread: the models are too small for more to be of use, and the figures do not depend on the machine's cores.
    """
    experiment, torch = import_module(f"penstock.lab.{name.replace('-', '_')}"), import_module("torch")
    training = import_module("penstock.lab.training")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    before = training.told.set(lambda what, share: told(f"{name}: {what}", share))
    try:
        claims: list[Claim] = experiment.run(effort)
    finally:
        torch.set_num_threads(threads)
        training.told.reset(before)
    return claims
