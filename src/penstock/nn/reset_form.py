"""The mark by which a saved state says which form of the GRU it belongs to."""

from typing import Any

import torch
from torch import Tensor, nn

from penstock.nn.checks import check_reset_form


class ResetForm(nn.Module):
    """A module whose weights mean one function with ``reset="before"`` and another with ``reset="after"``.

    The state holds a bool ``reset_after``. Loading a state of the other form is an error that changes no weight; a
    state without the mark is taken for that of ``torch.nn.GRU`` or ``torch.nn.GRUCell``, which is ``"after"``.
    """

    reset_after: Tensor

    def __init__(self, reset: str, device: Any = None) -> None:
        super().__init__()
        check_reset_form(reset)
        self.reset = reset
        self.register_buffer("reset_after", torch.tensor(reset == "after", device=device))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        key = prefix + "reset_after"
        mark = state_dict.get(key)
        has_weights = any(name.startswith(prefix + "weight_") for name in state_dict)
        saved = "after" if mark is None or bool(mark) else "before"
        if has_weights and saved != self.reset:
            origin = "is not marked, as torch.nn.GRU's are not, which makes it" if mark is None else "is of"
            error_msgs.append(
                f'{prefix.rstrip(".") or type(self).__name__}: this module is reset="{self.reset}", the saved state '
                f'{origin} reset="{saved}". They are different functions and no conversion is exact: '
                f'construct the module with reset="{saved}".'
            )
            return
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if mark is None and has_weights and key in missing_keys:
            missing_keys.remove(key)
