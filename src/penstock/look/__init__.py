"""What a GRU attends to and forgets, exactly: traces, attention, memory, pages and pictures. Never imports torch.

The room is also the function ``penstock.look(model, x)``; see ``penstock.look.models.look``.
"""

import sys
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.look.page import Page


class _Room(types.ModuleType):
    """A module that can be called, as a package and a function of it cannot both be ``penstock.look``."""

    def __call__(
        self,
        model: Any,
        *sequences: Any,
        batch_index: int = 0,
        tokens: Sequence[Any] | None = None,
        channels: Sequence[str] | None = None,
    ) -> "Page":
        from penstock.look.models import look

        return look(model, *sequences, batch_index=batch_index, tokens=tokens, channels=channels)


sys.modules[__name__].__class__ = _Room
