"""Penstock: the gated recurrent unit (GRU) as real software.

Importing this package imports nothing heavy; each name below loads its own room on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock import equations as equations
    from penstock import exchange as exchange
    from penstock.errors import PenstockError as PenstockError
    from penstock.gates import Gates as Gates
    from penstock.look.attention import attention as attention
    from penstock.look.models import look as look
    from penstock.look.models import trace as trace
    from penstock.nn import GRU as GRU
    from penstock.nn import GRUCell as GRUCell
    from penstock.nn import LanguageModel as LanguageModel
    from penstock.nn import gru as gru
    from penstock.nn import packed as packed
    from penstock.ops import explain as explain
    from penstock.runtime import load as load

__version__ = "0.1.0"

_ROOM_OF = {
    "GRU": "penstock.nn",
    "GRUCell": "penstock.nn",
    "Gates": "penstock.gates",
    "attention": "penstock.look.attention",
    "LanguageModel": "penstock.nn",
    "PenstockError": "penstock.errors",
    "equations": "penstock.equations",
    "exchange": "penstock.exchange",
    "explain": "penstock.ops",
    "gru": "penstock.nn",
    "load": "penstock.runtime",
    "look": "penstock.look",
    "packed": "penstock.nn",
    "trace": "penstock.look.models",
}

__all__ = [
    "GRU",
    "GRUCell",
    "Gates",
    "LanguageModel",
    "PenstockError",
    "attention",
    "equations",
    "exchange",
    "explain",
    "gru",
    "load",
    "look",
    "packed",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    try:
        room = import_module(_ROOM_OF[name])
        return room if room.__name__ == f"penstock.{name}" else getattr(room, name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModuleNotFoundError(
            f"penstock.{name} needs PyTorch, which is not installed: pip install 'penstock[train]'",
            name="torch",
        ) from error


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOM_OF])
