"""The compiled core's face: what was built, what this processor has, and which instruction set is in use.

``PENSTOCK_INSTRUCTION_SET=portable`` (or ``avx2``, ``avx512``, ``neon``) forces a choice, so that every path can be
tested on one machine. Without a compiler at install time there is no core; ``unavailable`` then says so.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, NamedTuple

from penstock.errors import PenstockError

FORCE_VARIABLE = "PENSTOCK_INSTRUCTION_SET"

_core: Any = None
unavailable: str | None = None
"""Why there is no compiled core, in words; None where there is one."""
try:
    _core = importlib.import_module("penstock.native._core")
except ImportError as error:
    unavailable = (
        "installed without it: no working C++20 compiler was found then (install one, then reinstall)"
        if isinstance(error, ModuleNotFoundError)
        else f"built, but it does not load here: {error}"
    )


class InstructionSet(NamedTuple):
    """One row of the core's table."""

    name: str
    float_lanes: int
    """float32 values in one vector register; 0 where the set was not compiled."""
    chosen: bool
    reason: str
    """Why it is, or is not, in use."""


def compiler() -> str | None:
    """The compiler that built the core, or None."""
    return None if _core is None else str(_core.compiler)


def instruction_sets() -> list[InstructionSet]:
    """All instruction sets, best first, with the one in use marked. Empty without the core.

    Raises:
        PenstockError: ``PENSTOCK_INSTRUCTION_SET`` names none that this machine can run.
    """
    if _core is None:
        return []
    forced = os.environ.get(FORCE_VARIABLE, "")
    try:
        chosen = _core.choose(forced).name
    except ValueError as error:
        raise PenstockError(f"{FORCE_VARIABLE}: {error}; unset it to let Penstock choose") from None

    def reason(s: Any) -> str:
        if not s.supported:
            return f"this processor lacks it (needs {s.needs})"
        if not s.compiled:
            return "the compiler that built the core does not know it"
        if s.name == chosen:
            return f"forced by {FORCE_VARIABLE}" if forced else "the best that this processor has"
        return f"{chosen} was forced by {FORCE_VARIABLE}" if forced else f"{chosen} is faster"

    return [InstructionSet(s.name, s.float_lanes, s.name == chosen, reason(s)) for s in _core.instruction_sets()]
